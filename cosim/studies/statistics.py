"""Means over seeds with their intervals, and differences of arms paired by seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

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
    for key, group in _groups(table, swept):
        values = group[column].dropna().to_numpy(np.float64)
        row: dict[str, Any] = dict(key) | {"column": column, "n": len(values)}
        row |= _interval(values)
        rows.append(row | {"short": len(values) < seeds})
    return pd.DataFrame(rows)


def differences(
    table: pd.DataFrame, others: Sequence[str], field: str, against: Any, columns: Sequence[str]
) -> pd.DataFrame:
    """Hold each other value of a field against one, in each combination of some other fields.

    Differences are paired by seed: mean, 95 % t-interval, p of the t-test, p_holm over all rows
    (Holm 1979), and detectable, the difference that such a test finds four times in five (of its
    standard deviation, by the noncentral t). Rows with fewer than two pairs have a mean at most.
    """
    rows = []
    for column in columns:
        for key, group in _groups(table, others):
            wide = group.pivot_table(index="seed", columns=_text(group[field]), values=column)
            for arm in [arm for arm in wide if arm != str(against)]:
                if str(against) not in wide:
                    continue
                paired = (wide[arm] - wide[str(against)]).dropna().to_numpy(np.float64)
                row = dict(key) | {"column": column, field: arm, "against": str(against)}
                rows.append(row | {"n": len(paired)} | _interval(paired) | _test(paired))
    found = pd.DataFrame(rows)
    if len(found):
        found["p_holm"] = _holm(found["p"].to_numpy(np.float64))
    return found


def _groups(table: pd.DataFrame, fields: Sequence[str]) -> Any:
    """Yield (name, value) pairs of each combination, and its rows; empty fields are a value."""
    if not fields:
        yield [], table
        return
    keys = [_text(table[name]) for name in fields]
    for _, group in table.groupby(keys, sort=False):
        yield [(name, group[name].iloc[0]) for name in fields], group


def _text(values: pd.Series) -> pd.Series:
    return values.map(str)


def _interval(values: np.ndarray) -> dict[str, float]:
    from scipy import stats

    n = len(values)
    mean = float(values.mean()) if n else np.nan
    if n < 2:
        return {"mean": mean, "sd": np.nan, "low": np.nan, "high": np.nan}
    sd = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * sd / n**0.5
    return {"mean": mean, "sd": sd, "low": mean - half, "high": mean + half}


def _test(paired: np.ndarray) -> dict[str, float]:
    from scipy import stats
    from statsmodels.stats.power import TTestPower

    n = len(paired)
    sd = float(paired.std(ddof=1)) if n > 1 else np.nan
    if n < 2 or sd == 0:
        return {"p": np.nan, "detectable": np.nan}
    effect = TTestPower().solve_power(nobs=n, alpha=1 - LEVEL, power=POWER)
    return {
        "p": float(stats.ttest_1samp(paired, 0.0).pvalue),
        "detectable": float(np.squeeze(effect)) * sd,
    }


def _holm(p: np.ndarray) -> np.ndarray:
    from statsmodels.stats.multitest import multipletests

    corrected = np.full(len(p), np.nan)
    known = ~np.isnan(p)
    if known.any():
        corrected[known] = multipletests(p[known], method="holm")[1]
    return corrected
