"""The plans against brute force, against a MILP solver, and against what any plan must keep."""

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from cosim.iteration import RULES, SHORT_RULES, IterationPlan, plan

Case = dict[str, Any]


def made_case(rng: np.random.Generator, devices: int, modalities: int, **changes: Any) -> Case:
    """Random speeds and costs; a third of the modalities missing, a tenth of the devices dead."""
    available = rng.random((devices, modalities)) > 0.33
    available[np.arange(devices), rng.integers(modalities, size=devices)] = True
    speed = np.where(available, rng.lognormal(-4.0, 1.0, (devices, modalities)), np.nan)
    case: Case = {
        "speed": speed,
        "contribution": np.where(available, rng.normal(0.5, 0.5, speed.shape), np.nan),
        "available": available,
        "alive": rng.random(devices) > 0.1,
        "iteration_j": rng.uniform(0.1, 1.0, (devices, modalities)),
        "head_j": rng.uniform(0.0, 0.3, devices),
        "kd_j": rng.uniform(0.0, 0.5, devices),
        "iteration_s": rng.uniform(0.1, 1.0, (devices, modalities)),
        "head_s": rng.uniform(0.0, 0.3, devices),
        "kd_s": rng.uniform(0.0, 0.5, devices),
        "communication_j": rng.uniform(0.0, 1.0, devices),
        "idle_j": rng.uniform(0.0, 1.0, devices),
        "remaining_energy_j": rng.uniform(0.0, 60.0, devices),
        "reserve_j": 2.0,
        "trainings_left": 4,
        "rounds_per_training": 1.0,
        "compute_limit_s": 6.0,
        "max_iterations": 6,
        "rule": "balance",
        "short_rule": "best_modality",
        "rng": np.random.default_rng(5),
    }
    return case | changes


def one_device(**changes: Any) -> Case:
    """One living device with two equal, free-running modalities at 1 J and 1 s an iteration."""
    case: Case = {
        "speed": np.array([[1.0, 1.0]]),
        "contribution": np.array([[1.0, 1.0]]),
        "available": np.array([[True, True]]),
        "alive": np.array([True]),
        "iteration_j": np.ones((1, 2)),
        "iteration_s": np.ones((1, 2)),
        "remaining_energy_j": np.array([1e9]),
        "reserve_j": 0.0,
        "trainings_left": 1,
        "rounds_per_training": 1.0,
        "compute_limit_s": 1e9,
        "max_iterations": 50,
        "rule": "balance",
        "short_rule": "idle",
        "rng": np.random.default_rng(0),
    }
    nothing = ("head_j", "kd_j", "head_s", "kd_s", "communication_j", "idle_j")
    return case | {name: np.zeros(1) for name in nothing} | changes


def many_unbounded(speed: list[float], devices: int, **changes: Any) -> Case:
    """Devices alike, with all modalities, that only the most iterations, 40, hold back."""
    return made_case(
        np.random.default_rng(9),
        devices,
        len(speed),
        speed=np.tile(speed, (devices, 1)),
        available=np.ones((devices, len(speed)), dtype=bool),
        alive=np.ones(devices, dtype=bool),
        remaining_energy_j=np.full(devices, 1e9),
        compute_limit_s=1e9,
        max_iterations=40,
        **changes,
    )


def budget_of(case: Case, k: int) -> float:
    spare = max(0.0, case["remaining_energy_j"][k] - case["reserve_j"])
    return float(spare / case["trainings_left"])


def joules_of(case: Case, k: int, tau: tuple[int, ...]) -> float:
    """Compute, radio and idle joules of device k, written out term by term."""
    have = np.flatnonzero(case["available"][k])
    work = sum(case["iteration_j"][k, m] * t for m, t in zip(have, tau, strict=True))
    radio = case["communication_j"][k] + case["idle_j"][k]
    return float(work + case["head_j"][k] * max(tau) + case["kd_j"][k] + radio)


def seconds_of(case: Case, k: int, tau: tuple[int, ...]) -> float:
    have = np.flatnonzero(case["available"][k])
    work = sum(case["iteration_s"][k, m] * t for m, t in zip(have, tau, strict=True))
    return float(work + case["head_s"][k] * max(tau) + case["kd_s"][k])


def best_by_brute_force(case: Case, k: int) -> float:
    """Largest min u tau over every integer tau; 0 where nothing fits."""
    have = np.flatnonzero(case["available"][k])
    best = 0.0
    for tau in itertools.product(range(1, case["max_iterations"] + 1), repeat=len(have)):
        too_long = seconds_of(case, k, tau) > case["compute_limit_s"]
        if joules_of(case, k, tau) > budget_of(case, k) or too_long:
            continue
        best = max(best, min(case["speed"][k, m] * t for m, t in zip(have, tau, strict=True)))
    return best


