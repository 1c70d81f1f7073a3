"""What a run that was cut short left behind: locked, verified, and only then looked into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cosim.config.model import RunConfig
from cosim.config.sources import load
from cosim.errors import OutputError, UnderWayError
from cosim.records import paths
from cosim.records.checkpoint import Checkpoint, read_checkpoint
from cosim.records.layout import CONFIG, LOG, names_in, round_of
from cosim.records.manifest import Manifest, read_manifest
from cosim.records.origin import check_same, code_origin, config_origin
from cosim.records.verify import refuse_changed


@dataclass
class Unfinished:
    """A run cut short, whose lock is held; torn: what was written of a round that did not end."""

    path: Path
    manifest: Manifest
    config: RunConfig
    checkpoint: Checkpoint
    torn: list[Path]
    held: int | None

    def hand_over(self) -> int | None:
        """Return the lock for the caller to release."""
        held, self.held = self.held, None
        return held


@contextmanager
def taken_up(final: Path) -> Iterator[Unfinished]:
    """Lock and verify an unfinished run; OutputError where it cannot be gone on with.

    Nothing of it runs, and none of the user's files that it names, before all hashes agree.
    """
    path = paths.partial_of(final)
    if not path.is_dir() or not any(path.iterdir()):
        raise OutputError(
            f"resume: expected an unfinished run, got no {path}; name its folder, with or without"
            f" {paths.PARTIAL}"
        )
    paths.check_final(final)
    held = locked(path)
    left = None
    try:
        left = _read(path, held)
        yield left
    finally:
        remaining = left.hand_over() if left else held
        if remaining is not None:
            os.close(remaining)


def locked(path: Path) -> int:
    """Hold the folder of a run; UnderWayError where another does."""
    try:
        held = paths.lock(path / LOG)
    except OSError as error:
        raise paths.cannot_write(path, error) from None
    if held is None:
        raise UnderWayError(f"resume: {paths.under_way(path)}")
    return held


def _read(path: Path, held: int) -> Unfinished:
    refuse_changed(path, "a run")
    before = read_manifest(path)
    check_same(before, code_origin())
    config = load([], path / CONFIG, None)
    check_same(before, config_origin(config))
    stored = read_checkpoint(path) or Checkpoint(0, before.timings, {}, {}, [])
    torn: list[Path] = []
    later: list[Path] = []
    for name in names_in(path):
        found = round_of(name)
        if found is not None and found >= stored.rounds:
            (torn if found == stored.rounds else later).append(path / name)
    if before.status != "complete" and later:
        raise OutputError(
            f"resume: expected no table of a round after the {stored.rounds} that are finished in"
            f" {path}, got {later[0].name}; put back the checkpoint that belongs to it, or start"
            " anew with --output DIR"
        )
    return Unfinished(path, before, config, stored, torn, held)
