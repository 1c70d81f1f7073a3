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
_children: set[subprocess.Popen[bytes]] = set()
_stopped = threading.Event()
CODE = f"import sys; sys.path[0] = {ROOT!r}; from {__name__} import main; main()"


def in_child(function: Callable[..., Result], *arguments: Any) -> Result:
    """Return function(*arguments) from a fresh process; raise NetworkFailedError if it dies.

    Waits while two such processes run.
    """
    with SLOTS:
        child = subprocess.Popen(
            [sys.executable, "-c", CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        _children.add(child)
        if _stopped.is_set():
            child.kill()
        answer, errors = child.communicate(pickle.dumps((function, arguments)))
        _children.remove(child)
    if child.returncode != 0:
        lines = errors.decode(errors="replace").splitlines()
        said = [line.strip() for line in lines if line.strip() and not NOISE.match(line)]
        raise NetworkFailedError(f"{function.__name__}: ns-3 failed: {' | '.join(said[-4:])}")
    result: Result = pickle.loads(answer)
    return result


def stop() -> None:
    """End all such processes, and those that are still to begin."""
    _stopped.set()
    running = tuple(_children)
    for child in running:
        child.kill()
    for child in running:
        child.wait()


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
