"""A run's folder: its tables, checkpoint and manifest.

A run under way lives in DIR.partial, one small Parquet file a round and table in rounds.parts, so
that each finished round can be read, and the run taken up again, after a crash or a kill. At the
end the tables are joined, and the folder gets its name: a folder with its final name is complete.
"""

from __future__ import annotations

import io
import itertools
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from cosim.config.model import RunConfig
from cosim.config.sources import to_toml
from cosim.errors import OutputError
from cosim.files import content_hash, file_hash, is_regular, replace_whole
from cosim.records import checkpoint, manifest, paths
from cosim.records.checkpoint import Checkpoint
from cosim.records.layout import (
    CHECKPOINT,
    CONFIG,
    LOG,
    MANIFEST,
    NS3_LOG,
    OUTPUTS,
    PARTITION,
    PARTS,
    TABLES,
    names_in,
    part_names,
)
from cosim.records.manifest import TIMINGS, Manifest
from cosim.records.origin import check_same, origin_of, run_id
from cosim.records.unfinished import Unfinished
from cosim.records.user_files import own_files
from learning.data.samples import MultiModalData

LARGEST_COPY_BYTES = 5_000_000


def default_folder(config: RunConfig, root: Path | None = None) -> Path:
    """Return where a run goes that names no output; root: in place of results/runs."""
    return (root or paths.results()) / f"{Path(config.scenario).stem}-{run_id(config)}"


