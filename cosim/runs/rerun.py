"""A finished run once more, in a folder of its own, and whether the same comes out."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

from cosim import arithmetic
from cosim.config.sources import load
from cosim.errors import ConfigError, OutputError
from cosim.records.compare import COMPARED, first_difference
from cosim.records.layout import CONFIG, NO_FIGURES
from cosim.records.manifest import read_manifest
from cosim.records.origin import code_origin, config_origin, others, processor
from cosim.runs.execute import execute
from learning.device import name_of


@dataclass(frozen=True)
class Rerun:
    """A run that can be repeated: how long it took, and what is not as it was then."""

    folder: Path
    took_s: float
    remarks: list[str]


def in_its_arithmetic(folder: Path) -> None:
    """Start the program again if the run computed in another arithmetic than this process."""
    with suppress(ConfigError):  # a configuration that is damaged is told of later
        arithmetic.ensure(load([], folder / CONFIG, None).learning.arithmetic)


def prepare(folder: Path) -> Rerun:
    """Look whether a run can be repeated.

    OutputError where it is not finished, or a file of the user's is not as it was then. Other code
    and packages are remarks: whether they give the same is what a rerun can tell.
    """
    said = read_manifest(folder)
    if said.status != "complete":
        raise OutputError(
            f"verify: --rerun expected a finished run, got one that is {said.status} after"
            f" {said.rounds} rounds in {folder}; resume it first"
        )
    config = load([], folder / CONFIG, None)
    for what, was, now in others(said, config_origin(config)):
        raise OutputError(
            f"verify: --rerun expected {what} {was} as when the run began, got {now}; put back what"
            " was changed"
        )
    remarks = [f"{what} was {was}, is {now}" for what, was, now in others(said, code_origin())]
    if said.host.arithmetic != "portable" and said.host.processor != processor():
        remarks.append(f"processor was {said.host.processor}, is {processor()}; fast arithmetic")
    gpu = name_of(config.learning.device)
    if said.host.gpu != gpu:
        remarks.append(f"GPU was {said.host.gpu or 'none'}, is {gpu or 'none'}")
    return Rerun(folder, said.timings["total_s"], remarks)


def rerun(what: Rerun) -> Iterator[tuple[str, str]]:
    """Run it again; yield each table's name and its first difference, empty where there is none."""
    with tempfile.TemporaryDirectory(prefix="cosim-rerun-") as above:
        with redirect_stdout(io.StringIO()):  # of a folder that is gone in a moment
            again = execute(
                load([], what.folder / CONFIG, None), Path(above) / "again", formats=NO_FIGURES
            )
        for name in COMPARED:
            yield name, first_difference(what.folder / name, again / name)
