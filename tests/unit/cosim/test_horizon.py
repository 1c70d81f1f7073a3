"""Budgets seen ahead: against trying all choices, a MILP solver, a plain battery, and by hand."""

import numpy as np
import pytest
from made_horizons import (
    best_by_milp,
    best_choices,
    follow,
    is_payable,
    made_horizon,
    one,
    plan,
)
from made_plans import Case, best_by_brute_force, made_case, seconds_of
from made_plans import plan as plan_iterations

from cosim.planning.horizon import SCHEDULES, SHORT_ROUNDS, Outlook, look_ahead, periods
from cosim.planning.taut import taut_shares


@pytest.mark.parametrize("short_rounds", SHORT_ROUNDS)
def test_a_device_trains_in_as_many_rounds_as_any_choice_of_rounds_allows(
    short_rounds: str,
) -> None:
    rng, seen = np.random.default_rng(1), {5: 0, 4: 0, 1: 0, 0: 0, -1: 0}
    for _ in range(170):
        case = made_horizon(rng, 5)
        found, best = plan(case, "even", short_rounds), best_choices(case)
        most = sum(best[0]) if best else -1
        seen[most] = seen.get(most, 0) + 1
        if not best:
            assert found.paid[0] < 5
            continue
        assert found.trains.sum() == most
        assert found.paid[0] == 5
        assert is_payable(case, found.budget_j[0])
        if short_rounds == "early":
            assert tuple(found.trains[0]) == max(best)
    assert min(seen.values()) >= 4


def test_trainings_their_least_budget_and_what_overflows_are_those_of_a_milp_solver() -> None:
    rng, shared = np.random.default_rng(2), 0
    for _ in range(100):
        case = made_horizon(rng, 6)
        count, least_j, overflow_j = best_by_milp(case)
        found = plan(case, "even", "early")
        if count < 0:
            assert found.paid[0] < 6
            continue
        assert found.trains.sum() == count
        if count < 6:  # which rounds is a matter of taste then
            continue
        shared += 1
        assert found.budget_j.min() == pytest.approx(least_j, abs=1e-5)
        *_, (_, left_j) = follow(case, found.budget_j[0])
        lost_j = case["start"] + case["harvest"].sum() - found.budget_j.sum() - left_j
        assert lost_j == pytest.approx(overflow_j, abs=1e-4)
    assert shared >= 20


def test_iterations_are_the_best_that_the_share_of_battery_and_harvest_buys() -> None:
    """500 devices: rounds and iterations by trying all, and nothing is overspent."""
    rng = np.random.default_rng(3)
    n, p = 500, 4
    case = made_case(rng, n, 2, max_iterations=4, alive=np.ones(n, dtype=bool))
    radio_j = case["communication_j"] + case["idle_j"]
    one_of_each_j = np.where(case["available"], case["iteration_j"], 0).sum(1) + case["head_j"]
    outlook = Outlook(
        remaining_energy_j=rng.uniform(1.0, 12.0, n),
        capacity_j=np.full(n, 12.0),
        level_j=np.full(n, 12.0),
        reserve_j=0.5,
        harvest_j=rng.uniform(0.0, 2.0, (n, p)) * (rng.random((n, 1)) < 0.5),
        fixed_j=radio_j,
        training_j=radio_j + one_of_each_j + case["kd_j"],
        length=np.ones(p),
        rounds=1.0,
        rested=np.full(n, np.inf),
        alive=case["alive"],
    )
    horizon = look_ahead(outlook, "even", "early")
    share_j = horizon.budget_j[:, 0]
    # What made_plans shares out is the budget itself then.
    case |= {"remaining_energy_j": share_j, "reserve_j": 0.0, "trainings_left": 1}
    result = plan_iterations(**case | {"short_rule": "idle"})
    for k in range(n):
        costs = {"fixed": radio_j[k], "training": outlook.training_j[k], "reserve": 0.5}
        energy = {"start": outlook.remaining_energy_j[k], "harvest": outlook.harvest_j[k]}
        small = {**costs, **energy, "capacity": 12.0}
        best = best_choices(small)
        if best:
            assert tuple(horizon.trains[k]) == max(best)
            assert is_payable(small, horizon.budget_j[k])
        assert result.active[k] == (horizon.trains[k, 0] and seconds_fit(case, k))
        assert result.objective[k] == pytest.approx(best_by_brute_force(case, k), rel=1e-8)
        assert not result.active[k] or result.predicted_j[k] <= share_j[k]
    assert 150 < result.active.sum() < 450


