"""Means over seeds with their intervals, and differences of arms paired by seed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cosim.studies.checks import as_text, pairs_of

LEVEL = 0.95
POWER = 0.8
# A cell of fewer seeds than this says so wherever it is shown.
FEW_SEEDS = 3


def cells(table: pd.DataFrame, swept: Sequence[str], column: str, seeds: int) -> pd.DataFrame:
    """Return mean, deviation and 95 % t-interval over seeds of each combination of swept fields.

    mean -+ t_0.975(n - 1) sd / sqrt n; n counts runs that have the number, short says that it is
    below `seeds`, how many were planned. table: finished runs. The interval of one run is none.
    """
    rows = []
    for key, group in groups(table, swept):
        values = group[column].dropna().to_numpy(np.float64)
        row: dict[str, Any] = dict(key) | {"column": column, "n": len(values)}
        row |= _interval(values)
        rows.append(row | {"short": len(values) < seeds})
    return pd.DataFrame(rows)


def differences(
    table: pd.DataFrame, others: Sequence[str], field: str, against: Any, columns: Sequence[str]
) -> pd.DataFrame:
    """Hold each other value of a field against one, in each combination of some other fields.

    against: that one, or value -> what it is held against, where each has its own.
    Differences are paired by seed: mean, 95 % t-interval, p of the t-test, p_holm over all m rows
    that have one (Holm 1979), and detectable, the difference that a test at level 0.05 / m, as
    Holm's strictest, finds four times in five (for this standard deviation, by the noncentral t).
    A difference that is the same in every seed has no test, nor has one of fewer than two pairs.
    """
    rows = []
    for column in columns:
        for key, group in groups(table, others):
            wide = group.pivot_table(index="seed", columns=_text(group[field]), values=column)
            for arm, other in _pairs(against, wide):
                paired = (wide[arm] - wide[other]).dropna().to_numpy(np.float64)
                row = dict(key) | {"column": column, field: arm, "against": other}
                rows.append(row | {"n": len(paired)} | _interval(paired) | {"p": _p(paired)})
    found = pd.DataFrame(rows)
    if len(found):
        p = found["p"].to_numpy(np.float64)
        found["p_holm"] = _holm(p)
        found["detectable"] = _detectable(found, int((~np.isnan(p)).sum()))
    return found


def _pairs(against: Any, there: Collection[str]) -> list[tuple[str, str]]:
    """Return what is held against what, of the values that are there."""
    given, one = pairs_of(against, there), as_text(against)
    pairs = [(value, one) for value in there if value != one]
    if given is not None:
        pairs = [(as_text(value), as_text(other)) for value, other in given.items()]
    return [(value, other) for value, other in pairs if value in there and other in there]


def groups(table: pd.DataFrame, fields: Sequence[str]) -> Any:
    """Yield (name, value) pairs of each combination, and its rows; empty fields are a value."""
    if not fields:
        yield [], table
        return
    keys = [_text(table[name]) for name in fields]
    for _, group in table.groupby(keys, sort=False):
        yield [(name, group[name].iloc[0]) for name in fields], group


def _text(values: pd.Series) -> pd.Series:
    return values.map(as_text)


def _interval(values: np.ndarray) -> dict[str, float]:
    from scipy import stats

    n = len(values)
    mean = float(values.mean()) if n else np.nan
    if n < 2:
        return {"mean": mean, "sd": np.nan, "low": np.nan, "high": np.nan}
    sd = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * sd / n**0.5
    return {"mean": mean, "sd": sd, "low": mean - half, "high": mean + half}


def _p(paired: np.ndarray) -> float:
    from scipy import stats

    if len(paired) < 2 or paired.std(ddof=1) == 0:
        return float("nan")
    return float(stats.ttest_1samp(paired, 0.0).pvalue)


def _detectable(found: pd.DataFrame, num_tests: int) -> list[float]:
    """Return for each row the difference that is found four times in five at level 0.05 / m."""
    from statsmodels.stats.power import TTestPower

    effects = {
        n: float(
            np.squeeze(
                TTestPower().solve_power(nobs=n, alpha=(1 - LEVEL) / max(num_tests, 1), power=POWER)
            )
        )
        for n in found.loc[found["p"].notna(), "n"].unique()
    }
    rows = zip(found["n"], found["sd"], found["p"], strict=True)
    return [effects[n] * sd if p == p else np.nan for n, sd, p in rows]  # noqa: PLR0124 - nan


def _holm(p: np.ndarray) -> np.ndarray:
    from statsmodels.stats.multitest import multipletests

    corrected = np.full(len(p), np.nan)
    known = ~np.isnan(p)
    if known.any():
        corrected[known] = multipletests(p[known], method="holm")[1]
    return corrected
