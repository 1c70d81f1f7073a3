"""Whole runs whose plans see ahead: harvest, too little for all rounds, and what is forecast."""

from pathlib import Path

import numpy as np
import pytest
from made_runs import DEVICES, PI, Run, go

from cosim.config.to_scenario import make_scenario
from cosim.records.tables import to_tables
from ns3_scenarios.analytic import AnalyticNetwork

ROUND_S = 3.0


def cheapest_j(run: Run) -> float:
    """One iteration of one modality, which short_rule best_modality trains."""
    work = run.learner.work_cost()
    flop = work.per_iteration_flop[0].min() + work.per_step_flop[0] + work.per_round_flop[0]
    return float(flop / PI.effective_flop_per_s * PI.power_w)


COST_J = cheapest_j(go("--learning.rounds=1"))


def trained_in(run: Run, device: int = 0) -> list[int]:
    return [r.round_index + 1 for r in run.records if r.plan.active[device]]


@pytest.mark.parametrize(
    ("short_rounds", "rounds"), [("spread", [1, 6]), ("early", [1, 2]), ("late", [5, 6])]
)
def test_two_trainings_that_a_battery_pays_for_fall_in_the_rounds_that_are_asked_for(
    short_rounds: str, rounds: list[int]
) -> None:
    flags = (f"--energy.battery_j={2.5 * COST_J}", "--learning.rounds=6")
    run = go(*flags, f"--iteration.short_rounds={short_rounds}")
    for device in range(DEVICES):
        assert trained_in(run, device) == rounds
    words = [r.plan.binding[0] for r in run.records]
    waiting = [i + 1 for i, word in enumerate(words) if word == "waiting"]
    # After the last training there is nothing to wait for.
    assert waiting == [i for i in range(1, rounds[-1]) if i not in rounds]


def test_a_full_battery_that_overflowed_without_training_spends_its_harvest() -> None:
    # The ideal radio is free: (E + 3 h) / 4 in the first of four rounds, and so on.
    flags = ("--energy.battery_j=0.05", "--energy.harvest_power_w=0.01", "--learning.rounds=4")
    run = go(*flags, "--iteration.max_iterations=1000")
    for record in run.records:
        left = 4 - record.round_index
        start_j = record.report.energy.start_energy_j
        expected_j = (start_j + (left - 1) * 0.01 * ROUND_S) / left
        np.testing.assert_allclose(record.plan.budget_j, expected_j)
        assert record.plan.active.all()
        # All but what does not pay for an iteration of each modality.
        assert (record.report.energy.overflow_j < 2 * COST_J).all()


def test_who_cannot_pay_its_radio_to_the_end_trains_while_it_can_and_dies_when_foreseen() -> None:
    # Idle radios draw 0.819 W: 2.457 J a round, six of them 14.7 J, and there are 11 J and 1 J.
    flags = ("--energy.battery_j=12", "--energy.reserve_j=1", "--learning.rounds=6")
    run = go(*flags, "--network.kind=analytic", network_type=AnalyticNetwork)
    assert [r.plan.horizon.paid_rounds[0] for r in run.records[:5]] == [4, 3, 2, 1, 0]
    assert trained_in(run) == [1, 2, 3, 4]
    foreseen_j = run.records[0].plan.horizon.battery_j[0]
    died_s = run.records[-1].report.energy.died_at_s[0]
    assert 12.0 < died_s < 15.0  # in the fifth round: the reserve of 1 J does not last for it
    assert foreseen_j[3] == pytest.approx(1.0)
    assert foreseen_j[4] == 0.0
    rows = [to_tables(r, make_scenario(run.config), run.learner) for r in run.records]
    for record, tables in zip(run.records, rows, strict=True):
        devices = tables["devices"]
        for k in range(DEVICES):
            energy = record.report.energy
            spent_j = sum(energy.state_j[k]) + energy.compute_j[k] + energy.board_j[k]
            over_j = max(0.0, spent_j - record.plan.budget_j[k])
            if record.alive_at_start[k]:
                assert devices["overspent_j"][k] == pytest.approx(over_j)
            else:
                assert np.isnan(devices["overspent_j"][k])
        # Of the dead there are no plans.
        assert len(tables["plans"]) == record.alive_at_start.sum() * (6 - record.round_index)
    first = rows[0]["plans"]
    assert first["planned_round"].tolist() == [1, 2, 3, 4, 5, 6] * DEVICES
    assert first["trains"].tolist() == [True] * 4 + [False] * 2 + [True] * 4 + [False] * 2 + [
        *([True] * 4 + [False] * 2) * 2
    ]
    assert rows[0]["devices"]["planned_trainings"].tolist() == [4] * DEVICES


def test_a_star_that_cannot_train_each_time_trains_as_often_as_it_can() -> None:
    # Three times up in six rounds; what pays for two of the three.
    flags = ("--learning.method=fedavg_star", "--learning.rounds=6")
    work = go(*flags, "--learning.rounds=2").learner.work_cost()
    flop = work.per_iteration_flop[1].min() + work.per_step_flop[1] + work.per_round_flop[1]
    once_j = flop / PI.effective_flop_per_s * PI.power_w
    run = go(*flags, f"--energy.battery_j={2.5 * once_j}")
    for device in range(1, DEVICES):
        assert trained_in(run, device) == [1, 5]
    assert run.records[2].plan.binding[1:] == ("waiting",) * (DEVICES - 1)


def test_a_plan_knows_of_harvest_what_its_rounds_brought_and_nothing_of_the_files_future(
    tmp_path: Path,
) -> None:
    sun = tmp_path / "sun.csv"
    # 0.01 W for two rounds, then 0.03 W: forecasts of 0.03 J until the third round is over.
    sun.write_text("time_s,harvest_power_w\n0,0.01\n6,0.03\n")
    flags = ("--energy.battery_j=0.05", "--energy.capacity_j=9", "--learning.rounds=5")
    run = go(*flags, f"--energy.harvest_file={sun}")
    steady = go(*flags, "--energy.harvest_power_w=0.01")
    for index in range(3):
        plan, other = run.records[index].plan, steady.records[index].plan
        np.testing.assert_allclose(plan.horizon.budget_j, other.horizon.budget_j)
    came_j = [record.report.energy.harvested_j[0] for record in run.records]
    assert came_j == pytest.approx([0.03, 0.03, 0.09, 0.09, 0.09])
    # Half of the old forecast and half of the news, each time.
    forecast_j = [record.plan.horizon.harvest_j[0, 0] for record in run.records]
    assert forecast_j == pytest.approx([0.03, 0.03, 0.03, 0.06, 0.075])


@pytest.mark.parametrize(("kind", "harvest_w"), [("ideal", 0.03), ("analytic", 0.86)])
def test_neutral_plans_leave_the_battery_where_it_was(kind: str, harvest_w: float) -> None:
    flags = ("--energy.battery_j=9", f"--energy.harvest_power_w={harvest_w}", "--learning.rounds=5")
    many = ("--iteration.max_iterations=1000", f"--network.kind={kind}")
    network = {"network_type": AnalyticNetwork} if kind == "analytic" else {}
    run = go(*flags, *many, "--iteration.schedule=neutral", **network)
    left_j = run.records[-1].report.energy.remaining_energy_j
    # What a round leaves over is less than an iteration of each, and its radio's forecast is near.
    np.testing.assert_allclose(left_j, 9.0, atol=0.03)
    assert all(record.plan.active.all() for record in run.records)
