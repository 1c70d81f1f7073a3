"""What the reports of any network promise: one function per promise, one line per fault.

`conformance` runs a network and asks them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.energy_promises import batteries, causes, clock, harvest, joules, state_seconds
from ns3_scenarios.promise import (
    RELATIVE,
    TOLERANCE_S,
    TYPES,
    Played,
    SeriesCheck,
    each_round,
    where,
)
from ns3_scenarios.reports import OUTCOMES, RoundReport, num_chunks
from ns3_scenarios.traffic import RoundTraffic

DELIVERED, PARTIAL, LOST, UNREACHABLE, LATE, DEAD = range(len(OUTCOMES))


def shapes(scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport) -> Iterator[str]:
    """Check that every array has the shape and type that `reports` gives it."""
    n, f = scenario.num_devices, len(traffic.src)
    expected = {"flows": (f,), "links": (n, n), "energy": (n,)}
    per_state = (n, len(RADIO_STATES))
    for part, shape in expected.items():
        for field in fields(getattr(report, part)):
            wanted = per_state if field.name in ("state_s", "state_j") else shape
            value = getattr(getattr(report, part), field.name)
            if value.shape != wanted or value.dtype != TYPES[field.type]:
                yield (
                    f"{part}.{field.name}: expected {wanted} of {TYPES[field.type].__name__},"
                    f" got {value.shape} of {value.dtype}"
                )
    for field in fields(report.causes):
        forwarded = field.name.startswith("forwarded")
        pairs = (n, n) if field.name in ("sender_j", "receiver_j", "airtime_s") else (n,)
        wanted = (len(report.causes.forwarded_j),) if forwarded else pairs
        value = getattr(report.causes, field.name)
        if value.shape != wanted or value.dtype != TYPES[field.type]:
            yield (
                f"causes.{field.name}: expected {wanted} of {TYPES[field.type].__name__},"
                f" got {value.shape} of {value.dtype}"
            )
    if report.stale_datagrams.shape != (n,):
        yield f"stale_datagrams: expected {(n,)}, got {report.stale_datagrams.shape}"


def index(scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport) -> Iterator[str]:
    """Check that the report is of the round that was asked for."""
    if report.round_index != traffic.round_index:
        yield f"expected round_index {traffic.round_index}, got {report.round_index}"


def byte_counts(
    scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport
) -> Iterator[str]:
    """Check payload = handed + unsent, acked <= delivered <= handed, and that none is negative."""
    flows = report.flows
    offered = flows.handed_bytes + flows.unsent_bytes
    payload = traffic.payload_bytes
    yield from where("expected handed + unsent = payload", offered != payload, offered, payload)
    for less, more in (("delivered", "handed"), ("acked", "delivered")):
        low, high = (getattr(flows, f"{name}_bytes") for name in (less, more))
        yield from where(f"expected {less}_bytes <= {more}_bytes", low > high, low, high)
    for name in ("unsent_bytes", "acked_bytes", "retransmissions"):
        value = getattr(flows, name)
        yield from where(f"expected {name} of at least 0", value < 0, value)


def chunks(scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport) -> Iterator[str]:
    """Check each message's chunks against the bytes that arrived: all whole ones, and no more."""
    size = report.chunk_bytes
    count = num_chunks(traffic.payload_bytes, size)
    if len(report.chunk_arrived) != count.sum():
        yield f"expected {count.sum()} chunks of {size} bytes, got {len(report.chunk_arrived)}"
        return
    message = np.repeat(np.arange(len(count)), count)
    index = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    length = np.minimum(size, traffic.payload_bytes[message] - index * size)
    arrived = np.bincount(message, report.chunk_arrived * length, len(count)).astype(np.int64)
    delivered = report.flows.delivered_bytes
    wrong = (arrived > delivered) | (delivered >= arrived + size)
    yield from where("expected the chunks of delivered_bytes", wrong, arrived, delivered)


def outcomes(
    scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport
) -> Iterator[str]:
    """Check each outcome against the bytes that arrived, when, and who died."""
    flows, outcome = report.flows, report.flows.outcome
    yield from where("expected an index into OUTCOMES", (outcome < 0) | (outcome > DEAD), outcome)
    whole = outcome == DELIVERED
    all_bytes = flows.delivered_bytes == traffic.payload_bytes
    yield from where("expected all bytes of what is delivered and only of that", whole != all_bytes)
    has_finish = np.isfinite(flows.finish_s)
    yield from where(
        "expected a finish_s of what is delivered and only of that", whole != has_finish
    )
    nothing = flows.delivered_bytes == 0
    yield from where("expected no byte of what is lost", (outcome == LOST) & ~nothing)
    deaf = outcome == UNREACHABLE
    yield from where("expected no byte of what is unreachable", deaf & ~nothing)
    yield from where("expected some bytes of what is partial", (outcome == PARTIAL) & nothing)
    died = report.energy.dead_since(report.start_s)
    end_died = died[traffic.src] | died[traffic.dst]
    yield from where("expected a dead end of what is dead", (outcome == DEAD) & ~end_died)
    yield from where("expected living ends of what is late", (outcome == LATE) & end_died)


