"""The trace network: each link as a measurement campaign has it. Foreign numbers, not ns-3."""

from dataclasses import dataclass, replace

import numpy as np

from ns3_scenarios.airtime import Carried, Schedule, carry
from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.batteries import Batteries
from ns3_scenarios.causes import causes_of_airtime
from ns3_scenarios.description.link_trace import FIELD, MeasuredLink
from ns3_scenarios.description.mobility import contact_s
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.reports import LinkReport, RoundReport
from ns3_scenarios.traffic import RoundTraffic

NEVER = MeasuredLink(*np.zeros((4, 0)))


@dataclass(frozen=True)
class _Sending:
    """A schedule, and what the trace says of its stretches, (k): rate_bps on the air, loss."""

    schedule: Schedule
    rate_bps: FloatArray
    loss: FloatArray


class TraceNetwork:
    """Serves each message at the measured rate, delay and loss of its link, whatever they are then.

    A message of b bytes is on the air until the integral of rate (1 - loss) over time is 8 b: what
    is lost is sent again at once, 1 / (1 - loss) times on average, and never given up. It is whole
    delay_s later, the delay of the link when the message began. While the link carries nothing, a
    message that has begun waits, and its radio idles.

    The messages of one sender share its radio, one after another in the order of the traffic; those
    whose link carries nothing are passed over until it does. Different senders do not disturb each
    other, and a device sends and receives at once: contention is in what was measured, if anywhere.
    A link of which the trace says nothing, or that carries nothing from its sender's being ready to
    the end of the round, is unreachable.

    Bytes, batteries and radio states as in `airtime.carry`; an acknowledgement takes no time and
    costs nothing. Links report one frame per message on the air, rates and losses as means over
    airtime, expected retransmissions in chunks, and as peers those that carry something when the
    round ends. The trace knows of no place: positions are the scenario's.

    Left out: loss in bursts, and contention of these messages beyond what the trace has seen.
    """

    def __init__(self, scenario: NetworkScenario) -> None:
        if scenario.link_trace is None:
            raise ScenarioError(f"{FIELD}: expected measured links, got none; name their file")
        self._scenario = scenario
        self._links = scenario.link_trace.links
        self._batteries = Batteries(scenario)
        self._clock_s = 0.0

    def wait_ready(self) -> None:
        """Do nothing: it stands when made."""

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        """Send what is ready until the round ends or its devices die."""
        start_s, chunk_bytes = self._clock_s, self._scenario.transport.segment_bytes
        sending = self._sending(traffic, start_s)
        carried = carry(self._batteries, traffic, sending.schedule, chunk_bytes)
        self._clock_s += carried.duration_s
        on_air_bytes = sending.schedule.of_message(carried.sent_s * sending.rate_bps / 8)
        again_bytes = np.maximum(on_air_bytes - carried.flows.handed_bytes, 0.0)
        retransmissions = np.rint(again_bytes / chunk_bytes).astype(np.int64)
        energy, of_message = self._batteries.end_round(), sending.schedule.of_message
        on_air_s = (
            traffic.per_link(of_message(each)) for each in (carried.sent_s, carried.heard_s)
        )
        return RoundReport(
            round_index=traffic.round_index,
            start_s=start_s,
            duration_s=carried.duration_s,
            flows=replace(carried.flows, retransmissions=retransmissions),
            links=self._link_report(traffic, sending, carried),
            energy=energy,
            causes=causes_of_airtime(self._batteries.state_power_w, energy, *on_air_s),
            chunk_bytes=chunk_bytes,
            chunk_arrived=carried.chunk_arrived,
            stale_datagrams=np.zeros(len(traffic.compute_s), dtype=np.int64),
            position_m=self._scenario.position_m,
            num_events=0,
        )

    def _sending(self, traffic: RoundTraffic, start_s: float) -> _Sending:
        """Queue each sender's messages from the end of its computing on."""
        links = {
            pair: self._links.get(pair, NEVER).during(start_s, traffic.period_s)
            for pair in set(zip(traffic.src.tolist(), traffic.dst.tolist(), strict=True))
        }
        link_of = [links[i, j] for i, j in zip(traffic.src, traffic.dst, strict=True)]
        end_s, lag_s = np.full(len(link_of), np.inf), np.zeros(len(link_of))
        found: list[tuple[int, int, float, float]] = []
        for device in range(len(traffic.compute_s)):
            waiting = np.flatnonzero(traffic.src == device).tolist()
            now_s = float(traffic.compute_s[device])
            while waiting:
                message, now_s = _next(waiting, link_of, now_s)
                if now_s >= traffic.period_s:
                    break
                waiting.remove(message)
                link, size = link_of[message], int(traffic.payload_bytes[message])
                lag_s[message] = link.delay_s[link.row_at(now_s)]
                rows, end_s[message] = link.stretches(now_s, size, traffic.period_s)
                found += [(message, *row) for row in rows]
                now_s = float(end_s[message])

        def said(name: str) -> FloatArray:
            return np.array([getattr(link_of[m], name)[row] for m, row, *_ in found], np.float64)

        ready_s = traffic.compute_s[traffic.src].tolist()
        up_s = [link.next_up_s(since_s) for link, since_s in zip(link_of, ready_s, strict=True)]
        schedule = Schedule(
            message=np.array([message for message, *_ in found], np.int64),
            begin_s=np.array([begin_s for *_, begin_s, _ in found], np.float64),
            end_s=np.array([until_s for *_, until_s in found], np.float64),
            byte_per_s=said("byte_per_s"),
            end_s_of=end_s,
            lag_s=lag_s,
            up_s=np.array(up_s, dtype=np.float64),
        )
        return _Sending(schedule, said("rate_bps"), said("loss"))

    def _link_report(
        self, traffic: RoundTraffic, sending: _Sending, carried: Carried
    ) -> LinkReport:
        scenario, n = self._scenario, self._scenario.num_devices

        def of_links(stretches: FloatArray) -> FloatArray:
            return traffic.per_link(sending.schedule.of_message(stretches))

        airtime_s = of_links(carried.sent_s)
        used = airtime_s > 0
        each_s = np.where(used, airtime_s, np.nan)
        on_air = sending.schedule.of_message(carried.sent_s) > 0
        unknown = np.full((n, n), np.nan)
        is_peer = self._carry_now(n)
        return LinkReport(
            rate_bps=of_links(carried.sent_s * sending.rate_bps) / each_s,
            sinr_db=unknown,
            snr_db=unknown.copy(),
            loss_ratio=1 - of_links(carried.heard_s * (1 - sending.loss)) / each_s,
            frames=traffic.per_link(on_air).astype(np.int64),
            airtime_s=airtime_s,
            received_bytes=traffic.per_link(carried.flows.delivered_bytes).astype(np.int64),
            is_peer=is_peer,
            next_hop=np.where(is_peer, np.arange(n), -1),
            contact_s=contact_s(
                scenario.position_m,
                scenario.settings.neighbour_distance_m,
                carried.duration_s,
            ),
        )

    def _carry_now(self, num_devices: int) -> BoolArray:
        """Say which links carry anything at this instant, (n, n)."""
        carries = np.zeros((num_devices, num_devices), dtype=np.bool_)
        for pair, link in self._links.items():
            carries[pair] = link.next_up_s(self._clock_s) == self._clock_s
        return carries

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    def kill(self) -> None:
        """Do nothing: it holds nothing."""


def _next(waiting: list[int], link_of: list[MeasuredLink], now_s: float) -> tuple[int, float]:
    """Return the first message whose link carries anything, and since when: now, or the soonest."""
    chosen, soonest_s = waiting[0], np.inf
    for message in waiting:
        up_s = link_of[message].next_up_s(now_s)
        if up_s < soonest_s:
            chosen, soonest_s = message, up_s
        if up_s == now_s:
            break
    return chosen, soonest_s
