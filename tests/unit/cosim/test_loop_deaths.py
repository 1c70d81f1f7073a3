"""Batteries that run empty in the middle of a run: what is lost with them, and what goes on."""

import numpy as np
import pytest
import torch
from made_runs import DEVICES, THIRSTY, LateDeathNetwork, RevivingNetwork, Run, go

from cosim.config.to_scenario import make_scenario
from cosim.records.tables import to_tables
from ns3_scenarios.reports import OUTCOMES


def death_round(run: Run) -> int:
    return next(
        r.round_index for r in run.records if np.isfinite(r.report.energy.died_at_s[THIRSTY])
    )


def test_the_thirsty_device_dies_and_nobody_else(runs: dict[str, Run]) -> None:
    run = runs["death"]
    died = death_round(run)
    assert died < run.config.learning.rounds - 2  # rounds behind the death are there to be seen
    for record in run.records:
        alive = [True] * DEVICES
        alive[THIRSTY] = record.round_index <= died
        assert record.alive_at_start.tolist() == alive
        assert record.plan.active.tolist() == alive


def test_a_dead_devices_parameters_stay_as_they_were_at_its_death(runs: dict[str, Run]) -> None:
    run = runs["death"]
    died = death_round(run)
    frozen = run.states[died]
    for later, before in zip(run.states[died + 1 :], run.states[died:], strict=False):
        for part, value in later.items():
            assert torch.equal(value[THIRSTY], frozen[part][THIRSTY]), part
        for k in set(range(DEVICES)) - {THIRSTY}:
            assert not torch.equal(later["head/bias"][k], before["head/bias"][k])
    for record in run.records[died + 1 :]:
        assert record.trained.flop[THIRSTY] == record.traffic.compute_j[THIRSTY] == 0.0
        assert THIRSTY not in record.traffic.src


def test_a_round_counts_the_dead_with_their_last_model_and_the_living_apart(
    runs: dict[str, Run],
) -> None:
    run = runs["death"]
    scenario = make_scenario(run.config)
    for number, record in enumerate(run.records, start=1):
        (row,) = to_tables(record, scenario, run.learner)["rounds"].to_dict("records")
        assert row["round"] == number
        accuracy = record.evaluation.accuracy.tolist()
        assert row["accuracy_mean"] == pytest.approx(sum(accuracy) / DEVICES)
        assert row["accuracy_min"] == min(accuracy)
        if number - 1 > death_round(run):
            del accuracy[THIRSTY]
        assert row["accuracy_alive_mean"] == pytest.approx(sum(accuracy) / len(accuracy))
        assert row["accuracy_alive_max"] == max(accuracy)


def test_training_that_the_battery_did_not_last_for_is_undone(runs: dict[str, Run]) -> None:
    run = runs["death"]
    died = death_round(run)
    record, (before, after) = run.records[died], run.states[died - 1 : died + 1]
    lived_s = record.report.energy.died_at_s[THIRSTY] - record.report.start_s
    assert 0 < lived_s < record.traffic.compute_s[THIRSTY]
    assert record.plan.iterations[THIRSTY].any()
    assert record.trained.iterations[THIRSTY].tolist() == [0, 0]
    assert np.isnan(record.trained.loss).tolist() == [k == THIRSTY for k in range(DEVICES)]
    # The joules of it stay spent.
    assert record.report.energy.compute_j[THIRSTY] > 0.0
    for name, value in after.items():
        assert torch.equal(value[THIRSTY], before[name][THIRSTY]), name
    assert not torch.equal(after["head/bias"], before["head/bias"])


def test_a_device_that_dies_after_its_mail_came_mixes_none_of_it_but_others_mix_its_own() -> None:
    run = go("--learning.rounds=1", network_type=LateDeathNetwork)
    (record,), (weight,) = run.records, run.weights
    assert {OUTCOMES[i] for i in record.report.flows.outcome} == {"delivered"}
    assert (weight[0, 0] == 1.0).all()
    assert (weight[1, 0] > 0).all()
    # It trained to the end, so that stays: only the mixing is missing.
    assert record.trained.iterations[0].all()


def test_a_device_that_came_back_loses_its_round_and_takes_part_in_the_next() -> None:
    run = go("--learning.rounds=2", network_type=RevivingNetwork)
    (lost, next_one), (none, mixed) = run.records, run.weights
    assert lost.trained.iterations[0].tolist() == [0, 0]
    assert (none[0, 0] == 1.0).all()
    assert next_one.alive_at_start.all()
    assert next_one.trained.iterations[0].all()
    assert (mixed[0, 1] > 0).all()
    assert 0 in next_one.traffic.src


def test_a_dead_neighbour_is_offered_everything_until_three_rounds_of_silence() -> None:
    run = go("--energy.battery_j=1.2", "--learning.rounds=8", thirsty=THIRSTY)
    died = death_round(run)
    offered = []
    for record in run.records:
        to_dead = (record.traffic.src == 0) & (record.traffic.dst == THIRSTY)
        offered.append(int(to_dead.sum()))
        fates = {OUTCOMES[i] for i in record.report.flows.outcome[to_dead]}
        ready_s = record.report.start_s + record.traffic.compute_s[0]
        in_time = not ready_s > record.report.energy.died_at_s[THIRSTY]  # nan while it lives
        assert fates == ({"delivered"} if in_time else {"dead"})
    num_parts = len(run.records[0].payload.parts)
    # The round of the death and two more are full; then only the smallest part asks.
    full, asks = died + 3, 8 - died - 3
    assert asks > 1
    assert offered == [num_parts] * full + [1] * asks