class RunFolder:
    """Owns the files of a run; made before the run starts, so that a bad folder stops it first."""

    def __init__(
        self,
        folder: Path,
        config: RunConfig,
        data: MultiModalData | None,
        left: Unfinished | None = None,
    ) -> None:
        """Check the place and make DIR.partial whole, or go on with what was left in it.

        Raises OutputError where that does not work.
        """
        self.final = paths.whole_path(folder)
        self.path = paths.partial_of(self.final)
        self.num_rounds = 0
        self.completed = False
        self.timings = dict.fromkeys(TIMINGS, 0.0)
        self.resumed: list[dict[str, Any]] = []
        self.learner_state: dict[str, torch.Tensor] = {}  # after the last round of a run cut short
        self.memory: list[dict[str, Any]] = []  # likewise, of its policy
        self._files: dict[str, str] = {}
        self._parts: dict[str, str] = {}
        self._above: list[Path] = []
        self._held: int | None = None
        # Of the code and files that run, whatever happens to them meanwhile.
        self.origin = origin_of(config, data)
        try:
            if left:
                self._go_on(left)
            else:
                self._make(config)
        except BaseException:
            self.release()
            raise

    def _make(self, config: RunConfig) -> None:
        paths.check_place(self.final)
        new = self.final
        try:
            self._above = paths.missing_above(self.final)
            self.final.parent.mkdir(parents=True, exist_ok=True)
            new = paths.hidden_name(self.final)
            new.mkdir()
            self._held = paths.lock(new / LOG)
            (new / PARTS).mkdir()
            (new / CHECKPOINT).parent.mkdir()
            for name, content in _given(config).items():
                (new / name).write_bytes(content)
                self._files[name] = content_hash(content)
            manifest.write_manifest(new, self.manifest("running"))
            paths.claim(new, self.final)
        except BaseException as error:
            if new != self.final:
                shutil.rmtree(new, ignore_errors=True)
            self._remove_above()
            if isinstance(error, OSError):
                raise paths.cannot_write(self.final, error) from None
            raise

    def _go_on(self, left: Unfinished) -> None:
        self._held = left.hand_over()
        before = left.manifest
        check_same(before, self.origin)
        self.num_rounds, self._parts = left.checkpoint.rounds, dict(left.checkpoint.files)
        self._files, self.learner_state = dict(before.files_sha256), left.checkpoint.learner
        self.memory = left.checkpoint.memory
        # An attempt that failed wrote its times there; one that was killed, into the checkpoint.
        times = (before.timings, left.checkpoint.timings)
        self.timings = dict(max(times, key=lambda timings: timings["total_s"]))
        here, self.origin["host"] = self.origin["host"], before.host.model_dump()
        said = [step.model_dump() for step in before.resumed]
        self.resumed = [*said, {"after_rounds": self.num_rounds, "host": here}]
        try:
            # A round that did not end, and what the network says all of again.
            for path in (*left.torn, self.ns3_log):
                path.unlink(missing_ok=True)
            manifest.write_manifest(self.path, self.manifest("running"))
        except OSError as error:
            raise paths.cannot_write(self.path, error) from None

    def manifest(self, status: str, reason: str = "") -> Manifest:
        """Say what made the run, and how it ended; wall times are of all attempts."""
        return Manifest.model_validate(
            {
                **self.origin,
                "status": status,
                "reason": reason,
                "rounds": self.num_rounds,
                "resumed": self.resumed,
                "timings": manifest.rounded(self.timings),
                "files_sha256": self._files,
            }
        )

    def release(self) -> None:
        """Let others take the folder; safe to call more than once."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    @property
    def ns3_log(self) -> Path:
        """Where the ns-3 child prints."""
        return self.path / NS3_LOG

    @property
    def log(self) -> Path:
        """The run's own log."""
        return self.path / LOG

    def repetition_s(self) -> float:
        """Return about how long the network takes for the finished rounds, by what it has taken.

        Its time so far is that of all attempts, each of which began with what was finished.
        """
        repeated = sum(step["after_rounds"] for step in self.resumed[:-1])
        return self.timings["ns3_s"] * self.num_rounds / (self.num_rounds + int(repeated))

    def add(
        self,
        tables: dict[str, pd.DataFrame],
        state: dict[str, torch.Tensor],
        memory: list[dict[str, Any]],
    ) -> None:
        """Store a finished round, and what the next one goes on from: learner's state, policy's."""
        try:
            parts = {
                name: _write(tables[table], self.path / name)
                for table, name in part_names(self.num_rounds).items()
            }
            # From here on the round is finished.
            checkpoint.write_checkpoint(
                self.path,
                Checkpoint(
                    rounds=self.num_rounds + 1,
                    timings=dict(self.timings),
                    files=self._parts | parts,
                    learner=state,
                    memory=memory,
                ),
            )
        except OSError as error:
            kept = f"its {self.num_rounds} finished rounds are kept; free space and resume"
            raise OutputError(
                f"--output: could not write round {self.num_rounds + 1} to {self.path}"
                f" ({error.strerror}); {kept if self.num_rounds else 'no round was finished'}"
            ) from None
        self._parts |= parts
        self.num_rounds += 1

    def add_partition(self, table: pd.DataFrame) -> None:
        """Store who holds which data, before the first round."""
        try:
            self._parts[PARTITION] = _write(table, self.path / PARTITION)
        except OSError as error:
            raise paths.cannot_write(self.path, error) from None

    def round(self, round_index: int) -> dict[str, pd.DataFrame]:
        """Return the tables of one finished round."""
        return {table: self._read(name) for table, name in part_names(round_index).items()}

    def _read(self, name: str) -> pd.DataFrame:
        content = (self.path / name).read_bytes()
        if content_hash(content) != self._parts[name]:
            raise OutputError(
                f"--output: expected {self.path / name} as it was written, got a changed one"
            )
        return pd.read_parquet(io.BytesIO(content))

    def complete(self) -> dict[str, pd.DataFrame]:
        """Join the tables, and say in the manifest that they are whole; return them."""
        rounds = [self.round(index) for index in range(self.num_rounds)]
        tables = {
            name: pd.concat([each[name] for each in rounds], ignore_index=True) for name in TABLES
        }
        try:
            for name, table in tables.items():
                _write(table, self.path / f"{name}.parquet")
            self._files = {
                name: file_hash(self.path / name)
                for name in names_in(self.path)
                if is_regular(self.path / name)
                and name not in (MANIFEST, LOG)
                and not name.startswith(f"{PARTS}/")
            }
            manifest.write_manifest(self.path, self.manifest("complete"))
        except OSError as error:
            raise paths.cannot_write(self.path, error) from None
        self.completed = True
        return tables | {"partition": self._read(PARTITION)}

    def publish(self) -> None:
        """Give the finished folder its final name."""
        publish(self.path, self.final)
        self.path = self.final

    def end(self, status: str, reason: str) -> None:
        """Say in the manifest how an unfinished run ended."""
        manifest.write_manifest(self.path, self.manifest(status, reason))

    def discard(self) -> None:
        """Take away a run that never got going, and the folders made for it."""
        hidden = paths.hidden_name(self.final)
        self.path.rename(hidden)  # nobody finds half of it
        shutil.rmtree(hidden, ignore_errors=True)
        self._remove_above()

    def _remove_above(self) -> None:
        for folder in self._above:
            with suppress(OSError):  # another run's
                folder.rmdir()


def publish(partial: Path, final: Path) -> None:
    """Give a complete folder its final name."""
    try:
        if final.exists():  # an empty folder that the user made
            final.rmdir()
        partial.rename(final)
    except OSError as error:
        raise paths.cannot_write(final, error) from None


def _write(table: pd.DataFrame, path: Path) -> str:
    """Write a table whole; return its hash."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, engine="pyarrow", compression="zstd", index=False)
    content = buffer.getvalue()
    replace_whole(path, content)
    return content_hash(content)


def _given(config: RunConfig) -> dict[str, bytes]:
    """Return what a folder begins with: the configuration and copies of the user's files."""
    files = {CONFIG: to_toml(config).encode()}
    for own in own_files(config):
        if own.stat().st_size > LARGEST_COPY_BYTES:  # the manifest has its hash
            continue
        names = itertools.chain([own.name], (f"{i}-{own.name}" for i in itertools.count(2)))
        files[next(n for n in names if n not in files and n not in OUTPUTS)] = own.read_bytes()
    return files
