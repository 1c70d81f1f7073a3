"""The plans against brute force, against a MILP solver, and against what any plan must keep."""

import numpy as np
import pytest
from made_plans import (
    Case,
    assert_nothing_overspent,
    best_by_brute_force,
    best_by_milp,
    joules_of,
    made_case,
    one_device,
    plan,
    seconds_of,
)

from cosim.planning.plan import SHORT_RULES
from cosim.planning.rules import RULES


def test_the_plan_is_the_best_of_all_integer_plans() -> None:
    rng = np.random.default_rng(1)
    seen = {"energy": 0, "time": 0, "iterations_max": 0, "short": 0, "dead": 0}
    for modalities in (1, 2, 3):
        case = made_case(rng, 150, modalities)
        result = plan(**case)
        for k in range(150):
            seen[result.binding[k]] += 1
            if case["alive"][k]:
                assert result.objective[k] == pytest.approx(best_by_brute_force(case, k), rel=1e-8)
    assert min(seen.values()) >= 10  # the cases reach every way in which a plan can end


def test_the_plan_reaches_the_optimum_of_an_integer_program_solver() -> None:
    rng = np.random.default_rng(2)
    case = made_case(
        rng, 100, 3, max_iterations=40, compute_limit_s=25.0, alive=np.ones(100, dtype=bool)
    )
    case["remaining_energy_j"] = rng.uniform(10.0, 150.0, 100)
    result = plan(**case)
    for k in range(100):
        assert result.objective[k] == pytest.approx(best_by_milp(case, k), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("short_rule", SHORT_RULES)
def test_no_rule_spends_more_than_the_budget_or_the_time(rule: str, short_rule: str) -> None:
    case = made_case(np.random.default_rng(3), 200, 3, rule=rule, short_rule=short_rule)
    assert_nothing_overspent(case, plan(**case))


@pytest.mark.parametrize("rule", ["balance", "uniform", "inverse"])
def test_one_iteration_more_at_the_slowest_modality_does_not_fit(rule: str) -> None:
    """The next breakpoint by hand: raise every modality that holds the minimum by one."""
    case = made_case(np.random.default_rng(4), 200, 2, rule=rule, alive=np.ones(200, dtype=bool))
    weights = {"balance": case["speed"], "inverse": 1 / case["speed"]}
    weight = weights.get(rule, np.ones_like(case["speed"]))
    result = plan(**case)
    checked = 0
    for k in range(200):
        have = np.flatnonzero(case["available"][k])
        if result.binding[k] not in {"energy", "time"}:
            continue
        tau = result.iterations[k, have]
        progress = weight[k, have] * tau
        more = tuple(int(t) for t in tau + (progress <= progress.min() * (1 + 1e-9)))
        over_j = joules_of(case, k, more) > result.budget_j[k]
        over_s = seconds_of(case, k, more) > case["compute_limit_s"]
        assert over_j or over_s
        assert result.binding[k] == ("energy" if over_j else "time")
        checked += 1
    assert checked > 40


def test_the_objective_never_falls_when_the_battery_holds_more() -> None:
    rng = np.random.default_rng(6)
    case = made_case(rng, 30, 3, compute_limit_s=1e9)
    joules = np.linspace(0.0, 120.0, 60)
    objective = np.array(
        [plan(**case | {"remaining_energy_j": np.full(30, j)}).objective for j in joules]
    )
    assert (np.diff(objective, axis=0) >= 0.0).all()
    assert (objective[-1] > objective[10])[case["alive"]].any()


def test_ample_energy_is_saved_once_the_slowest_modality_is_at_its_maximum() -> None:
    result = plan(**one_device(speed=np.array([[5.0, 1.0]])))
    np.testing.assert_array_equal(result.iterations, [[10, 50]])
    assert result.predicted_j[0] == 60.0
    assert result.optimality_gap[0] == 0.0


def test_the_gap_is_the_loss_of_rounding_against_the_closed_form_of_water_filling() -> None:
    # Real tau = z / u: z (1/2 + 1/3) = 9 J gives z = 10.8; integers (4, 3) cost 7 J and reach 8,
    # (5, 4) cost 9 J and reach min(10, 12) = 10.
    result = plan(**one_device(speed=np.array([[2.0, 3.0]]), remaining_energy_j=np.array([9.0])))
    np.testing.assert_array_equal(result.iterations, [[5, 4]])
    assert result.optimality_gap[0] == pytest.approx(1 - 10 / 10.8)


def test_gaps_lie_between_zero_and_one_and_some_are_positive() -> None:
    gap = plan(**made_case(np.random.default_rng(11), 300, 3)).optimality_gap
    assert ((gap >= 0.0) & (gap < 1.0)).all()
    assert (gap > 0.01).any()


def test_too_little_energy_for_all_trains_the_modality_with_most_speed_per_joule() -> None:
    case = one_device(
        speed=np.array([[0.9, 1.0]]),
        iteration_j=np.array([[1.0, 2.0]]),
        remaining_energy_j=np.array([2.5]),
    )
    for rule in RULES:
        best = plan(**case | {"rule": rule, "short_rule": "best_modality"})
        np.testing.assert_array_equal(best.iterations, [[1, 0]])
        assert best.predicted_j[0] == 1.0
        assert best.binding == ("short",)
    assert not plan(**case | {"short_rule": "idle"}).active.any()


def test_the_short_rule_takes_the_lesser_modality_when_only_that_one_fits() -> None:
    case = one_device(
        speed=np.array([[9.0, 0.1]]),
        iteration_j=np.array([[3.0, 1.0]]),
        remaining_energy_j=np.array([2.0]),
        short_rule="best_modality",
    )
    np.testing.assert_array_equal(plan(**case).iterations, [[0, 1]])
    late = case | {"remaining_energy_j": np.array([1e9]), "compute_limit_s": 1.5}
    np.testing.assert_array_equal(plan(**late).iterations, [[1, 0]])  # both fit alone, 3 > 0.1


def test_a_device_that_cannot_train_still_pays_for_its_radio() -> None:
    case = one_device(
        communication_j=np.array([3.0]), idle_j=np.array([4.0]), remaining_energy_j=np.array([5.0])
    )
    for short_rule in SHORT_RULES:
        result = plan(**case | {"short_rule": short_rule})
        assert not result.active[0]
        assert result.predicted_j[0] == 7.0
        assert result.predicted_compute_j[0] == 0.0


def test_a_training_leaves_the_radio_of_the_rounds_until_the_next() -> None:
    case = one_device(remaining_energy_j=np.array([10.0]), communication_j=np.array([2.0]))
    steps_j = [
        float(plan(**case | {"rounds_per_training": rounds}).predicted_compute_j[0])
        for rounds in (1.0, 2.0, 3.0)
    ]
    result = plan(**case | {"rounds_per_training": 2.0})
    # The joules of 10 that two rounds of the radio leave over; the forecast is of one round.
    assert 10 - 2 * 2 - 1.1 <= steps_j[1] <= 10 - 2 * 2
    assert steps_j[0] > steps_j[1] > steps_j[2] > 0
    assert result.predicted_j[0] == pytest.approx(steps_j[1] + 2.0)


def test_the_dead_get_nothing() -> None:
    result = plan(**one_device(alive=np.array([False]), communication_j=np.array([1.0])))
    assert result.binding == ("dead",)
    assert not result.iterations.any()
    assert result.predicted_j[0] == result.budget_j[0] == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"short_rule": "sleep"}, "short_rule: expected one of best_modality, idle"),
        ({"max_iterations": 0}, "max_iterations: expected at least 1; got 0"),
        ({"speed": np.array([[1.0, np.nan]])}, "speed: .* at device 0, modality 1"),
        ({"iteration_j": np.array([[-1.0, 1.0]])}, "iteration_j: .* at device 0, modality 0"),
    ],
)
def test_wrong_input_is_refused_with_its_name_and_value(change: Case, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(**one_device(**change))
