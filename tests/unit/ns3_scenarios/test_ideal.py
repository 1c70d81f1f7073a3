"""The ideal network's books, kept a second time; and what scenario and traffic refuse."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mesh import make_mesh

from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.ideal import IdealNetwork
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.traffic import RoundTraffic


def make_scenario(n: int = 3, **changes: Any) -> NetworkScenario:
    return make_mesh(n, battery_j=10.0, shadowing_sigma_db=0.0, **changes)


def make_traffic(n: int = 3, **changes: Any) -> RoundTraffic:
    """Everybody sends 100 (src + 1) bytes to everybody else, in a round of 4 s."""
    src, dst = np.nonzero(~np.eye(n, dtype=np.bool_))
    fields: dict[str, Any] = {
        "round_index": 0,
        "src": src,
        "dst": dst,
        "part": np.zeros_like(src),
        "payload_bytes": 100 * (src + 1),
        "compute_s": np.full(n, 1.0),
        "compute_j": np.full(n, 2.0),
        "period_s": 4.0,
        "stop_when_settled": False,
    }
    return RoundTraffic(**(fields | changes))


def outcomes(report: RoundReport) -> list[str]:
    return [OUTCOMES[i] for i in report.flows.outcome]


def assert_energy_is_conserved(report: RoundReport) -> None:
    e = report.energy
    spent_j = e.overflow_j + e.state_j.sum(axis=1) + e.compute_j + e.board_j
    np.testing.assert_allclose(
        e.start_energy_j + e.harvested_j - spent_j, e.remaining_energy_j, atol=1e-12
    )


def test_everything_is_delivered_at_the_moment_its_sender_is_ready() -> None:
    traffic = make_traffic(compute_s=np.array([0.5, 1.5, 4.0]))
    report = IdealNetwork(make_scenario()).run_round(traffic)
    assert outcomes(report) == ["delivered"] * 6
    # 0->1, 0->2, 1->0, 1->2, 2->0, 2->1
    assert report.flows.ready_s.tolist() == [0.5, 0.5, 1.5, 1.5, 4.0, 4.0]
    assert report.flows.finish_s.tolist() == report.flows.ready_s.tolist()
    assert report.flows.delay_s.tolist() == [0.0] * 6
    for name in ("handed_bytes", "delivered_bytes", "acked_bytes"):
        assert getattr(report.flows, name).tolist() == [100, 100, 200, 200, 300, 300]
    assert report.flows.unsent_bytes.tolist() == [0] * 6
    assert not report.energy.state_j.any()


def test_a_battery_that_cannot_pay_dies_in_the_middle_of_computing() -> None:
    # 3 W of computing, 1 W of harvest, 5 J: 2 W net empty it after 2.5 s of the planned 3 s.
    network = IdealNetwork(
        make_scenario(
            initial_energy_j=np.array([10.0, 5.0, 10.0]),
            harvest_power_w=np.array([0.0, 1.0, 0.0]),
        )
    )
    traffic = make_traffic(compute_s=np.array([1.0, 3.0, 3.0]), compute_j=np.array([2.0, 9.0, 2.0]))
    report = network.run_round(traffic)
    energy = report.energy
    assert energy.died_at_s[1] == pytest.approx(2.5)
    assert np.isnan(energy.died_at_s[[0, 2]]).all()
    assert energy.compute_j.tolist() == pytest.approx([2.0, 7.5, 2.0])
    assert energy.harvested_j.tolist() == pytest.approx([0.0, 2.5, 0.0])
    assert energy.remaining_energy_j.tolist() == pytest.approx([8.0, 0.0, 8.0], abs=1e-12)
    # 0->1, 0->2, 1->0, 1->2, 2->0, 2->1
    # Device 0 is ready at 1 s and still finds 1 alive; device 2 is ready at 3 s and does not.
    assert outcomes(report) == ["delivered", "delivered", "dead", "dead", "delivered", "dead"]
    assert report.flows.delivered_bytes.tolist() == [100, 100, 0, 0, 300, 0]
    assert report.flows.unsent_bytes.tolist() == [0, 0, 200, 200, 0, 300]
    assert report.flows.finish_s.tolist() == [1.0, 1.0, np.inf, np.inf, 3.0, np.inf]
    assert_energy_is_conserved(report)


def test_a_death_in_a_later_round_is_on_the_simulations_clock_and_is_for_good() -> None:
    network = IdealNetwork(make_scenario(harvest_power_w=np.array([0.0, 0.5, 0.0])))
    heavy = make_traffic(compute_s=np.full(3, 2.0), compute_j=np.array([1.0, 7.0, 1.0]))
    # Device 1: 10 - 7 + 2 = 5 J after 4 s (nothing overflows), then 3.5 - 0.5 = 3 W net: 5/3 s.
    reports = [network.run_round(replace(heavy, round_index=i)) for i in range(3)]
    assert [r.start_s for r in reports] == [0.0, 4.0, 8.0]
    assert reports[0].energy.remaining_energy_j[1] == pytest.approx(5.0)
    assert np.isnan(reports[0].energy.died_at_s).all()
    assert reports[1].energy.died_at_s[1] == pytest.approx(4.0 + 5.0 / 3.0)
    # The dead neither compute nor harvest nor send.
    last = reports[2]
    assert last.energy.died_at_s[1] == reports[1].energy.died_at_s[1]
    assert (last.energy.compute_j[1], last.energy.harvested_j[1]) == (0.0, 0.0)
    assert [OUTCOMES[o] for o in last.flows.outcome[heavy.src == 1]] == ["dead", "dead"]


def test_a_full_battery_overflows_by_all_that_it_harvests_beyond_its_computing() -> None:
    network = IdealNetwork(make_scenario(harvest_power_w=np.array([0.0, 1.0, 4.0])))
    report = network.run_round(make_traffic())
    # In 4 s: 2 J of computing in the first. Device 1 harvests 4 J: -1 J, then +3 J, 2 J too many.
    # Device 2 harvests 16 J: 2 W net from the start, 14 J too many.
    assert report.energy.harvested_j.tolist() == [0.0, 4.0, 16.0]
    assert report.energy.overflow_j.tolist() == [0.0, 2.0, 14.0]
    assert report.energy.remaining_energy_j.tolist() == [8.0, 10.0, 10.0]


def integrate(
    scenario: NetworkScenario, rounds: list[RoundTraffic], steps: int
) -> list[dict[str, np.ndarray]]:
    """Batteries of all devices in small steps of time: the books without any formula."""
    battery_j = scenario.initial_energy_j.copy()
    died_at_s = np.full(scenario.num_devices, np.nan)
    books, now_s = [], 0.0
    for traffic in rounds:
        power_w = traffic.compute_j / traffic.compute_s
        step_s = traffic.period_s / steps
        book = {name: np.zeros_like(battery_j) for name in ("compute", "harvested", "overflow")}
        for step in range(steps):
            alive = np.isnan(died_at_s)
            works = alive & (step * step_s < traffic.compute_s)
            gain_j = np.where(alive, scenario.harvest_power_w, 0.0) * step_s
            spent_j = np.where(works, power_w, 0.0) * step_s
            too_much_j = np.maximum(battery_j + gain_j - spent_j - scenario.battery_capacity_j, 0.0)
            battery_j = battery_j + gain_j - spent_j - too_much_j
            for name, joules in zip(book, (spent_j, gain_j, too_much_j), strict=True):
                book[name] += joules
            died_at_s[works & (battery_j < 0.0)] = now_s + step * step_s
        now_s += traffic.period_s
        books.append(book | {"remaining": battery_j.copy(), "died_at_s": died_at_s.copy()})
    return books


def test_the_books_agree_with_an_integration_in_small_steps() -> None:
    n, rng = 60, np.random.default_rng(3)
    capacity_j = rng.uniform(2.0, 12.0, n)
    scenario = make_scenario(
        n,
        battery_capacity_j=capacity_j,
        initial_energy_j=capacity_j * rng.uniform(0.2, 1.0, n),
        harvest_power_w=rng.choice([0.0, 0.5, 2.0], n) * rng.uniform(0.5, 1.5, n),
    )
    nothing = np.zeros(0, dtype=np.int64)
    rounds = [
        make_traffic(
            n,
            round_index=i,
            src=nothing,
            dst=nothing,
            part=nothing,
            payload_bytes=nothing,
            compute_s=rng.uniform(0.1, 4.0, n),
            compute_j=rng.uniform(0.1, 8.0, n),
        )
        for i in range(3)
    ]
    network = IdealNetwork(scenario)
    reports = [network.run_round(traffic) for traffic in rounds]
    steps = 4000  # 1 ms; at most 80 W and three rounds: 0.1 J of error where a device dies
    for report, book in zip(reports, integrate(scenario, rounds, steps), strict=True):
        energy = report.energy
        np.testing.assert_allclose(energy.compute_j, book["compute"], atol=0.1)
        np.testing.assert_allclose(energy.harvested_j, book["harvested"], atol=0.01)
        np.testing.assert_allclose(energy.overflow_j, book["overflow"], atol=0.1)
        np.testing.assert_allclose(energy.remaining_energy_j, book["remaining"], atol=0.1)
        np.testing.assert_allclose(energy.died_at_s, book["died_at_s"], atol=0.01)
        assert_energy_is_conserved(report)
        assert energy.remaining_energy_j.min() >= -1e-12
    # The draw of this seed holds all that there is to see.
    dead = np.isfinite(reports[-1].energy.died_at_s)
    assert 5 < dead.sum() < 55
    assert (reports[0].energy.overflow_j > 0.1).sum() > 5


@pytest.mark.parametrize(
    ("compute_s", "fixed_s", "oracle_s"),
    [([0.5, 1.25, 0.75], 4.0, 1.25), ([0.5, 4.0, 0.75], 4.0, 4.0), ([0.0, 0.0, 0.0], 4.0, 0.0)],
)
def test_the_oracle_ends_a_round_with_the_last_computing_and_the_clock_at_its_period(
    compute_s: list[float], fixed_s: float, oracle_s: float
) -> None:
    for oracle, expected_s in ((False, fixed_s), (True, oracle_s)):
        network = IdealNetwork(make_scenario())
        traffic = make_traffic(
            compute_s=np.array(compute_s), compute_j=np.zeros(3), stop_when_settled=oracle
        )
        reports = [network.run_round(traffic) for _ in range(2)]
        assert [r.duration_s for r in reports] == [expected_s] * 2
        assert reports[1].start_s == expected_s
        assert outcomes(reports[0]) == ["delivered"] * 6


def test_a_report_is_a_copy_that_later_rounds_leave_alone() -> None:
    network = IdealNetwork(make_scenario())
    first = network.run_round(make_traffic()).energy
    network.run_round(make_traffic())
    assert first.remaining_energy_j.tolist() == [8.0] * 3
    assert first.start_energy_j.tolist() == [10.0] * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"src": np.array([3]), "dst": np.array([0])}, "src: expected devices 0..2, got 3"),
        ({"src": np.array([0]), "dst": np.array([5])}, "dst: expected devices 0..2, got 5"),
        ({"src": np.array([-1]), "dst": np.array([0])}, "src: expected devices 0..2, got -1"),
        ({"src": np.array([1]), "dst": np.array([1])}, "dst: expected another device than src"),
        ({"payload_bytes": np.array([0])}, "payload_bytes: expected more than 0 bytes"),
        ({"compute_s": np.array([1.0, 0.0, 1.0])}, "compute_s: expected a positive time"),
        ({"compute_s": np.array([1.0, -1.0, 1.0])}, "compute_s, compute_j: expected finite values"),
        ({"compute_j": np.array([1.0, np.nan, 1.0])}, "compute_s, compute_j: expected finite"),
        ({"compute_j": np.array([1.0, 1.0])}, "traffic: expected columns of one length"),
        ({"compute_s": np.array([1.0, 4.1, 1.0])}, "compute_s: expected at most the period of 4 s"),
    ],
)
def test_traffic_that_makes_no_sense_is_refused_by_name(
    changes: dict[str, Any], message: str
) -> None:
    one = {"src": np.array([0]), "dst": np.array([1]), "part": np.array([0])}
    sound = one | {"payload_bytes": np.array([7])}
    assert make_traffic(**sound).payload_bytes.tolist() == [7]
    with pytest.raises(ScenarioError) as error:
        make_traffic(**(sound | changes))
    assert str(error.value).startswith(message)


def test_computing_that_is_free_may_take_no_time() -> None:
    report = IdealNetwork(make_scenario()).run_round(
        make_traffic(compute_s=np.array([0.0, 1.0, 1.0]), compute_j=np.array([0.0, 0.0, 1.0]))
    )
    assert report.energy.remaining_energy_j.tolist() == [10.0, 10.0, 9.0]


LOPSIDED = np.zeros((3, 3))
LOPSIDED[0, 1] = 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"position_m": np.zeros((1, 3))}, "position_m: expected at least 2 devices, got 1"),
        ({"position_m": np.zeros((3, 2))}, "position_m: expected finite values of shape (3, 3)"),
        ({"shadowing_db": np.zeros((2, 2))}, "shadowing_db: expected shape (3,"),
        ({"shadowing_db": LOPSIDED}, "shadowing_db: expected a symmetric matrix"),
        ({"initial_energy_j": np.ones(2)}, "initial_energy_j: expected finite values of shape"),
        ({"initial_energy_j": np.array([1, np.nan, 1])}, "initial_energy_j: expected finite"),
        ({"battery_capacity_j": np.ones(4)}, "battery_capacity_j: expected finite values"),
        ({"battery_capacity_j": np.array([9, np.inf, 9])}, "battery_capacity_j: expected finite"),
        ({"harvest_power_w": np.ones(4)}, "harvest_power_w: expected finite values of shape"),
        ({"initial_energy_j": np.array([1, 11, 1])}, "initial_energy_j: expected at most battery"),
    ],
)
def test_a_scenario_that_does_not_fit_itself_is_refused_by_name(
    changes: dict[str, Any], message: str
) -> None:
    assert make_scenario().num_devices == 3
    with pytest.raises(ScenarioError) as error:
        make_scenario(**changes)
    assert str(error.value).startswith(message)


def test_a_board_draws_its_power_for_as_long_as_its_device_lives() -> None:
    scenario = make_scenario(board_idle_w=0.5, initial_energy_j=np.array([10.0, 3.0, 1.0]))
    network = IdealNetwork(scenario)
    first, second = (network.run_round(make_traffic(round_index=i)) for i in range(2))
    # Computing takes 2 J in the first second; 1 J lasts 1 / (2 + 0.5) s, 3 J until 0.5 J are gone.
    assert first.energy.died_at_s[1:].tolist() == pytest.approx([2.0, 0.4])
    assert first.energy.board_j.tolist() == pytest.approx([2.0, 1.0, 0.2])
    assert first.energy.compute_j.tolist() == pytest.approx([2.0, 2.0, 0.8])
    assert second.energy.board_j.tolist() == pytest.approx([2.0, 0.0, 0.0])
    assert second.energy.remaining_energy_j.tolist() == pytest.approx([2.0, 0.0, 0.0])
