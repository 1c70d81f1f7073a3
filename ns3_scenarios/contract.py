"""What the reports of any network promise: one function per promise, one line per fault.

`conformance` runs a network and asks them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import OUTCOMES, RoundReport, num_chunks
from ns3_scenarios.traffic import RoundTraffic

DELIVERED, PARTIAL, LOST, UNREACHABLE, LATE, DEAD = range(len(OUTCOMES))
# ns-3 counts whole nanoseconds.
TOLERANCE_S = 2e-9
RELATIVE = 1e-9
# How far below 0 J a battery may be found empty: a device is not checked at every instant.
OVERDRAWN_J = 1e-3
TYPES: dict[Any, type] = {FloatArray: np.float64, IntArray: np.int64, BoolArray: np.bool_}


@dataclass(frozen=True)
class Played:
    """What was asked of a network in a round, and what it reported."""

    traffic: RoundTraffic
    report: RoundReport


RoundCheck = Callable[[NetworkScenario, RoundTraffic, RoundReport], Iterator[str]]
SeriesCheck = Callable[[NetworkScenario, list[Played]], Iterator[str]]


def each_round(check: RoundCheck) -> SeriesCheck:
    """Turn a check of one round into one of many."""

    def check_all(scenario: NetworkScenario, rounds: list[Played]) -> Iterator[str]:
        for each in rounds:
            for fault in check(scenario, each.traffic, each.report):
                yield f"round {each.traffic.round_index + 1}: {fault}"

    return check_all


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
    yield from _where("expected handed + unsent = payload", offered != payload, offered, payload)
    for less, more in (("delivered", "handed"), ("acked", "delivered")):
        low, high = (getattr(flows, f"{name}_bytes") for name in (less, more))
        yield from _where(f"expected {less}_bytes <= {more}_bytes", low > high, low, high)
    for name in ("unsent_bytes", "acked_bytes", "retransmissions"):
        value = getattr(flows, name)
        yield from _where(f"expected {name} of at least 0", value < 0, value)


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
    yield from _where("expected the chunks of delivered_bytes", wrong, arrived, delivered)


def outcomes(
    scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport
) -> Iterator[str]:
    """Check each outcome against the bytes that arrived, when, and who died."""
    flows, outcome = report.flows, report.flows.outcome
    yield from _where("expected an index into OUTCOMES", (outcome < 0) | (outcome > DEAD), outcome)
    whole = outcome == DELIVERED
    all_bytes = flows.delivered_bytes == traffic.payload_bytes
    yield from _where(
        "expected all bytes of what is delivered and only of that", whole != all_bytes
    )
    has_finish = np.isfinite(flows.finish_s)
    yield from _where(
        "expected a finish_s of what is delivered and only of that", whole != has_finish
    )
    nothing = flows.delivered_bytes == 0
    yield from _where("expected no byte of what is lost", (outcome == LOST) & ~nothing)
    deaf = outcome == UNREACHABLE
    yield from _where("expected no byte of what is unreachable", deaf & ~nothing)
    yield from _where("expected some bytes of what is partial", (outcome == PARTIAL) & nothing)
    died = report.energy.dead_since(report.start_s)
    end_died = died[traffic.src] | died[traffic.dst]
    yield from _where("expected a dead end of what is dead", (outcome == DEAD) & ~end_died)
    yield from _where("expected living ends of what is late", (outcome == LATE) & end_died)


def times(scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport) -> Iterator[str]:
    """Check ready = compute time of the sender <= finish <= end, and delay = finish - ready."""
    flows = report.flows
    ready_s = traffic.compute_s[traffic.src]
    off = np.abs(flows.ready_s - ready_s) > TOLERANCE_S
    yield from _where("expected ready_s = compute_s of the sender", off, flows.ready_s, ready_s)
    finished = np.isfinite(flows.finish_s)
    beyond = finished & (flows.finish_s > report.duration_s + TOLERANCE_S)
    yield from _where("expected finish_s within the round", beyond, flows.finish_s)
    early = finished & (flows.finish_s < ready_s - TOLERANCE_S)
    yield from _where("expected finish_s of at least ready_s", early, flows.finish_s, ready_s)
    delay_s = flows.finish_s - ready_s
    same = np.isclose(flows.delay_s, delay_s, rtol=0.0, atol=TOLERANCE_S)
    yield from _where("expected delay_s = finish_s - ready_s", ~same, flows.delay_s, delay_s)


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
    yield from _where("expected a rate_bps where frames were sent", used != rated, table.rate_bps)
    yield from _where("expected loss_ratio of at most 1", table.loss_ratio > 1, table.loss_ratio)
    for name in ("frames", "airtime_s", "received_bytes"):
        value = getattr(table, name)
        yield from _where(f"expected {name} of at least 0", value < 0, value)
        yield from _where(f"expected no {name} to oneself", np.diag(value) != 0, np.diag(value))
    yield from _where("expected no peer in oneself", np.diag(table.is_peer))
    yield from _where("expected no snr_db of oneself", ~np.isnan(np.diag(table.snr_db)))
    heard = np.isfinite(table.sinr_db)
    yield from _where("expected a sinr_db only where frames were sent", heard & ~used)


def joules(scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport) -> Iterator[str]:
    """Check start + harvested - overflow - states - compute - board = remaining, and powers.

    state_j = state_s P; board_j is the board's power for as long as a device lived.
    """
    energy = report.energy
    gained_j = energy.start_energy_j + energy.harvested_j
    used_j = energy.state_j.sum(axis=1) + energy.compute_j + energy.board_j
    spent_j = energy.overflow_j + used_j
    off = np.abs(gained_j - spent_j - energy.remaining_energy_j) > RELATIVE * (1e-3 + gained_j)
    yield from _where(
        "expected start + harvested - overflow - states - compute - board = remaining",
        off,
        gained_j - spent_j,
        energy.remaining_energy_j,
    )
    state_j = energy.state_s * scenario.currents.power_w(scenario.supply_voltage_v)
    same = np.isclose(energy.state_j, state_j, rtol=RELATIVE, atol=RELATIVE)
    yield from _where("expected state_j = state_s times power", ~same, energy.state_j, state_j)
    whole_j = scenario.energy.board_idle_w * report.duration_s
    lived = ~energy.dead_since(report.start_s)
    wrong = (energy.board_j > whole_j * (1 + RELATIVE)) | (
        lived & ~np.isclose(energy.board_j, whole_j, rtol=RELATIVE, atol=RELATIVE)
    )
    yield from _where("expected board_j = seconds lived times power", wrong, energy.board_j)


def batteries(
    scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport
) -> Iterator[str]:
    """Check that batteries are between empty and full, and no part of the books negative."""
    energy, left_j = report.energy, report.energy.remaining_energy_j
    lowest_j = np.where(np.isfinite(energy.died_at_s), -OVERDRAWN_J, -RELATIVE)
    yield from _where("expected no battery below empty", left_j < lowest_j, left_j)
    full_j = scenario.battery_capacity_j
    yield from _where("expected no battery above full", left_j > full_j * (1 + RELATIVE), left_j)
    for name in ("state_s", "compute_j", "board_j", "harvested_j", "overflow_j"):
        value = getattr(energy, name)
        yield from _where(f"expected {name} of at least 0", value < -RELATIVE, value)


def state_seconds(
    scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport
) -> Iterator[str]:
    """Check that a living radio's states last as long as the round, and a dead one's no longer."""
    total_s = report.energy.state_s.sum(axis=1)
    off_s = total_s - report.duration_s
    alive = report.energy.alive
    wrong = np.where(alive, np.abs(off_s), off_s) > TOLERANCE_S + RELATIVE * report.duration_s
    yield from _where("expected state seconds of duration_s", wrong, total_s)


def clock(scenario: NetworkScenario, rounds: list[Played]) -> Iterator[str]:
    """Check that a round starts where the last one ended, with the batteries that it left."""
    what, left_j = "initial_energy_j", scenario.initial_energy_j
    for each in rounds:
        energy = each.report.energy
        same = np.isclose(energy.start_energy_j, left_j, rtol=RELATIVE, atol=RELATIVE)
        for fault in _where(
            f"expected start_energy_j = {what}", ~same, energy.start_energy_j, left_j
        ):
            yield f"round {each.report.round_index + 1}: {fault}"
        what, left_j = "remaining_energy_j of the last round", energy.remaining_energy_j
    for before, after in pairwise(each.report for each in rounds):
        end_s = before.start_s + before.duration_s
        if abs(after.start_s - end_s) > TOLERANCE_S:
            yield (
                f"round {after.round_index + 1}: expected start_s {end_s:.12g}, where the last"
                f" ended, got {after.start_s:.12g}"
            )


def harvest(scenario: NetworkScenario, rounds: list[Played]) -> Iterator[str]:
    """Check that harvested_j is the integral of the power, and of the dead no more than that.

    Times count from the start of the first round.
    """
    revives = scenario.energy.revival_j is not None
    for each in rounds:
        report = each.report
        begin_s = report.start_s - rounds[0].report.start_s
        came_j = scenario.harvest.harvested_j(begin_s, begin_s + report.duration_s)
        slack_j = TOLERANCE_S * scenario.harvest.most_w + RELATIVE * (1 + came_j)
        over_j = report.energy.harvested_j - came_j
        lived = ~report.energy.dead_since(report.start_s) | revives
        wrong = np.where(lived, np.abs(over_j), over_j) > slack_j
        for fault in _where(
            "expected harvested_j = power over time", wrong, report.energy.harvested_j, came_j
        ):
            yield f"round {report.round_index + 1}: {fault}"


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
    yield from _where(f"expected a new {name} within the round", changed & ~inside, now_s)


def _deaths(each: Played, dead_before: BoolArray, risen: BoolArray) -> Iterator[str]:
    traffic, report, energy = each.traffic, each.report, each.report.energy
    yield from _where("expected the dead to stay dead", risen, energy.died_at_s)
    # A device that comes back hears and forwards at once; it sends from the next round on.
    dead = dead_before & ~(energy.revived_at_s >= report.start_s)
    frames = report.links.frames.sum(axis=1)
    yield from _where("expected no frames of the dead", dead & (frames > 0), frames)
    spent_j = energy.state_j.sum(axis=1) + energy.compute_j + energy.board_j
    yield from _where("expected no joules of the dead", dead & (spent_j > RELATIVE), spent_j)
    flows = report.flows
    handed = dead_before[traffic.src] & (flows.handed_bytes > 0)
    yield from _where("expected no bytes from the dead", handed, flows.handed_bytes)
    heard = dead[traffic.dst] & (flows.delivered_bytes > 0)
    yield from _where("expected no bytes at the dead", heard, flows.delivered_bytes)


def _where(what: str, wrong: BoolArray, *values: Any) -> Iterator[str]:
    """Yield one line on the first offender, and how many there are."""
    if np.any(wrong):
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        got = " and ".join(f"{np.asarray(value)[first]:.12g}" for value in values)
        at = ", ".join(str(i) for i in first)
        yield f"{what}; not so at [{at}]{got and f': {got}'} ({np.count_nonzero(wrong)} in all)"


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
    "batteries": each_round(batteries),
    "state seconds": each_round(state_seconds),
    "clock": clock,
    "harvest": harvest,
    "deaths": deaths,
}