def best_by_milp(case: Case, k: int) -> float:
    """The same optimum from HiGHS: variables tau (integer), h >= max tau, z <= u_m tau_m."""
    have = np.flatnonzero(case["available"][k])
    m = len(have)
    progress = np.hstack([np.diag(case["speed"][k, have]), np.zeros((m, 1)), -np.ones((m, 1))])
    head = np.hstack([-np.eye(m), np.ones((m, 1)), np.zeros((m, 1))])
    joules = np.concatenate([case["iteration_j"][k, have], [case["head_j"][k], 0.0]])
    seconds = np.concatenate([case["iteration_s"][k, have], [case["head_s"][k], 0.0]])
    fixed_j = case["kd_j"][k] + case["communication_j"][k] + case["idle_j"][k]
    solution = milp(
        c=np.concatenate([np.zeros(m + 1), [-1.0]]),
        integrality=np.concatenate([np.ones(m), [0, 0]]),
        bounds=Bounds(
            np.concatenate([np.ones(m + 1), [0.0]]),
            np.concatenate([np.full(m + 1, float(case["max_iterations"])), [np.inf]]),
        ),
        constraints=[
            LinearConstraint(progress, lb=0.0),
            LinearConstraint(head, lb=0.0),
            LinearConstraint(joules, ub=budget_of(case, k) - fixed_j),
            LinearConstraint(seconds, ub=case["compute_limit_s"] - case["kd_s"][k]),
        ],
        options={"mip_rel_gap": 0.0},
    )
    return -float(solution.fun) if solution.success else 0.0


def assert_nothing_overspent(case: Case, result: IterationPlan) -> None:
    for k in range(len(case["alive"])):
        have = np.flatnonzero(case["available"][k])
        tau = tuple(int(t) for t in result.iterations[k, have])
        assert result.active[k] == any(tau)
        assert not result.iterations[k, ~case["available"][k]].any()
        if result.active[k]:
            assert result.predicted_j[k] <= result.budget_j[k]
            assert result.predicted_j[k] == pytest.approx(joules_of(case, k, tau))
            assert seconds_of(case, k, tau) <= case["compute_limit_s"] * (1 + 1e-12)
            assert max(tau) <= case["max_iterations"]
        else:
            radio = case["communication_j"][k] + case["idle_j"][k]
            assert result.predicted_j[k] == pytest.approx(radio if case["alive"][k] else 0.0)


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


def test_iterations_of_the_fast_modality_shrink_by_the_ratio_of_speeds() -> None:
    result = plan(**one_device(speed=np.array([[3.0, 1.0]]), remaining_energy_j=np.array([40.0])))
    np.testing.assert_array_equal(result.iterations, [[10, 30]])  # 10 * 3 = 30 * 1, 40 J in all


def test_equal_speeds_get_equal_counts() -> None:
    result = plan(**one_device(speed=np.array([[0.2, 0.2]]), remaining_energy_j=np.array([25.0])))
    np.testing.assert_array_equal(result.iterations, [[12, 12]])  # the 25th joule is saved


def test_no_joule_is_spent_on_a_gain_of_one_rounding() -> None:
    assert 1 * 0.3 < 3 * 0.1 < 1 * 0.3 + 1e-15  # equal progress, but not in binary
    result = plan(**one_device(speed=np.array([[0.3, 0.1]]), remaining_energy_j=np.array([5.0])))
    np.testing.assert_array_equal(result.iterations, [[1, 3]])  # the next step costs 2 J more


def test_the_inverse_rule_on_speeds_is_the_balance_rule_on_inverse_speeds() -> None:
    case = made_case(np.random.default_rng(7), 100, 3)
    inverse = plan(**case | {"rule": "inverse", "short_rule": "idle"})
    balance = plan(**case | {"speed": 1.0 / case["speed"], "short_rule": "idle"})
    np.testing.assert_array_equal(inverse.iterations, balance.iterations)
    assert (inverse.iterations != plan(**case).iterations).any()


def test_the_uniform_rule_ignores_speeds() -> None:
    case = made_case(np.random.default_rng(8), 100, 3, rule="uniform", short_rule="idle")
    iterations = plan(**case).iterations
    for counts, have in zip(iterations, case["available"], strict=True):
        assert len(set(counts[have])) == 1
    again = plan(**case | {"speed": np.where(case["available"], 1.0, np.nan)}).iterations
    np.testing.assert_array_equal(iterations, again)


