"""A run as a call of Python: what `import cosim` offers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from cosim.config.model import RunConfig
from cosim.errors import OutputError
from cosim.records import paths
from cosim.records.layout import PARTITION, REPORT
from cosim.records.manifest import Manifest, is_complete, read_manifest
from cosim.records.parquet import read_table
from cosim.report import presentation
from cosim.runs import endings, execute


@dataclass(frozen=True)
class Run:
    """A finished run in its folder; its tables are read anew at each use (docs: columns)."""

    folder: Path

    @property
    def rounds(self) -> pd.DataFrame:
        """One row a round."""
        return read_table(self.folder / "rounds.parquet")

    @property
    def devices(self) -> pd.DataFrame:
        """One row per round and device."""
        return read_table(self.folder / "devices.parquet")

    @property
    def links(self) -> pd.DataFrame:
        """One row per round and link that carried or should have carried something."""
        return read_table(self.folder / "links.parquet")

    @property
    def flows(self) -> pd.DataFrame:
        """One row a message."""
        return read_table(self.folder / "flows.parquet")

    @property
    def plans(self) -> pd.DataFrame:
        """One row per round, device and round to come."""
        return read_table(self.folder / "plans.parquet")

    @property
    def partition(self) -> pd.DataFrame:
        """Who holds which data."""
        return read_table(self.folder / PARTITION)

    @property
    def report(self) -> Path:
        """The page to open in a browser."""
        return self.folder / REPORT

    @property
    def manifest(self) -> Manifest:
        """What made the run."""
        return read_manifest(self.folder)

    def __str__(self) -> str:
        """Say what the run came to, as the command line does at its end."""
        return presentation.closing_words(self.folder)


def run(config: RunConfig, folder: str | os.PathLike[str] | None = None) -> Run:
    """Run a configuration as the command line does; return what it came to.

    folder: new or empty; by default one under results/runs named by the configuration, whose run
    is not done twice. Any error leaves the finished rounds, from which `resume` goes on. Computes
    in the arithmetic that is loaded: portable where this package was imported before NumPy and
    PyTorch, and the configuration does not ask for another.
    """
    into = Path(folder) if folder is not None else None
    with _own_torch(), endings.put_back():
        return Run(execute.begin(config, into).folder)


def resume(folder: str | os.PathLike[str]) -> Run:
    """Go on with a run that was cut short; one that is finished is only looked at."""
    with _own_torch(), endings.put_back():
        return Run(execute.resume(Path(folder)))


def open_run(folder: str | os.PathLike[str]) -> Run:
    """Return a finished run; OutputError where the folder holds none, or one that has changed."""
    final = paths.whole_path(Path(folder))
    if not is_complete(final):
        raise OutputError(f"open_run: expected a finished run, got none in {final}; check the path")
    presentation.finish(final)
    return Run(final)


@contextmanager
def _own_torch() -> Iterator[None]:
    """Give back the threads and kernels of PyTorch that a run takes."""
    threads, tuned = torch.get_num_threads(), torch.backends.mkldnn.enabled
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.mkldnn.set_flags(tuned)  # type: ignore[no-untyped-call]
        torch.backends.nnpack.set_flags(tuned)  # type: ignore[no-untyped-call]
