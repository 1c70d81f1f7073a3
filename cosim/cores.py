"""How many cores this process may keep busy."""

from __future__ import annotations

import os

THREADS = "OMP_NUM_THREADS"


def cores() -> int:
    """Count the cores that this process may use: those of its allocation, on a cluster."""
    return len(os.sched_getaffinity(0))


def threads() -> int:
    """Return how many threads a run may have at work: OMP_NUM_THREADS, or the cores."""
    asked = os.environ.get(THREADS, "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else cores()


def share(jobs: int) -> None:
    """Let each of so many runs at once, which this process starts, have its part of the cores."""
    os.environ.setdefault(THREADS, str(max(1, cores() // jobs)))
