"""The one place that knows file names: a run's folder, its tables and its manifest.

A run under way lives in DIR.partial, one small Parquet file a round and table, so that each
finished round can be read, and the run taken up again, after a crash or a kill. At the end the
tables are joined, and the folder gets its name: a folder with its final name is complete.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pandas as pd
import torch

from cosim.config import RunConfig
from cosim.config_sources import to_toml
from cosim.errors import OutputError
from cosim.origin import check_same, file_hash, origin_of, own_files, run_id
from cosim.place import (
    PARTIAL,
    cannot_write,
    check_final,
    check_place,
    lock,
    read_manifest,
    replace_whole,
    under_way,
)
from learning.data.samples import MultiModalData
from learning.learner import Learner

TABLES = ("rounds", "devices", "links", "flows")
# What a run writes beside the copies of the user's files.
OUTPUTS = (*(f"{name}.parquet" for name in (*TABLES, "partition")), "manifest.json", "ns3.log")
LARGEST_COPY_BYTES = 5_000_000
RESULTS = Path(__file__).resolve().parents[1] / "results" / "runs"


def default_folder(config: RunConfig) -> Path:
    """Return where a run goes that names no output."""
    return RESULTS / f"{Path(config.scenario).stem}-{run_id(config)}"


class RunFolder:
    """Owns the files of a run; made before the run starts, so that a bad folder stops it first."""

    def __init__(
        self, folder: Path, config: RunConfig, data: MultiModalData, take_up: bool = False
    ) -> None:
        """Check the place and make DIR.partial, or take up the unfinished run that it holds.

        Raises OutputError where that does not work.
        """
        self.final = folder.resolve()
        self.path = self.final.with_name(self.final.name + PARTIAL)
        self._num_rounds = 0
        self._hashes: dict[str, str] = {}
        self._held: int | None = None
        self.timings = {"ns3_s": 0.0, "learning_s": 0.0, "total_s": 0.0}
        self.resumed: list[dict[str, Any]] = []
        # Of the code and files that run, whatever happens to them meanwhile.
        self.origin = origin_of(config, data)
        try:
            if take_up:
                self._take_up()
            else:
                self._make(config)
        except BaseException:
            self.release()
            raise

    def _make(self, config: RunConfig) -> None:
        check_place(self.final, self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir()  # fails if another run has just begun here
        except OSError as error:
            raise cannot_write(self.final, error) from None
        try:
            self._held = lock(self.log)
            self._parts.mkdir()
            (self.path / "checkpoint").mkdir()
            (self.path / "config.toml").write_text(to_toml(config), encoding="utf-8")
            for own in own_files(config):
                if own.stat().st_size > LARGEST_COPY_BYTES:  # the manifest has its hash
                    continue
                shutil.copy(own, _free_name(self.path, own.name))
            self.write_manifest(make_manifest(self, "running"))
        except OSError as error:
            shutil.rmtree(self.path, ignore_errors=True)
            raise cannot_write(self.final, error) from None

    def _take_up(self) -> None:
        """Read all that is needed before anything is changed."""
        check_final(self.final)
        try:
            self._held = lock(self.log)
        except OSError as error:
            raise cannot_write(self.path, error) from None
        if self._held is None:
            raise OutputError(f"resume: {under_way(self.path)}")
        try:
            before = read_manifest(self.path)
            check_same(before, self.origin)
            stored = self._checkpoint()
            self._num_rounds = stored["rounds"]
            self.tables()
            said, was, resumed = before["timings"], before["host"], before["resumed"]
        # What torch and pyarrow say of a torn file is one of these.
        except (
            *(OSError, ValueError, TypeError, RuntimeError, EOFError, KeyError),
            UnpicklingError,
        ) as error:
            words = " ".join(str(error).split())[:200] or type(error).__name__
            raise OutputError(
                f"resume: expected the whole files of a run in {self.path}, got: {words};"
                " put back what was damaged, or start anew with --output DIR"
            ) from None
        unfinished = self._unfinished_round(before["rounds"])
        # An attempt that failed wrote its times there; one that was killed, into the checkpoint.
        self.timings = max(said, stored["timings"], key=lambda timings: timings["total_s"])
        here, self.origin["host"] = self.origin["host"], was
        self.resumed = [*resumed, {"after_rounds": self._num_rounds, "host": here}]
        try:
            for path in (*unfinished, self.ns3_log):  # the network says all of it again
                path.unlink(missing_ok=True)
            self.write_manifest(make_manifest(self, "running"))
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def _unfinished_round(self, least: int) -> list[Path]:
        """Find what was written of a round that did not end; refuse the lack of a finished one."""
        torn = [self._part(name, self._num_rounds) for name in TABLES]
        later = [
            path.name
            for path in self._parts.glob(f"*-{6 * '[0-9]'}.parquet")
            if int(path.stem[-6:]) >= self._num_rounds and path not in torn
        ]
        if later or least > self._num_rounds:
            raise OutputError(
                f"resume: expected {max(least, self._num_rounds)} finished rounds in"
                f" {self._state}, got {self._num_rounds}, and tables of more; put back the"
                " checkpoint that belongs to them, or start anew with --output DIR"
            )
        return torn

    def _checkpoint(self) -> dict[str, Any]:
        if not self._state.exists():
            return {"rounds": 0, "timings": self.timings, "learner": {}}
        stored: dict[str, Any] = torch.load(self._state, weights_only=True)
        return stored

    def learner_state(self) -> dict[str, torch.Tensor]:
        """Read the learner's state after the last finished round."""
        state: dict[str, torch.Tensor] = self._checkpoint()["learner"]
        return state

    def release(self) -> None:
        """Let others take the folder; safe to call more than once."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    @property
    def _manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def _state(self) -> Path:
        return self.path / "checkpoint" / "learner.pt"

    @property
    def _parts(self) -> Path:
        return self.path / "rounds.parts"

    @property
    def _partition(self) -> Path:
        return self.path / "partition.parquet"

    @property
    def ns3_log(self) -> Path:
        """Where the ns-3 child prints."""
        return self.path / "ns3.log"

    @property
    def log(self) -> Path:
        """The run's own log."""
        return self.path / "log.txt"

    def add(self, tables: dict[str, pd.DataFrame], learner: Learner) -> None:
        """Store a finished round and the learner's state behind it."""
        try:
            for name, table in tables.items():
                _write(table, self._part(name, self._num_rounds))
            state = {
                "rounds": self._num_rounds + 1,
                "timings": self.timings,
                "learner": learner.state(),
            }
            buffer = io.BytesIO()  # torch makes of a full disk what is no OSError
            torch.save(state, buffer)
            replace_whole(self._state, buffer.getvalue())  # from here on the round is finished
        except OSError as error:
            raise OutputError(
                f"--output: could not write round {self._num_rounds + 1} to {self.path}"
                f" ({error.strerror}); finished rounds are kept there; free space and resume"
            ) from None
        self._num_rounds += 1

    def add_partition(self, table: pd.DataFrame) -> None:
        """Store who holds which data, before the first round."""
        try:
            _write(table, self._partition)
        except OSError as error:
            raise cannot_write(self.path, error) from None
        self._hashes["partition"] = file_hash(self._partition)

    def partition(self) -> pd.DataFrame:
        """Return who holds which data."""
        return pd.read_parquet(self._partition)

    @property
    def num_rounds(self) -> int:
        """Rounds stored so far."""
        return self._num_rounds

    def tables(self) -> dict[str, pd.DataFrame]:
        """Join the rounds stored so far, one table a name; none before the first."""
        if self._num_rounds == 0:
            return {}
        rounds = [self.round(index) for index in range(self._num_rounds)]
        return {
            name: pd.concat([tables[name] for tables in rounds], ignore_index=True)
            for name in TABLES
        }

    def round(self, round_index: int) -> dict[str, pd.DataFrame]:
        """Return the tables of one finished round."""
        return {name: pd.read_parquet(self._part(name, round_index)) for name in TABLES}

    def _part(self, table: str, round_index: int) -> Path:
        return self._parts / f"{table}-{round_index:06d}.parquet"

    def finish(self, manifest: dict[str, Any]) -> None:
        """Join the tables, then write the manifest."""
        try:
            for name, table in self.tables().items():
                path = self.path / f"{name}.parquet"
                _write(table, path)
                self._hashes[name] = file_hash(path)
            self.write_manifest(manifest)
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write the manifest with the hashes of the tables, in the place of an earlier one."""
        text = json.dumps(manifest | {"table_sha256": self._hashes}, indent=2, allow_nan=False)
        replace_whole(self._manifest, (text + "\n").encode())

    def publish(self) -> None:
        """Give the finished folder its final name."""
        try:
            if self.final.exists():  # an empty folder that the user made
                self.final.rmdir()
            self.path.rename(self.final)
        except OSError as error:
            raise cannot_write(self.final, error) from None
        self.path = self.final
        # The run is complete by now, whatever becomes of what is left over.
        shutil.rmtree(self._parts, ignore_errors=True)


def _write(table: pd.DataFrame, path: Path) -> None:
    buffer = io.BytesIO()
    table.to_parquet(buffer, engine="pyarrow", compression="zstd", index=False)
    replace_whole(path, buffer.getvalue())


def _free_name(folder: Path, name: str) -> Path:
    """Return folder/name, or folder/2-name and so on where files of one name meet."""
    names = itertools.chain([name], (f"{i}-{name}" for i in itertools.count(2)))
    free = (folder / name for name in names if name not in OUTPUTS)
    return next(path for path in free if not path.exists())


def make_manifest(folder: RunFolder, status: str, reason: str = "") -> dict[str, Any]:
    """Say what made a run, and how it ended; wall times are of all attempts."""
    return {
        "status": status,
        "reason": reason,
        "rounds": folder.num_rounds,
        "resumed": folder.resumed,
        **folder.origin,
        "timings": {name: round(value, 3) for name, value in folder.timings.items()},
    }
