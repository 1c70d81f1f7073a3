"""Runs a function that needs ns-3 in a process of its own: one simulation per process."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from ns3_scenarios.errors import NetworkFailedError
from ns3_scenarios.worker import NOISE

Result = TypeVar("Result")
ROOT = str(Path(__file__).resolve().parents[2])
SLOTS = threading.BoundedSemaphore(2)
CODE = f"import sys; sys.path[0] = {ROOT!r}; from {__name__} import main; main()"


def in_child(function: Callable[..., Result], *arguments: Any) -> Result:
    """Return function(*arguments) from a fresh process; raise NetworkFailedError if it dies.

    Waits while two such processes run.
    """
    with SLOTS:
        done = subprocess.run(
            [sys.executable, "-c", CODE],
            input=pickle.dumps((function, arguments)),
            capture_output=True,
            check=False,
        )
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").splitlines()
        said = [line.strip() for line in lines if line.strip() and not NOISE.match(line)]
        raise NetworkFailedError(f"{function.__name__}: ns-3 failed: {' | '.join(said[-4:])}")
    result: Result = pickle.loads(done.stdout)
    return result


def in_children(function: Callable[..., Result], cases: Iterable[tuple[Any, ...]]) -> list[Result]:
    """Return the function's results of all cases, each from a process of its own."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(lambda arguments: in_child(function, *arguments), cases))


def main() -> None:
    """Run the child: the function comes by standard input, its result goes to standard output."""
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what ns-3 prints is no result
    function, arguments = pickle.load(sys.stdin.buffer)
    pickle.dump(function(*arguments), results)
    results.close()
    # ns-3's and Cling's static destructors have nothing left to do and can crash doing it.
    sys.stderr.flush()
    os._exit(0)
