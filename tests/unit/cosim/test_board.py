"""A board's idle power: in the configuration, in plans, in the books and in the closing words."""

import numpy as np
import pytest
from made_runs import PI, go, make_config
from made_tables import made_run

from cosim.config.to_scenario import make_scenario
from cosim.report.summary import summarise, summary_lines
from ns3_scenarios.errors import ScenarioError

BOARD_W, PERIOD_S = 1.9, 3.0


def test_a_plan_leaves_a_board_its_joules_and_no_round_goes_without() -> None:
    # Boards take 3 x 5.7 J of 17.3 J; what is left pays for some iterations.
    battery_j = 3 * BOARD_W * PERIOD_S + 0.2
    flags = (f"--energy.board_idle_w={BOARD_W}", f"--energy.battery_j={battery_j}")
    run = go(*flags, "--iteration.max_iterations=500")
    for index, record in enumerate(run.records):
        energy = record.report.energy
        assert energy.alive.all()
        np.testing.assert_allclose(energy.board_j, BOARD_W * PERIOD_S)
        forecast_j = record.plan.predicted_j - record.plan.predicted_compute_j
        np.testing.assert_allclose(forecast_j, BOARD_W * PERIOD_S)
        assert set(record.plan.binding) == {"energy"}
        budget_j = energy.start_energy_j / (3 - index)
        np.testing.assert_allclose(record.plan.budget_j, budget_j)
        assert (record.plan.iterations > 0).all()
    assert (run.records[-1].report.energy.remaining_energy_j < 0.05).all()


def test_an_idle_board_and_its_computing_draw_what_the_profile_says_together() -> None:
    for board_w in (0.0, BOARD_W):
        record = go(f"--energy.board_idle_w={board_w}", "--energy.battery_j=125").records[0]
        energy, busy_s = record.report.energy, record.traffic.compute_s
        at_work_j = energy.compute_j + board_w * busy_s
        np.testing.assert_allclose(at_work_j, PI.power_w * busy_s)
        np.testing.assert_allclose(energy.board_j, board_w * PERIOD_S)


def test_a_board_that_draws_more_than_the_device_at_work_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"energy.board_idle_w: expected less than the 4.92 W"):
        make_scenario(make_config("--energy.board_idle_w=4.92"))


def test_the_closing_words_name_the_boards_joules() -> None:
    run = made_run(deaths={4: 6}, board_j=0.5)
    summary = summarise(run.rounds, run.devices, run.flows, run.manifest)
    board_j = 0.5 * (8 * 12 + 7)
    assert summary["board_j"] == pytest.approx(board_j)
    spent_j = summary["radio_j"] + summary["compute_j"] + board_j
    assert summary["plan_share"] == pytest.approx(summary["compute_j"] / spent_j)
    share = f"{100 * board_j / spent_j:.1f} %"
    assert f"board {board_j:.1f} J ({share})" in summary_lines(summary)["Energy"]
