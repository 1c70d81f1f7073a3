"""Studies of many runs: worked off into a CSV that grows, and compared in pairs."""

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# What names a run in the CSV, and what its function is called with.
Run = tuple[dict[str, Any], tuple[Any, ...]]


def work_off(
    function: Callable[..., dict[str, Any]], runs: list[Run], path: Path, processes: int
) -> None:
    """Do the runs that the CSV does not have yet; each row is written when it is known."""
    columns, done = list(runs[0][0]), set()
    if path.exists():
        done = {tuple(map(str, row)) for row in pd.read_csv(path)[columns].to_numpy()}
    left = [run for run in runs if tuple(map(str, run[0].values())) not in done]
    print(f"{len(left)} of {len(runs)} runs left", flush=True)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        futures = {pool.submit(function, *arguments): key for key, arguments in left}
        for number, future in enumerate(as_completed(futures), 1):
            row = futures[future] | future.result()
            table = pd.DataFrame([row]).round(4)
            table.to_csv(path, mode="a", header=not path.exists(), index=False)
            print(f"{number} of {len(left)}: {row}", flush=True)


def interval(values: pd.Series) -> tuple[float, float, float]:
    """Mean; half of its 95 % interval over folds (Student's t); what would be found 4 times in 5.

    The last is the true difference at which such an interval excludes zero with a probability of
    0.8: (t_0.975 + t_0.8) standard errors of the means of folds.
    """
    # Looked up here: scipy.stats takes a second that the workers need not spend.
    from scipy import stats

    folds = values.groupby("fold").mean()
    error = folds.std(ddof=1) / len(folds) ** 0.5
    half, power = (float(stats.t.ppf(q, len(folds) - 1)) * error for q in (0.975, 0.8))
    return float(folds.mean()), half, half + power


def compare(
    path: Path, cells: list[str], by: str, names: Iterable[str], rivals: Iterable[str]
) -> pd.DataFrame:
    """Accuracy of each name in each cell, and its paired differences to rivals.

    path: a CSV with fold, seed, accuracy_percent, the columns of `cells`, and `by` with the names.
    """
    rows = []
    for cell, group in pd.read_csv(path).groupby(cells):
        accuracy = group.pivot_table(index=["fold", "seed"], columns=by, values="accuracy_percent")
        for name in [name for name in names if name in accuracy]:
            row = dict(zip(cells, cell, strict=True)) | {
                by: name,
                "runs": int(accuracy[name].notna().sum()),
                "mean": accuracy[name].mean(),
                "sd": accuracy[name].std(ddof=1),
            }
            for rival in rivals:
                paired = (accuracy[name] - accuracy.get(rival, np.nan)).dropna()
                if rival != name and paired.index.get_level_values("fold").nunique() > 1:
                    mean, half, found = interval(paired)
                    row |= {f"minus_{rival}": mean, f"ci95_{rival}": half}
                    row |= {f"detectable_{rival}": found}
            rows.append(row)
    return pd.DataFrame(rows)