def seconds_fit(case: Case, k: int) -> bool:
    return seconds_of(case, k, (1,) * int(case["available"][k].sum())) <= case["compute_limit_s"]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("short_rounds", SHORT_ROUNDS)
def test_no_moment_of_a_plan_that_pays_its_rounds_is_below_the_reserve(
    schedule: str, short_rounds: str
) -> None:
    rng = np.random.default_rng(4)
    for _ in range(100):
        case = made_horizon(rng, 7)
        found = plan(case, schedule, short_rounds)
        paid = int(found.paid[0])
        lives = [low for low, _ in follow(case, found.budget_j[0])][:paid]
        assert min(lives, default=np.inf) >= case["reserve"] - 1e-9
        left_j = [left for _, left in follow(case, found.budget_j[0])][:paid]
        np.testing.assert_allclose(found.battery_j[0, :paid], left_j, atol=1e-9)
        training_j = found.budget_j[0][found.trains[0]]
        assert (training_j >= case["training"] - 1e-9).all()


def test_without_harvest_even_is_the_same_bits_as_what_is_left_over_the_rounds_left() -> None:
    rng = np.random.default_rng(5)
    for rounds in (1, 3, 7, 60):
        start_j, reserve_j = rng.uniform(50.0, 200.0), rng.uniform(0.0, 3.0)
        case = {"start": start_j, "capacity": 300.0, "reserve": reserve_j}
        found = one(**case, harvest=[0.0] * rounds, fixed=0.1, training=0.2)
        assert (found.budget_j == (start_j - reserve_j) / rounds).all()
    # With a star a part of a training is expected in the end: 10 J over 3.6 trainings.
    star = one(harvest=[0.0] * 4, length=periods(3.6))
    np.testing.assert_array_equal(star.budget_j[0, :3], 10.0 / 3.6)
    assert star.budget_j.sum() == pytest.approx(10.0)
    # Of two rounds each, in 7.2 rounds; they begin in whole ones.
    star = one(harvest=[0.0] * 4, length=periods(3.6), rounds=2.0)
    np.testing.assert_array_equal(star.begins, [0, 2, 4, 6, 7])


def test_a_full_battery_spends_what_would_overflow() -> None:
    # 10 of 10 J, 3 J a round, of which 1 J are fixed costs: 10 - 0 + 3 * 3 + 1 over four rounds.
    found = one(capacity=10.0, harvest=[3.0] * 4)
    np.testing.assert_allclose(found.budget_j, (10 + 3 * 3 + 1) / 4)
    np.testing.assert_allclose(found.battery_j, [[8, 6, 4, 2]])


def test_harvest_that_has_not_come_is_not_spent_and_what_would_overflow_is() -> None:
    # 4 J now, 20 J in the third of four rounds: two rounds share 4 J, the others what has come.
    late = one(start=4.0, harvest=[0.0, 0.0, 20.0, 0.0], training=1.5)
    # The third pays its fixed joule of the harvest; 5 J = 4 + 1 over three rounds, then 19.
    np.testing.assert_allclose(late.budget_j, [[5 / 3, 5 / 3, 5 / 3, 19.0]])


def rounds_of_training(short_rounds: str, rounds: int = 10, trainings: int = 3) -> list[int]:
    """Replan each round what pays for so many trainings at 1 J, beside 1 J a round, and live so."""
    left_j, rested, trained = rounds + trainings + 0.5, np.inf, []
    for now in range(rounds):
        costs = {"fixed": 1.0, "training": 2.0, "capacity": 100.0}
        harvest = [0.0] * (rounds - now)
        found = one("even", short_rounds, start=left_j, rested=rested, harvest=harvest, **costs)
        trains = bool(found.trains[0, 0])
        trained += [now + 1] if trains else []
        rested = 0.0 if trains else rested + 1
        left_j -= found.budget_j[0, 0] if trains else 1.0
    return trained


def test_replanned_each_round_trainings_fall_where_the_first_plan_had_them() -> None:
    # Evenly spaced from the first round to the last; with 0.5 J to spare there are three of them.
    assert rounds_of_training("spread") == [1, 6, 10]
    assert rounds_of_training("early") == [1, 2, 3]
    assert rounds_of_training("late") == [8, 9, 10]
    assert rounds_of_training("spread", 12, 1) == [1]
    assert rounds_of_training("spread", 60, 4) == [1, 21, 41, 60]


