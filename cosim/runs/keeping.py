"""Stores rounds in a thread beside the next one: disks, above all shared ones, are slow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pandas as pd
from torch import Tensor

from cosim.loop import RoundRecord
from cosim.records.folder import RunFolder
from cosim.runs import endings
from cosim.runs.progress import progress

# Stores a round: its tables, and the learner's state after it, a copy of its own. Returns once the
# round before is stored, or raises what kept that from it.
Keep = Callable[[RoundRecord, dict[str, pd.DataFrame], dict[str, Tensor]], None]


@contextmanager
def keeping(folder: RunFolder, num_rounds: int) -> Iterator[Keep]:
    """Give what stores rounds and says what each came to, in this order, one behind the other.

    At the end, however it comes, what is under way is stored.
    """
    before: Future[None] | None = None

    with progress(num_rounds, folder.num_rounds) as say:

        def store(
            each: RoundRecord, tables: dict[str, pd.DataFrame], state: dict[str, Tensor]
        ) -> None:
            folder.add(tables, state, each.memory)
            say(each)

        def keep(
            each: RoundRecord, tables: dict[str, pd.DataFrame], state: dict[str, Tensor]
        ) -> None:
            nonlocal before
            with endings.held():
                if before is not None:
                    before.result()
                before = beside.submit(store, each, tables, state)

        beside = ThreadPoolExecutor(1, "record")
        try:
            yield keep
        finally:
            with endings.held():
                beside.shutdown(wait=True)
        if before is not None:
            before.result()
