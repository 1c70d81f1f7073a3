"""Whole rounds over the ideal network, with books kept beside them."""

from pathlib import Path

import numpy as np
import pytest
from made_runs import DEVICES, FLAGS, PI, Run, go, make_config

from cosim.config.assemble import make_learner, open_network
from cosim.config.to_scenario import make_scenario
from cosim.loop import run_rounds
from ns3_scenarios.analytic import AnalyticNetwork, capacity_bps

EVERY_SECOND = "--learning.evaluate_every=2"


@pytest.mark.parametrize("name", FLAGS)
def test_each_round_is_yielded_once_in_order_on_one_clock(runs: dict[str, Run], name: str) -> None:
    run = runs[name]
    assert [r.round_index for r in run.records] == list(range(run.config.learning.rounds))
    period_s = run.config.network.round_period_s
    for i, record in enumerate(run.records):
        assert record.report.start_s == pytest.approx(i * period_s)
        assert record.traffic.round_index == record.report.round_index == i


@pytest.mark.parametrize("name", FLAGS)
def test_start_plus_harvest_minus_all_that_was_spent_is_what_remains(
    runs: dict[str, Run], name: str
) -> None:
    full_j = runs[name].config.energy.battery_j
    left = [full_j] * DEVICES
    for record in runs[name].records:
        e = record.report.energy
        for k in range(DEVICES):
            assert e.start_energy_j[k] == left[k]
            spent_j = e.overflow_j[k] + sum(e.state_j[k]) + e.compute_j[k]
            spent_j += e.board_j[k]
            remaining_j = e.start_energy_j[k] + e.harvested_j[k] - spent_j
            assert e.remaining_energy_j[k] == pytest.approx(remaining_j, rel=0, abs=1e-9)
            left[k] = e.remaining_energy_j[k]
        assert min(left) >= -1e-9
        assert max(left) <= full_j + 1e-9
        assert record.report.energy.compute_j.max() > 0


def test_a_full_battery_overflows_and_an_empty_harvest_adds_nothing(runs: dict[str, Run]) -> None:
    assert sum(r.report.energy.overflow_j.sum() for r in runs["harvest"].records) > 0.01
    for r in runs["harvest"].records:
        assert r.report.energy.harvested_j == pytest.approx(0.02 * 3.0)
    assert not any(r.report.energy.harvested_j.any() for r in runs["tight"].records)


@pytest.mark.parametrize("name", FLAGS)
def test_planned_joules_are_those_of_a_plain_sum_and_within_the_budget(
    runs: dict[str, Run], name: str
) -> None:
    run = runs[name]
    work = run.learner.work_cost()
    for record in run.records:
        rounds_left = run.config.learning.rounds - record.round_index
        for k in range(DEVICES):
            if not record.plan.active[k]:
                assert not record.plan.iterations[k].any()
                continue
            tau = record.plan.iterations[k]
            flop = sum(work.per_iteration_flop[k, m] * tau[m] for m in range(len(tau)))
            flop += work.per_step_flop[k] * max(tau) + work.per_round_flop[k]
            planned_j = flop / PI.effective_flop_per_s * PI.power_w  # the ideal radio is free
            # Of the harvest that comes until the last round, what is not there cannot be spent.
            start_j = max(record.report.energy.start_energy_j[k], 0.0)
            harvest_j = 3.0 * run.config.energy.harvest_power_w
            budget_j = min(start_j, (start_j + (rounds_left - 1) * harvest_j) / rounds_left)
            assert record.plan.predicted_j[k] == pytest.approx(planned_j)
            assert planned_j <= budget_j * (1 + 1e-12)
            assert record.traffic.compute_j[k] == pytest.approx(planned_j)
            assert record.traffic.compute_s[k] == pytest.approx(flop / 2.16e9)


def test_a_tight_battery_binds_plans_and_a_rich_one_does_not(runs: dict[str, Run]) -> None:
    tight = {word for r in runs["tight"].records for word in r.plan.binding}
    assert "energy" in tight
    assert {w for r in runs["rich"].records for w in r.plan.binding} == {"iterations_max"}
    # And a plan that is kept leaves nobody dead.
    assert all(r.alive_at_start.all() for r in runs["tight"].records)


def test_a_star_spends_its_battery_evenly_over_the_rounds_in_which_it_trains() -> None:
    # 0.12 J in three rounds up: 0.04 J each, though there are six rounds.
    run = go(
        "--learning.method=fedavg_star",
        "--energy.battery_j=0.12",
        "--learning.rounds=6",
        "--iteration.max_iterations=1000",
        "--iteration.rule=uniform",
    )
    work = run.learner.work_cost()
    flop = work.per_iteration_flop.sum(1) + work.per_step_flop  # one iteration of both modalities
    for k in range(1, DEVICES):
        one_j = flop[k] / PI.effective_flop_per_s * PI.power_w
        tau = [int(record.plan.iterations[k].min()) for record in run.records]
        assert tau[1::2] == [0, 0, 0]
        assert tau[0] == int(0.04 / one_j) > 1
        # What a round leaves over is less than an iteration.
        assert tau[2] - tau[0] in (0, 1)
        assert tau[4] - tau[0] in (0, 1)
    up, down = (set(run.records[r].plan.binding) for r in (0, 1))
    assert up == {"energy", "no_work"}
    assert down == {"no_work"}


