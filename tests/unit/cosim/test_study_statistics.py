"""Means, intervals and paired differences of a study, derived again by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cosim.studies.statistics import cells, differences

SEEDS = 6


def made_runs() -> pd.DataFrame:
    """Two powers and three methods; one arm lacks two seeds, one run has no accuracy."""
    rng = np.random.default_rng(7)
    rows = []
    for power in (8.0, 16.0):
        for shift, method in enumerate(("a", "b", "c")):
            for seed in range(1, SEEDS + 1):
                if (power, method) == (8.0, "b") and seed > 4:
                    continue
                accuracy = 0.5 + 0.01 * power / 8 + 0.05 * shift + 0.02 * rng.normal()
                missing = (power, method, seed) == (16.0, "c", 2)
                rows.append((power, method, seed, None if missing else accuracy))
    return pd.DataFrame(rows, columns=["power", "method", "seed", "accuracy"])


def test_cells_have_the_t_interval_of_a_textbook_and_say_where_seeds_are_short() -> None:
    table = made_runs()
    found = cells(table, ["power", "method"], "accuracy", SEEDS)
    assert len(found) == 6
    for row in found.to_dict("records"):
        mine = [
            r.accuracy
            for r in table.itertuples()
            if (r.power, r.method) == (row["power"], row["method"]) and pd.notna(r.accuracy)
        ]
        n = len(mine)
        mean = math.fsum(mine) / n
        sd = math.sqrt(math.fsum((x - mean) ** 2 for x in mine) / (n - 1))
        low, high = stats.t.interval(0.95, n - 1, loc=mean, scale=sd / math.sqrt(n))
        assert row["n"] == n
        assert row["short"] == (n < SEEDS)
        for name, value in (("mean", mean), ("sd", sd), ("low", low), ("high", high)):
            assert row[name] == pytest.approx(value, rel=1e-12), name
    assert sorted(found["n"]) == [4, 5, 6, 6, 6, 6]


def test_a_cell_of_one_run_has_a_mean_and_no_interval() -> None:
    table = pd.DataFrame({"power": [8.0], "seed": [1], "accuracy": [0.5]})
    (row,) = cells(table, ["power"], "accuracy", 5).to_dict("records")
    assert (row["n"], row["mean"], row["short"]) == (1, 0.5, True)
    assert all(math.isnan(row[name]) for name in ("sd", "low", "high"))


def test_differences_are_paired_by_seed_and_corrected_by_holm() -> None:
    table = made_runs()
    found = differences(table, ["power"], "method", "a", ["accuracy"])
    assert len(found) == 4
    p = {}
    for row in found.to_dict("records"):
        at = table[table["power"] == row["power"]].set_index("seed")
        one = at.loc[at["method"] == row["method"], "accuracy"]
        two = at.loc[at["method"] == "a", "accuracy"]
        pairs = [(one[s], two[s]) for s in one.index if s in two.index and pd.notna(one[s])]
        first, second = np.array(pairs, dtype=float).T
        test = stats.ttest_rel(first, second)
        interval = test.confidence_interval(0.95)
        assert row["n"] == len(pairs)
        assert row["mean"] == pytest.approx(np.mean(first - second), rel=1e-12)
        assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high), rel=1e-9)
        assert row["p"] == pytest.approx(test.pvalue, rel=1e-9)
        p[row["power"], row["method"]] = test.pvalue
    # Holm: the i-th least of m, counted from 0, times m - i, never below one before it.
    order = sorted(p, key=lambda key: p[key])
    expected, most = {}, 0.0
    for index, key in enumerate(order):
        most = max(most, min(1.0, (len(order) - index) * p[key]))
        expected[key] = most
    for row in found.to_dict("records"):
        assert row["p_holm"] == pytest.approx(expected[row["power"], row["method"]], rel=1e-9)
        # Holm's strictest level, for four tests.
        drawn = np.random.default_rng(1).normal(row["detectable"], row["sd"], (20_000, row["n"]))
        t = drawn.mean(1) / (drawn.std(1, ddof=1) / math.sqrt(row["n"]))
        share = np.mean(np.abs(t) > stats.t.ppf(1 - 0.05 / 4 / 2, row["n"] - 1))
        assert share == pytest.approx(0.8, abs=0.015)


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(3)
    rows = [
        (method, seed, value)
        for seed in range(5)
        for method, value in (("a", 0.0), ("b", float(rng.normal())))
    ]
    table = pd.DataFrame(rows, columns=["method", "seed", "y"])
    (row,) = differences(table, [], "method", "a", ["y"]).to_dict("records")
    drawn = rng.normal(row["detectable"], row["sd"], (40_000, 5))
    t = drawn.mean(1) / (drawn.std(1, ddof=1) / math.sqrt(5))
    found = np.mean(np.abs(t) > stats.t.ppf(0.975, 4))
    assert found == pytest.approx(0.8, abs=0.01)


def test_numbers_are_one_value_whether_written_with_a_point_or_not() -> None:
    table = pd.DataFrame({"power": [8.0, 12.5] * 3, "seed": [1, 1, 2, 2, 3, 3], "y": range(6)})
    (row,) = differences(table, [], "power", 8, ["y"]).to_dict("records")
    assert (row["power"], row["against"], row["n"], row["mean"]) == ("12.5", "8", 3, 1.0)
    assert math.isnan(row["p"]), "the same in every seed"


def test_each_arm_can_be_held_against_a_control_of_its_own() -> None:
    values = {"a": 1.0, "a_control": 3.0, "b": 10.0, "b_control": 30.0, "alone": 100.0}
    rows = [(method, seed, value * seed) for method, value in values.items() for seed in (1, 2, 3)]
    table = pd.DataFrame(rows, columns=["method", "seed", "y"])
    against = {"a": "a_control", "b": "b_control", "never_run": "alone"}
    found = differences(table, [], "method", against, ["y"]).to_dict("records")
    # 1 - 3 and 10 - 30 times the seeds, whose mean is 2.
    assert [(row["method"], row["against"], row["mean"]) for row in found] == [
        ("a", "a_control", -4.0),
        ("b", "b_control", -40.0),
    ]


def test_a_value_that_is_a_table_is_one_that_others_are_held_against() -> None:
    options = [{"share": 0.5}, {"share": 1.0}]
    rows = [(each, seed, each["share"] * seed) for each in options for seed in (1, 2)]
    table = pd.DataFrame(rows, columns=["policy_options", "seed", "y"])
    (row,) = differences(table, [], "policy_options", {"share": 0.5}, ["y"]).to_dict("records")
    assert (row["policy_options"], row["mean"]) == ("{'share': 1.0}", 0.75)


def test_an_arm_without_a_partner_is_left_out_and_a_pair_alone_has_no_test() -> None:
    table = pd.DataFrame(
        {"method": ["a", "b", "c"], "power": [1, 1, 2], "seed": [1, 1, 1], "y": [1.0, 3.0, 5.0]}
    )
    (row,) = differences(table, ["power"], "method", "a", ["y"]).to_dict("records")
    assert (row["method"], row["n"], row["mean"]) == ("b", 1, 2.0)
    assert math.isnan(row["p"])
    assert math.isnan(row["p_holm"])