def times(scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport) -> Iterator[str]:
    """Check ready = compute time of the sender <= finish <= end, and delay = finish - ready."""
    flows = report.flows
    ready_s = traffic.compute_s[traffic.src]
    off = np.abs(flows.ready_s - ready_s) > TOLERANCE_S
    yield from where("expected ready_s = compute_s of the sender", off, flows.ready_s, ready_s)
    finished = np.isfinite(flows.finish_s)
    beyond = finished & (flows.finish_s > report.duration_s + TOLERANCE_S)
    yield from where("expected finish_s within the round", beyond, flows.finish_s)
    early = finished & (flows.finish_s < ready_s - TOLERANCE_S)
    yield from where("expected finish_s of at least ready_s", early, flows.finish_s, ready_s)
    delay_s = flows.finish_s - ready_s
    same = np.isclose(flows.delay_s, delay_s, rtol=0.0, atol=TOLERANCE_S)
    yield from where("expected delay_s = finish_s - ready_s", ~same, flows.delay_s, delay_s)


def end(scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport) -> Iterator[str]:
    """Check that a round lasts its period; the oracle's may end earlier, with nothing late."""
    short_s = traffic.period_s - report.duration_s
    if short_s < -TOLERANCE_S or report.duration_s < 0:
        yield f"expected duration_s of 0 to {traffic.period_s:g}, got {report.duration_s:.12g}"
    if short_s > TOLERANCE_S and not traffic.stop_when_settled:
        yield f"expected duration_s {traffic.period_s:g}, got {report.duration_s:.12g}"
    if short_s > TOLERANCE_S and np.any(report.flows.outcome == LATE):
        yield f"expected nothing late in a round that ended {short_s:.12g} s early"


def links(scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport) -> Iterator[str]:
    """Check for rates where frames were sent and only there, and nothing to oneself."""
    table = report.links
    used = table.frames > 0
    rated = table.rate_bps > 0
    yield from where("expected a rate_bps where frames were sent", used != rated, table.rate_bps)
    yield from where("expected loss_ratio of at most 1", table.loss_ratio > 1, table.loss_ratio)
    for name in ("frames", "airtime_s", "received_bytes"):
        value = getattr(table, name)
        yield from where(f"expected {name} of at least 0", value < 0, value)
        yield from where(f"expected no {name} to oneself", np.diag(value) != 0, np.diag(value))
    yield from where("expected no peer in oneself", np.diag(table.is_peer))
    yield from where("expected no snr_db of oneself", ~np.isnan(np.diag(table.snr_db)))
    heard = np.isfinite(table.sinr_db)
    yield from where("expected a sinr_db only where frames were sent", heard & ~used)


def deaths(scenario: NetworkScenario, rounds: list[Played]) -> Iterator[str]:
    """Check that a change of life falls into its round, and that the dead are silent and free.

    A device stays dead, or comes back where it can.
    """
    n = scenario.num_devices
    dead, died_at_s, revived_at_s = np.zeros(n, np.bool_), np.full(n, np.nan), np.full(n, np.nan)
    can_revive = (scenario.harvest.most_w > 0) & (scenario.energy.revival_j is not None)
    for each in rounds:
        energy = each.report.energy
        faults = [
            *_changes("died_at_s", each.report, died_at_s, energy.died_at_s),
            *_changes("revived_at_s", each.report, revived_at_s, energy.revived_at_s),
            *_deaths(each, dead, dead & energy.alive & ~can_revive),
        ]
        for fault in faults:
            yield f"round {each.report.round_index + 1}: {fault}"
        dead = ~energy.alive
        died_at_s, revived_at_s = energy.died_at_s, energy.revived_at_s


def _changes(
    name: str, report: RoundReport, before_s: FloatArray, now_s: FloatArray
) -> Iterator[str]:
    changed = (now_s != before_s) & ~(np.isnan(now_s) & np.isnan(before_s))
    in_round_s = now_s - report.start_s
    inside = (in_round_s >= -TOLERANCE_S) & (in_round_s <= report.duration_s + TOLERANCE_S)
    yield from where(f"expected a new {name} within the round", changed & ~inside, now_s)


def _deaths(each: Played, dead_before: BoolArray, risen: BoolArray) -> Iterator[str]:
    traffic, report, energy = each.traffic, each.report, each.report.energy
    yield from where("expected the dead to stay dead", risen, energy.died_at_s)
    # A device that comes back hears and forwards at once; it sends from the next round on.
    dead = dead_before & ~(energy.revived_at_s >= report.start_s)
    frames = report.links.frames.sum(axis=1)
    yield from where("expected no frames of the dead", dead & (frames > 0), frames)
    spent_j = energy.state_j.sum(axis=1) + energy.compute_j + energy.board_j
    yield from where("expected no joules of the dead", dead & (spent_j > RELATIVE), spent_j)
    flows = report.flows
    handed = dead_before[traffic.src] & (flows.handed_bytes > 0)
    yield from where("expected no bytes from the dead", handed, flows.handed_bytes)
    heard = dead[traffic.dst] & (flows.delivered_bytes > 0)
    yield from where("expected no bytes at the dead", heard, flows.delivered_bytes)


# By the words in which a finding names its promise.
CHECKS: dict[str, SeriesCheck] = {
    "round index": each_round(index),
    "bytes": each_round(byte_counts),
    "chunks": each_round(chunks),
    "outcomes": each_round(outcomes),
    "times": each_round(times),
    "end of a round": each_round(end),
    "links": each_round(links),
    "joules": each_round(joules),
    "causes": each_round(causes),
    "batteries": each_round(batteries),
    "state seconds": each_round(state_seconds),
    "clock": clock,
    "harvest": harvest,
    "deaths": deaths,
}
