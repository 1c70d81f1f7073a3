"""What each rule makes of speeds and contributions."""

from pathlib import Path

import numpy as np
import pytest
from made_plans import made_case, many_unbounded, one_device, plan

import cosim
from cosim.errors import ConfigError


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


EXAMPLE = Path(cosim.__file__).parent / "examples" / "own_rule.py"


def test_the_example_of_a_rule_lies_half_way_between_balance_and_uniform() -> None:
    case = one_device(speed=np.array([[9.0, 1.0]]), max_iterations=90)
    balance, own, uniform = (
        plan(**case | {"rule": rule}).iterations for rule in ("balance", str(EXAMPLE), "uniform")
    )
    # The slow modality is at its maximum; the fast one has 1 / 9, 1 / sqrt 9 and 1 of it.
    np.testing.assert_array_equal(
        np.vstack([balance, own, uniform]), [[10, 90], [30, 90], [90, 90]]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("X = 1", "expected a definition of RULE, got Rule, X"),
        ("RULE = 1", "expected a RULE of class cosim.planning.rules.Rule, got int"),
        ("RULE = Rule(lambda known: known.speed[0], '')", r"= \(1, 2\), .* got shape \(2,\)"),
        ("RULE = Rule(lambda known: 0 * known.speed, '')", r"got shape \(1, 2\) with others"),
        ("RULE = Rule(lambda known: known.sped, '')", "line 2: AttributeError"),
        ("RULE = Rule(lambda known: [[1.0, 2.0], [1.0]], '')", "ValueError"),
        ("RULE = Rule(lambda known: [['a', 'b']], '')", "ValueError"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"from cosim.planning.rules import Rule\n{text}\n")
    with pytest.raises(ConfigError, match=said) as refusal:
        plan(**one_device(rule=str(file)))
    assert "\n" not in str(refusal.value)
    assert str(file) in str(refusal.value)
