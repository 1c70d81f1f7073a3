"""The conformance check passes the networks that are formulas, and finds what is planted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mesh import make_mesh, with_changing_harvest

from ns3_scenarios.analytic import AnalyticNetwork
from ns3_scenarios.conformance import Finding, check_network
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.ideal import IdealNetwork
from ns3_scenarios.network import Network
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.traffic import RoundTraffic

Plant = Callable[[RoundTraffic, RoundReport], RoundReport]


class PlantedNetwork:
    """A sound network whose every report is spoilt in one way."""

    def __init__(self, scenario: NetworkScenario, plant: Plant) -> None:
        self.sound, self.plant, self.closed = AnalyticNetwork(scenario), plant, False

    def wait_ready(self) -> None: ...

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        return self.plant(traffic, self.sound.run_round(traffic))

    def close(self) -> None:
        self.closed = True

    def kill(self) -> None: ...


def change(report: RoundReport, part: str, **changes: Any) -> RoundReport:
    """Apply a function to each named field of one part of a report."""
    old = getattr(report, part)
    new = {name: function(getattr(old, name).copy()) for name, function in changes.items()}
    return replace(report, **{part: replace(old, **new)})


def failed(findings: list[Finding]) -> list[str]:
    return [finding.name for finding in findings if not finding.ok]


def check_planted(plant: Plant, **scenario: Any) -> list[Finding]:
    return check_network(
        lambda made: PlantedNetwork(made, plant), make_mesh(4, battery_j=20.0, **scenario)
    )


@pytest.mark.parametrize("make", [IdealNetwork, AnalyticNetwork])
@pytest.mark.parametrize("harvest_power_w", [0.0, 0.3, 5.0])
def test_a_network_that_is_a_formula_keeps_every_promise(
    make: Callable[[NetworkScenario], Network], harvest_power_w: float
) -> None:
    scenario = make_mesh(
        4, battery_j=20.0, harvest_power_w=np.full(4, harvest_power_w), board_idle_w=0.2
    )
    findings = check_network(make, scenario)
    assert [finding for finding in findings if not finding.ok] == []
    assert len({finding.name for finding in findings}) == len(findings) == 18


@pytest.mark.parametrize("make", [IdealNetwork, AnalyticNetwork])
def test_a_network_that_is_a_formula_keeps_every_promise_where_harvest_changes(
    make: Callable[[NetworkScenario], Network],
) -> None:
    findings = check_network(make, with_changing_harvest(make_mesh(4, battery_j=20.0)))
    assert [finding for finding in findings if not finding.ok] == []


def harvest_at_the_start_for_ever(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    # What is not harvested overflows less: the balance holds.
    more = {name: lambda value: value + 0.1 for name in ("harvested_j", "overflow_j")}
    return change(report, "energy", **more)


def test_an_unspoilt_report_passes_and_every_network_is_closed() -> None:
    made = []

    def make(scenario: NetworkScenario) -> Network:
        made.append(PlantedNetwork(scenario, lambda traffic, report: report))
        return made[-1]

    assert failed(check_network(make, make_mesh(4, battery_j=20.0))) == []
    assert [network.closed for network in made] == [True] * 3


def more_handed(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    return change(report, "flows", handed_bytes=lambda value: value + 1)


def acknowledged_unseen(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    # Every payload is acknowledged, also those that were cut off or never sent.
    return change(report, "flows", acked_bytes=lambda value: traffic.payload_bytes)


def late_but_delivered(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    late = OUTCOMES.index("late")
    return change(
        report,
        "flows",
        outcome=lambda value: np.where(value == late, OUTCOMES.index("delivered"), value),
    )


def late_for_dead(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    dead = OUTCOMES.index("dead")
    return change(
        report,
        "flows",
        outcome=lambda value: np.where(value == OUTCOMES.index("late"), dead, value),
    )


def finished_after_the_end(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    later = {name: lambda value: value + 60.0 for name in ("finish_s", "delay_s")}
    return change(report, "flows", **later)


def delay_from_the_rounds_start(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    return change(report, "flows", delay_s=lambda value: report.flows.finish_s)


def a_leak_of_a_microjoule(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    return change(report, "energy", compute_j=lambda value: value - 1e-6 * (value > 0.01))


def a_board_that_takes_turns(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    # What the board gains, computing loses: the balance holds.
    compute_j = report.energy.compute_j
    spoilt = change(report, "energy", board_j=lambda value: value + 0.1 * compute_j)
    return change(spoilt, "energy", compute_j=lambda value: 0.9 * value)


def joules_of_another_voltage(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    # What the states lose, computing gains: the balance holds.
    lost_j = 0.1 * report.energy.state_j.sum(axis=1)
    return change(
        report,
        "energy",
        state_j=lambda value: 0.9 * value,
        compute_j=lambda value: value + lost_j,
    )


def more_than_full(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    more = {name: lambda value: value + 30.0 for name in ("start_energy_j", "remaining_energy_j")}
    return change(report, "energy", **more)


def idle_time_forgotten(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    idle_j = report.energy.state_j[:, 2]
    spoilt = change(report, "energy", compute_j=lambda value: value + idle_j)
    for name in ("state_s", "state_j"):
        spoilt = change(spoilt, "energy", **{name: lambda value: value * (np.arange(7) != 2)})
    return spoilt


def a_clock_that_stands(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    return replace(report, start_s=0.0)


def a_round_too_long(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    too_long_s = traffic.period_s + 1.0 if traffic.stop_when_settled else report.duration_s
    return replace(report, duration_s=too_long_s)


def a_chunk_too_many(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    return replace(report, chunk_arrived=np.ones_like(report.chunk_arrived))


def the_dead_send(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    dead = np.isfinite(report.energy.died_at_s)[traffic.src]
    return change(
        report,
        "flows",
        handed_bytes=lambda value: np.where(dead, value + 7, value),
        unsent_bytes=lambda value: np.where(dead, value - 7, value),
    )


def the_dead_rise(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    risen = traffic.round_index == 2
    return change(report, "energy", died_at_s=lambda value: value * np.nan if risen else value)


def nobody_dies(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    return change(report, "energy", died_at_s=lambda value: value * np.nan)


def the_wrong_round(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    return replace(report, round_index=7)


def a_cause_twice(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    return change(report, "causes", protocol_j=lambda value: value + 1e-3)


def a_link_to_oneself(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    return change(report, "links", is_peer=lambda value: value | np.eye(4, dtype=np.bool_))


def rates_without_frames(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
    return change(report, "links", rate_bps=lambda value: np.full_like(value, 1e6))


@pytest.mark.parametrize(
    ("plant", "promise"),
    [
        (more_handed, "bytes"),
        (a_chunk_too_many, "chunks"),
        (acknowledged_unseen, "bytes"),
        (late_but_delivered, "outcomes"),
        (late_for_dead, "outcomes"),
        (finished_after_the_end, "times"),
        (delay_from_the_rounds_start, "times"),
        (a_leak_of_a_microjoule, "joules"),
        (a_board_that_takes_turns, "joules"),
        (joules_of_another_voltage, "joules"),
        (more_than_full, "batteries"),
        (idle_time_forgotten, "state seconds"),
        (a_clock_that_stands, "clock"),
        (a_round_too_long, "end of a round"),
        (the_dead_send, "deaths"),
        (the_dead_rise, "deaths"),
        (nobody_dies, "a small battery runs empty"),
        (the_wrong_round, "round index"),
        (harvest_at_the_start_for_ever, "harvest"),
        (a_link_to_oneself, "links"),
        (rates_without_frames, "links"),
    ],
)
def test_a_planted_fault_breaks_its_promise(plant: Plant, promise: str) -> None:
    findings = check_planted(plant)
    assert promise in failed(findings)
    text = next(finding.text for finding in findings if finding.name == promise)
    assert "expected" in text


def test_one_fault_breaks_no_promise_but_its_own() -> None:
    for plant, promise in (
        (acknowledged_unseen, "bytes"),
        (delay_from_the_rounds_start, "times"),
        (a_leak_of_a_microjoule, "joules"),
        (a_link_to_oneself, "links"),
        (a_cause_twice, "causes"),
        (the_dead_send, "deaths"),
    ):
        assert failed(check_planted(plant)) == [promise]


def test_a_finding_says_where_what_was_expected_and_what_came() -> None:
    bytes_finding = next(f for f in check_planted(more_handed) if f.name == "bytes")
    # Two messages of 2 and 20 kB along each of the square's four edges, in both directions.
    first = bytes_finding.text.split("; ample")[0]
    assert first == (
        "ample batteries, round 1: expected handed + unsent = payload; not so at [0]:"
        " 2001 and 2000 (16 in all)"
    )
    assert bytes_finding.text.count("round ") == 3
    assert "more" in bytes_finding.text.split("; ")[-1]


def test_a_wrong_shape_or_type_is_the_only_finding() -> None:
    for part, name, spoil, got in (
        ("energy", "state_s", lambda value: value[:, :5], "got (4, 5) of float64"),
        ("flows", "handed_bytes", lambda value: value.astype(float), "got (16,) of float64"),
        ("links", "sinr_db", lambda value: value[:3], "got (3, 4) of float64"),
        ("causes", "away_j", lambda value: value[:3], "got (3,) of float64"),
    ):
        changes = {name: spoil}
        findings = check_planted(
            lambda traffic, report, part=part, changes=changes: change(report, part, **changes)
        )
        assert failed(findings) == [finding.name for finding in findings] == ["shapes"]
        assert f"{part}.{name}: expected" in findings[0].text
        assert got in findings[0].text


def test_a_network_that_delivers_nothing_or_never_the_same_is_found_out() -> None:
    far = make_mesh(4, battery_j=20.0)
    far = replace(far, draws=replace(far.draws, tx_power_dbm=np.full(4, -250.0)))
    assert failed(check_network(AnalyticNetwork, far)) == ["something arrives"]
    rng = np.random.default_rng(1)

    def noisy(traffic: RoundTraffic, report: RoundReport) -> RoundReport:
        return change(report, "links", sinr_db=lambda value: value + rng.normal(size=value.shape))

    findings = check_planted(noisy)
    assert failed(findings) == ["same again"]
    assert findings[-1].text == "links.sinr_db differs between two runs of the same round"
