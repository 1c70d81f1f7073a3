"""Many trials that are no runs of the script, worked off into a CSV that grows."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

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