def test_the_random_rule_deals_the_speeds_evenly_and_repeats_with_its_seed() -> None:
    devices = 2000
    case = many_unbounded([4.0, 2.0, 1.0], devices, rule="random")
    first, second = (plan(**case | {"rng": np.random.default_rng(3)}) for _ in range(2))
    np.testing.assert_array_equal(first.iterations, second.iterations)
    # Whoever is dealt the 1 reaches 40 iterations; the 2 then needs 20, the 4 needs 10.
    np.testing.assert_array_equal(np.sort(first.iterations, axis=1), [[10, 20, 40]] * devices)
    share = (first.iterations == 40).mean(axis=0)
    np.testing.assert_allclose(share, 1 / 3, atol=5 * np.sqrt(2 / 9 / devices))


def test_the_random_rule_draws_the_same_numbers_whoever_is_alive() -> None:
    case = made_case(np.random.default_rng(10), 40, 3, rule="random")
    everyone = plan(**case | {"alive": np.ones(40, dtype=bool), "rng": np.random.default_rng(1)})
    half = np.arange(40) % 2 == 0
    some = plan(**case | {"alive": half, "rng": np.random.default_rng(1)})
    np.testing.assert_array_equal(everyone.iterations[half], some.iterations[half])


def test_who_contributes_a_quarter_gets_a_quarter_of_the_iterations() -> None:
    case = one_device(rule="contribution", contribution=np.array([[0.8, 0.2]]), max_iterations=40)
    np.testing.assert_array_equal(plan(**case).iterations, [[40, 10]])
    harmful = case | {"contribution": np.array([[0.8, -0.3]])}
    np.testing.assert_array_equal(plan(**harmful).iterations, [[40, 4]])  # a tenth is the least


@pytest.mark.parametrize("contribution", [[0.0, 0.0], [-0.1, 0.0], [0.5, 0.5]])
def test_contributions_that_say_nothing_leave_the_plan_of_balance(
    contribution: list[float],
) -> None:
    case = one_device(speed=np.array([[4.0, 1.0]]), contribution=np.array([contribution]))
    plans = [plan(**case | {"rule": rule}).iterations for rule in ("balance", "contribution")]
    np.testing.assert_array_equal(*plans)


def test_the_permuted_rule_takes_the_speed_of_the_next_modality_that_the_device_has() -> None:
    speed = np.array([[4.0, 9.0, 2.0, 1.0]])
    case = one_device(
        speed=speed,
        contribution=np.ones((1, 4)),
        available=np.array([[True, False, True, True]]),
        iteration_j=np.ones((1, 4)),
        iteration_s=np.ones((1, 4)),
        max_iterations=40,
        rule="permuted",
    )
    np.testing.assert_array_equal(plan(**case).iterations, [[40, 0, 10, 20]])


def test_dropout_spreads_iterations_without_a_look_at_speeds_and_favours_nobody() -> None:
    devices = 2000
    case = many_unbounded([3.0, 1.0], devices, rule="dropout")
    first = plan(**case | {"rng": np.random.default_rng(3)}).iterations
    other = case | {"speed": case["speed"][:, ::-1], "rng": np.random.default_rng(3)}
    np.testing.assert_array_equal(first, plan(**other).iterations)
    ratio = first[:, 0] / first[:, 1]
    assert 0.24 < ratio.min() < 0.3
    assert 3 < ratio.max() < 4.2
    assert abs(np.log2(ratio).mean()) < 5 * np.sqrt(2 / 3 / devices)  # two uniforms


def test_a_still_modality_is_the_slowest_and_the_others_keep_one_iteration() -> None:
    result = plan(**one_device(speed=np.array([[1.0, 0.0]])))
    np.testing.assert_array_equal(result.iterations, [[1, 50]])
    assert result.binding == ("iterations_max",)


def test_modalities_that_all_stand_still_share_equally() -> None:
    result = plan(**one_device(speed=np.zeros((1, 2)), remaining_energy_j=np.array([16.0])))
    np.testing.assert_array_equal(result.iterations, [[8, 8]])


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


def test_the_budget_splits_what_is_above_the_reserve_among_the_trainings_left() -> None:
    result = plan(
        **one_device(remaining_energy_j=np.array([100.0]), reserve_j=20.0, trainings_left=8)
    )
    assert result.budget_j[0] == 10.0
    below = plan(**one_device(remaining_energy_j=np.array([5.0]), reserve_j=20.0))
    assert below.budget_j[0] == 0.0


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
        ({"rule": "fair"}, "rule: expected one of balance, contribution"),
        ({"short_rule": "sleep"}, "short_rule: expected one of best_modality, idle"),
        ({"trainings_left": 0}, "trainings_left: expected at least 1; got 0"),
        ({"max_iterations": 0}, "max_iterations: expected at least 1; got 0"),
        ({"speed": np.array([[1.0, np.nan]])}, "speed: .* at device 0, modality 1"),
        ({"iteration_j": np.array([[-1.0, 1.0]])}, "iteration_j: .* at device 0, modality 0"),
    ],
)
def test_wrong_input_is_refused_with_its_name_and_value(change: Case, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(**one_device(**change))