def test_a_star_whose_radios_draw_lasts_to_its_last_round() -> None:
    # Idle radios draw 0.82 W: 7.4 of 8 J in six rounds of 1.5 s; what trains is the rest.
    run = go(
        "--network.kind=analytic",
        "--network.round_period_s=1.5",
        "--learning.method=fedavg_star",
        "--energy.battery_j=8",
        "--energy.reserve_j=0.05",
        "--learning.rounds=6",
        "--iteration.max_iterations=1000",
        network_type=AnalyticNetwork,
    )
    last = run.records[-1].report.energy
    assert last.alive.all()
    for record in run.records[::2]:
        assert (record.plan.iterations[1:] > 0).all()
        assert set(record.plan.binding[1:]) == {"energy"}
        # What is forecast is the radio of the round alone.
        radio_j = record.report.energy.state_j.sum(axis=1)
        forecast_j = record.plan.predicted_j - record.plan.predicted_compute_j
        np.testing.assert_allclose(forecast_j[1:], radio_j[1:], rtol=0.05)
    assert (last.remaining_energy_j[1:] < 0.2).all()


def test_the_actual_work_is_the_planned_work_where_the_profile_is_right(
    runs: dict[str, Run],
) -> None:
    for name in ("rich", "tight", "harvest"):
        for record in runs[name].records:
            np.testing.assert_array_equal(record.trained.iterations, record.plan.iterations)
            spent_j = record.report.energy.compute_j
            np.testing.assert_allclose(spent_j, record.plan.predicted_compute_j, rtol=1e-9)


def test_rounds_without_an_evaluation_change_nothing_else() -> None:
    often, seldom = (go("--learning.rounds=5", *flags) for flags in ((), (EVERY_SECOND,)))
    assert often.learner.parameters_digest() == seldom.learner.parameters_digest()
    for one, other in zip(often.records, seldom.records, strict=True):
        evaluated = one.round_index in (1, 3, 4)  # the last one always
        for name in ("accuracy", "modality_accuracy", "consensus_distance", "modality_imbalance"):
            full, sparse = (getattr(each.evaluation, name) for each in (one, other))
            np.testing.assert_array_equal(sparse, full if evaluated else np.full_like(full, np.nan))
        assert one.evaluation.subset_accuracy.keys() == other.evaluation.subset_accuracy.keys()


def test_the_same_configuration_gives_the_same_parameters_and_another_seed_others(
    runs: dict[str, Run],
) -> None:
    digest = runs["rich"].learner.parameters_digest()
    assert go().learner.parameters_digest() == digest
    assert go("--seed=2").learner.parameters_digest() != digest


def test_a_run_that_waits_with_each_round_until_the_last_was_looked_at_is_the_same_run(
    tmp_path: Path,
) -> None:
    config = make_config("--network.kind=analytic", "--iteration.rule=random")
    scenario, runs = make_scenario(config), []
    for ahead in (True, False):
        _, learner = make_learner(config)
        network = open_network(config, scenario, tmp_path / "ns3.log")
        runs.append(list(run_rounds(config, scenario, learner, network, ahead=ahead)))
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one.plan.iterations, other.plan.iterations)
        np.testing.assert_array_equal(one.evaluation.accuracy, other.evaluation.accuracy)
        np.testing.assert_array_equal(one.report.energy.state_j, other.report.energy.state_j)


def test_a_run_over_the_analytic_network_measures_the_cost_of_its_capacity(
    tmp_path: Path,
) -> None:
    config = make_config("--network.kind=analytic")
    scenario, (_, learner) = make_scenario(config), make_learner(config)
    network = open_network(config, scenario, tmp_path / "ns3.log")
    assert isinstance(network, AnalyticNetwork)
    last = list(run_rounds(config, scenario, learner, network))[-1]
    # A byte takes 8 / C seconds, at the powers of sending and receiving above that of idling.
    s_per_byte = 8 / capacity_bps(scenario)[scenario.neighbours]
    cost = last.cost
    for measured, each in (
        (cost.airtime_s_per_byte, s_per_byte),
        (cost.sender_j_per_byte, s_per_byte * 3.0 * (0.380 - 0.273)),
        (cost.relay_j_per_byte, 0 * s_per_byte),
    ):
        np.testing.assert_allclose(measured[scenario.neighbours], each, rtol=1e-9)
    # A receiver hears several at once, or sends meanwhile, and then draws for one of them at most.
    received = cost.receiver_j_per_byte[scenario.neighbours]
    assert np.all(received <= s_per_byte * 3.0 * (0.313 - 0.273) * (1 + 1e-9))
    assert np.all(received > 0)
    assert cost.reachable.sum() == DEVICES * (DEVICES - 1)