def test_what_the_least_trainings_leave_is_shared_among_them() -> None:
    # 6.5 J: four rounds at 1 J, two trainings at 1 J more, and 0.5 J for both.
    found = one("even", "late", start=6.5)
    np.testing.assert_allclose(found.budget_j, [[1.0, 1.0, 2.25, 2.25]])
    np.testing.assert_array_equal(found.trains, [[False, False, True, True]])
    falling = one("front_loaded", "late", start=6.5)  # weights 2 and 1
    np.testing.assert_allclose(falling.budget_j, [[1.0, 1.0, 2 + 1 / 3, 2 + 1 / 6]])


def test_who_cannot_pay_for_all_rounds_trains_at_once_in_all_that_can_be_paid() -> None:
    # 5 J pay for two trainings at 2 J in 6 rounds at 1 J: 2.5 J each, and the reserve is what is
    # left for the third round.
    for short_rounds in SHORT_ROUNDS:
        found = one("even", short_rounds, start=5.3, reserve=0.3, harvest=[0.0] * 6)
        np.testing.assert_allclose(found.budget_j, [[2.5, 2.5, 0, 0, 0, 0]], atol=1e-9)
        np.testing.assert_allclose(found.battery_j, [[2.8, 0.3, 0, 0, 0, 0]], atol=1e-9)
        assert found.paid[0] == found.paid_rounds[0] == 2
    # Not even one: the radio alone, for as long as it can be paid.
    alone = one(start=1.5, harvest=[0.0] * 6)
    np.testing.assert_allclose(alone.budget_j, [[1.0, 0.5, 0, 0, 0, 0]])
    assert not alone.trains.any()


def test_front_loaded_shares_fall_in_a_line_and_stay_when_planned_anew() -> None:
    # 18 J over four rounds at 2 J: 10 J by 4, 3, 2, 1.
    found = one("front_loaded", start=18.0)
    np.testing.assert_allclose(found.budget_j, [[6.0, 5.0, 4.0, 3.0]])
    later = one("front_loaded", start=12.0, harvest=[0.0] * 3)
    np.testing.assert_allclose(later.budget_j, [[5.0, 4.0, 3.0]])


def test_neutral_spends_what_is_harvested_and_the_battery_ends_where_it_began() -> None:
    found = one("neutral", harvest=[3.0] * 4)
    np.testing.assert_allclose(found.budget_j, 3.0)
    np.testing.assert_allclose(found.battery_j, 10.0)
    # 6 J short of where it began: 12 J harvested, 6 J spent, of which 1 J a round is the radio's.
    below = one("neutral", start=4.0, harvest=[3.0] * 4, training=1.2)
    np.testing.assert_allclose(below.budget_j, 1.5)
    # 1.5 J a round, of which 0.5 J are spare: half of the rounds train.
    small = one("neutral", "early", harvest=[1.5] * 4)
    assert small.trains.sum() == 2
    assert small.battery_j[0, -1] == pytest.approx(10.0)
    # What does not pay for the radio pays for no training.
    for start_j in (10.0, 3.0):
        none = one("neutral", start=start_j, harvest=[0.9] * 4)
        assert not none.trains.any()


def test_the_dead_have_no_budgets() -> None:
    battery = (np.array([5.0]), np.array([9.0]), np.array([9.0]), 0.0, np.ones((1, 3)))
    rest = (np.ones(1), np.full(1, 2.0), np.ones(3), 1.0, np.zeros(1), np.array([False]))
    found = look_ahead(Outlook(*battery, *rest), "even", "spread")
    assert not found.budget_j.any()
    assert not found.trains.any()
    assert found.paid[0] == 0


def test_fewer_than_one_training_is_refused_and_parts_of_one_are_the_last_period() -> None:
    np.testing.assert_allclose(periods(2.25), [1, 1, 0.25])
    with pytest.raises(ValueError, match="trainings_left: expected at least 1; got 0"):
        periods(0)


def test_a_string_is_straight_between_the_bounds_that_it_touches() -> None:
    # By hand: up to 1 at the first, at least 5 at the second, 6 in all.
    shares = taut_shares(np.ones(4), np.array([0.0, 5, 5, 6]), np.array([1.0, 9, 9, 6]))
    np.testing.assert_allclose(shares, [1.0, 4.0, 0.5, 0.5])
