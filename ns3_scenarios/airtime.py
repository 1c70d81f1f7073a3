"""Messages on the air in stretches of constant rate: what networks that are formulas share.

Whoever makes the `Schedule` says when each message is on the air if nobody dies; `carry` lives
through it with batteries that may run empty.
"""

from dataclasses import dataclass

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.batteries import Batteries
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.reports import OUTCOMES, FlowReport, first_chunks, num_chunks
from ns3_scenarios.traffic import RoundTraffic

TX, RX, IDLE = (RADIO_STATES.index(name) for name in ("tx", "rx", "idle"))


@dataclass(frozen=True)
class Schedule:
    """When messages are on the air if nobody dies; all times from the round's start [s].

    Of stretches (k): message, an index into the traffic; begin_s, end_s; byte_per_s of payload that
    get through. Of messages (f): end_s_of, when the last byte leaves, inf never; lag_s, how much
    later a byte arrives; up_s, from when on the link carries anything, inf never.
    """

    message: IntArray
    begin_s: FloatArray
    end_s: FloatArray
    byte_per_s: FloatArray
    end_s_of: FloatArray
    lag_s: FloatArray
    up_s: FloatArray

    def seconds(self, until_s: FloatArray) -> FloatArray:
        """How long each stretch was on the air, (k) [s]; until_s (f): of its message."""
        on_air_s = np.minimum(self.end_s, until_s[self.message]) - self.begin_s
        return np.asarray(np.maximum(on_air_s, 0.0))

    def of_message(self, values: FloatArray) -> FloatArray:
        """Add up values of stretches (k) by message, (f)."""
        return np.bincount(self.message, values, len(self.end_s_of)).astype(np.float64)


@dataclass(frozen=True)
class Carried:
    """A round that was lived through.

    sent_s, heard_s (k): how long each stretch was on the air, and its receiver there to hear it.
    chunk_arrived: as RoundReport has it. Of flows, retransmissions are 0.
    """

    duration_s: float
    flows: FlowReport
    chunk_arrived: BoolArray
    sent_s: FloatArray
    heard_s: FloatArray


def carry(
    batteries: Batteries, traffic: RoundTraffic, schedule: Schedule, chunk_bytes: int
) -> Carried:
    """Send what is ready until the round ends or its devices die.

    Of a message that is cut off, the bytes that left in full were handed, and those that arrived
    while the receiver lived are delivered and acknowledged, at once and at no cost. Unsent bytes
    and those on their way are dropped at the round's end. The first chunks are those that arrive.
    """
    traffic.refuse_sleep()
    batteries.begin_round(traffic)
    _live_through(batteries, traffic, schedule)
    duration_s, lived_s = batteries.elapsed_s, batteries.lived_s
    sent_until_s = np.minimum(duration_s, lived_s[traffic.src])
    there_until_s = np.minimum(duration_s, lived_s[traffic.dst])
    heard_until_s = np.minimum(sent_until_s, there_until_s - schedule.lag_s)
    sent_s, heard_s = schedule.seconds(sent_until_s), schedule.seconds(heard_until_s)
    left = schedule.end_s_of <= sent_until_s
    finish_s = schedule.end_s_of + schedule.lag_s
    whole = left & (finish_s <= there_until_s)
    sent_bytes = _bytes(traffic, schedule, sent_s, left)
    heard_bytes = _bytes(traffic, schedule, heard_s, whole)
    ready_s, died = traffic.compute_s[traffic.src], lived_s < np.inf
    finish_s = np.where(whole, finish_s, np.inf)
    flows = FlowReport(
        outcome=np.select(
            [whole, died[traffic.src] | died[traffic.dst], schedule.up_s >= duration_s],
            [OUTCOMES.index(name) for name in ("delivered", "dead", "unreachable")],
            OUTCOMES.index("late"),
        ),
        handed_bytes=sent_bytes,
        unsent_bytes=traffic.payload_bytes - sent_bytes,
        delivered_bytes=heard_bytes,
        acked_bytes=heard_bytes,
        ready_s=ready_s,
        finish_s=finish_s,
        delay_s=finish_s - ready_s,
        retransmissions=np.zeros_like(sent_bytes),
    )
    arrived = _first_chunks(traffic, heard_bytes, chunk_bytes)
    return Carried(duration_s, flows, arrived, sent_s, heard_s)


def _live_through(batteries: Batteries, traffic: RoundTraffic, schedule: Schedule) -> None:
    """Drain the batteries from one change of anybody's power to the next, to the end."""
    arrive_s = schedule.end_s_of + schedule.lag_s
    changes_s = np.concatenate([schedule.begin_s, schedule.end_s, arrive_s, traffic.compute_s])
    for stop_s in np.unique(np.minimum([*changes_s, traffic.period_s], traffic.period_s)):
        while batteries.elapsed_s < stop_s:
            now_s, alive = batteries.elapsed_s, batteries.alive
            busy = alive & (now_s < traffic.compute_s)
            settled = (arrive_s <= now_s) | ~alive[traffic.src] | ~alive[traffic.dst]
            if traffic.stop_when_settled and not busy.any() and settled.all():
                return
            compute_w = np.where(busy, traffic.compute_w, 0.0)
            state = _radio_state(traffic, schedule, now_s, alive)
            batteries.live_until(float(stop_s), state, compute_w)


def _radio_state(
    traffic: RoundTraffic, schedule: Schedule, at_s: float, alive: BoolArray
) -> IntArray:
    """Return each device's radio state from at_s on, (n): sending hides receiving.

    A receiver's radio draws while its sender's does: lag_s is that of what lies between.
    """
    now = schedule.message[(schedule.begin_s <= at_s) & (at_s < schedule.end_s)]
    on_air = now[alive[traffic.src[now]]]
    state = np.full(len(alive), IDLE)
    state[traffic.dst[on_air]] = RX
    state[traffic.src[on_air]] = TX
    return state


def _bytes(
    traffic: RoundTraffic, schedule: Schedule, seconds: FloatArray, whole: BoolArray
) -> IntArray:
    """Count the bytes of each message that its stretches carried in full, (f)."""
    carried = np.floor(schedule.of_message(seconds * schedule.byte_per_s)).astype(np.int64)
    # Rounding must not complete a message that has not ended.
    return np.where(whole, traffic.payload_bytes, np.minimum(carried, traffic.payload_bytes - 1))


def _first_chunks(traffic: RoundTraffic, got_bytes: IntArray, chunk_bytes: int) -> BoolArray:
    """Say which chunks of each message arrived: the first ones."""
    count = num_chunks(traffic.payload_bytes, chunk_bytes)
    arrived = np.where(got_bytes == traffic.payload_bytes, count, got_bytes // chunk_bytes)
    return first_chunks(count, arrived)
