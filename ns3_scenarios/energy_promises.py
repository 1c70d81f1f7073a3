"""What reports promise of joules, batteries and the clock."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.promise import OVERDRAWN_J, RELATIVE, TOLERANCE_S, Played, where
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic


def joules(scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport) -> Iterator[str]:
    """Check start + harvested - overflow - states - compute - board = remaining, and powers.

    state_j = state_s P; board_j is the board's power for as long as a device lived.
    """
    energy = report.energy
    gained_j = energy.start_energy_j + energy.harvested_j
    used_j = energy.state_j.sum(axis=1) + energy.compute_j + energy.board_j
    spent_j = energy.overflow_j + used_j
    off = np.abs(gained_j - spent_j - energy.remaining_energy_j) > RELATIVE * (1e-3 + gained_j)
    yield from where(
        "expected start + harvested - overflow - states - compute - board = remaining",
        off,
        gained_j - spent_j,
        energy.remaining_energy_j,
    )
    state_j = energy.state_s * traffic.state_power_w(scenario.draws.state_power_w)
    same = np.isclose(energy.state_j, state_j, rtol=RELATIVE, atol=RELATIVE)
    yield from where("expected state_j = state_s times power", ~same, energy.state_j, state_j)
    whole_j = scenario.draws.board_idle_w * report.duration_s
    lived = ~energy.dead_since(report.start_s)
    wrong = (energy.board_j > whole_j * (1 + RELATIVE)) | (
        lived & ~np.isclose(energy.board_j, whole_j, rtol=RELATIVE, atol=RELATIVE)
    )
    yield from where("expected board_j = seconds lived times power", wrong, energy.board_j)


def causes(scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport) -> Iterator[str]:
    """Check that causes add up to the radio's joules above idle, and that each is possible.

    Nothing is sent to oneself, and nobody forwards what it sends or is sent.
    """
    told, energy = report.causes, report.energy
    idle_w = scenario.draws.state_power_w[:, RADIO_STATES.index("idle")]
    radio_j = energy.state_j.sum(axis=1)
    above_j = radio_j - idle_w * energy.state_s.sum(axis=1)
    all_j = np.sum(list(told.of_devices.values()), axis=0)
    off = np.abs(all_j - above_j) > RELATIVE * (1e-3 + radio_j)
    yield from where("expected causes of the radio's joules above idle", off, all_j, above_j)
    for name in ("sender_j", "receiver_j", "airtime_s"):
        diagonal = np.diag(getattr(told, name))
        yield from where(f"expected no {name} to oneself", diagonal != 0, diagonal)
    by, ends = told.forwarded_by, (told.forwarded_src, told.forwarded_dst)
    yield from where("expected others to forward", (by == ends[0]) | (by == ends[1]), by)


def batteries(
    scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport
) -> Iterator[str]:
    """Check that batteries are between empty and full, and no part of the books negative."""
    energy, left_j = report.energy, report.energy.remaining_energy_j
    lowest_j = np.where(np.isfinite(energy.died_at_s), -OVERDRAWN_J, -RELATIVE)
    yield from where("expected no battery below empty", left_j < lowest_j, left_j)
    full_j = scenario.battery_capacity_j
    yield from where("expected no battery above full", left_j > full_j * (1 + RELATIVE), left_j)
    for name in ("state_s", "compute_j", "board_j", "harvested_j", "overflow_j"):
        value = getattr(energy, name)
        yield from where(f"expected {name} of at least 0", value < -RELATIVE, value)


def state_seconds(
    scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport
) -> Iterator[str]:
    """Check that a living radio's states last as long as the round, and a dead one's no longer."""
    total_s = report.energy.state_s.sum(axis=1)
    off_s = total_s - report.duration_s
    alive = report.energy.alive
    wrong = np.where(alive, np.abs(off_s), off_s) > TOLERANCE_S + RELATIVE * report.duration_s
    yield from where("expected state seconds of duration_s", wrong, total_s)


def clock(scenario: NetworkScenario, rounds: list[Played]) -> Iterator[str]:
    """Check that a round starts where the last one ended, with the batteries that it left."""
    what, left_j = "initial_energy_j", scenario.initial_energy_j
    for each in rounds:
        energy = each.report.energy
        same = np.isclose(energy.start_energy_j, left_j, rtol=RELATIVE, atol=RELATIVE)
        for fault in where(
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
        for fault in where(
            "expected harvested_j = power over time", wrong, report.energy.harvested_j, came_j
        ):
            yield f"round {report.round_index + 1}: {fault}"
