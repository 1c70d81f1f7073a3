"""The one place that knows file names: a run's folder, its tables and its manifest.

A run under way lives in DIR.partial, one small Parquet file a round and table, so that each
finished round can be read, and the run taken up again, whatever happens next. At the end the
tables are joined, and the folder gets its name: a folder with its final name is complete.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from cosim.config import RunConfig
from cosim.config_sources import to_toml
from cosim.errors import OutputError
from cosim.origin import check_same, file_hash, origin_of, own_files, run_id
from learning.learner import Learner

PARTIAL = ".partial"
TABLES = ("rounds", "devices", "links", "flows")
# Tables, figures and report of a default run take about 3 MB.
LEAST_FREE_BYTES = 50_000_000
LARGEST_COPY_BYTES = 5_000_000
RESULTS = Path(__file__).resolve().parents[1] / "results" / "runs"


def default_folder(config: RunConfig) -> Path:
    """Return where a run goes that names no output."""
    return RESULTS / f"{Path(config.scenario).stem}-{run_id(config)}"


def is_complete(folder: Path) -> bool:
    """Tell whether a folder holds a finished run."""
    return (folder / "manifest.json").exists()


def without_partial(folder: Path) -> Path:
    """Return the final name of a run's folder, which may be given by that of its unfinished one."""
    return folder.with_name(folder.name.removesuffix(PARTIAL))


class RunFolder:
    """Owns the files of a run; made before the run starts, so that a bad folder stops it first."""

    def __init__(self, folder: Path, config: RunConfig, take_up: bool = False) -> None:
        """Check the place and make DIR.partial, or take up the unfinished run that it holds.

        Raises OutputError where that does not work.
        """
        self.final = folder.absolute()
        self.path = self.final.with_name(self.final.name + PARTIAL)
        self._num_rounds = 0
        self._hashes: dict[str, str] = {}
        self._held: int | None = None
        self.resumed_after_rounds: list[int] = []
        self.learner_state: dict[str, torch.Tensor] = {}  # of a run that is taken up
        # Of the code and files that run, whatever happens to them meanwhile.
        self.origin = origin_of(config)
        try:
            if take_up:
                self._take_up()
            else:
                self._make(config)
        except BaseException:
            self.release()
            raise

    @classmethod
    def stored_config(cls, folder: Path) -> Path:
        """Return where the configuration of an unfinished run stands; OutputError if nowhere."""
        path = folder.absolute().with_name(folder.name + PARTIAL) / "config.toml"
        if not path.is_file():
            raise OutputError(
                f"resume: expected an unfinished run, got no {path};"
                " name its folder, with or without .partial"
            )
        return path

    def _make(self, config: RunConfig) -> None:
        _check_place(self.final, self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir()  # fails if another run has just begun here
        except OSError as error:
            raise _cannot_write(self.final, error) from None
        try:
            self._lock()
            self._parts.mkdir()
            (self.path / "checkpoint").mkdir()
            (self.path / "config.toml").write_text(to_toml(config), encoding="utf-8")
            for own in own_files(config):
                if own.stat().st_size > LARGEST_COPY_BYTES:  # the manifest has its hash
                    continue
                shutil.copy(own, _free_name(self.path, own.name))
            self.write_manifest(make_manifest(self, "running", {}))
        except OSError as error:
            shutil.rmtree(self.path, ignore_errors=True)
            raise _cannot_write(self.final, error) from None

    def _take_up(self) -> None:
        try:
            self._lock()
            before = json.loads(self._manifest.read_text(encoding="utf-8"))
            check_same(before, self.origin)
            if self._state.exists():
                stored = torch.load(self._state, weights_only=True)
                self._num_rounds, self.learner_state = stored["rounds"], stored["learner"]
            self.resumed_after_rounds = [*before["resumed_after_rounds"], self._num_rounds]
            # Of a round that did not end, and what is written anew.
            for path in self._parts.iterdir():
                if int(path.stem.rpartition("-")[2]) >= self._num_rounds:
                    path.unlink()
            for path in (self.ns3_log, *(self.path / f"{name}.parquet" for name in TABLES)):
                path.unlink(missing_ok=True)
            self.write_manifest(make_manifest(self, "running", {}))
        except BlockingIOError:
            raise OutputError(
                f"resume: expected a run that has ended, got {self.path}, in which one is under"
                " way; wait for it, or end it"
            ) from None
        except OSError as error:
            raise OutputError(
                f"resume: expected the folder of an unfinished run, got {self.path}"
                f" ({error.strerror}: {error.filename}); start anew with --output DIR"
            ) from None

    def _lock(self) -> None:
        """Hold the folder until this process ends, where its file system can do so."""
        self._held = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # no locks here: that one folder has one run is up to the user
            pass

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
            new = self._state.with_suffix(".new")
            torch.save({"rounds": self._num_rounds + 1, "learner": learner.state()}, new)
            os.replace(new, self._state)  # the round counts as finished from here on
        except OSError as error:
            raise OutputError(
                f"--output: could not write round {self._num_rounds} to {self.path}"
                f" ({error.strerror}); finished rounds are kept there; free space and resume"
            ) from None
        self._num_rounds += 1

    def add_partition(self, table: pd.DataFrame) -> None:
        """Store who holds which data, before the first round."""
        try:
            _write(table, self._partition)
        except OSError as error:
            raise _cannot_write(self.path, error) from None
        self._hashes["partition"] = file_hash(self._partition)

    def partition(self) -> pd.DataFrame:
        """Return who holds which data."""
        return pd.read_parquet(self._partition)

    @property
    def num_rounds(self) -> int:
        """Rounds stored so far."""
        return self._num_rounds

    def tables(self) -> dict[str, pd.DataFrame]:
        """Join the rounds stored so far, one table a name."""
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
            for name, table in self.tables().items() if self._num_rounds else ():
                _write(table, self.path / f"{name}.parquet")
                self._hashes[name] = file_hash(self.path / f"{name}.parquet")
            self.write_manifest(manifest)
        except OSError as error:
            raise _cannot_write(self.path, error) from None

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write the manifest with the hashes of the tables, in the place of an earlier one."""
        text = json.dumps(manifest | {"table_sha256": self._hashes}, indent=2, allow_nan=False)
        new = self._manifest.with_suffix(".new")
        new.write_text(text + "\n", encoding="utf-8")
        os.replace(new, self._manifest)

    def publish(self) -> None:
        """Give the finished folder its final name."""
        if self.final.exists():  # an empty folder that the user made
            self.final.rmdir()
        self.path.rename(self.final)
        self.path = self.final
        shutil.rmtree(self._parts)


def _check_place(final: Path, partial: Path) -> None:
    if partial.exists():
        raise OutputError(
            f"--output: expected a new folder, got an unfinished run in {partial}; go on with"
            f" `run.py resume {final}`, delete it, or choose another with --output DIR"
        )
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        what = "a finished run" if is_complete(final) else "other files"
        raise OutputError(
            f"--output: expected a new or empty folder, got {final}, which holds {what};"
            " choose another with --output DIR"
        )
    above = next(parent for parent in final.parents if parent.exists())
    if not above.is_dir():
        raise OutputError(
            f"--output: expected a folder that can be made, got {final}, but {above} is a file;"
            " choose another with --output DIR"
        )
    if not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(
            f"--output: expected a folder that can be written, got {final} ({above} is read-only);"
            " choose another with --output DIR"
        )
    free_bytes = shutil.disk_usage(above).free
    if free_bytes < LEAST_FREE_BYTES:
        raise OutputError(
            f"--output: expected {LEAST_FREE_BYTES / 1e6:.0f} MB of free space, got"
            f" {free_bytes / 1e6:.0f} MB at {above}; free space or choose another with --output DIR"
        )


def _cannot_write(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"--output: expected a folder that can be written, got {folder} ({error.strerror});"
        " free space or choose another with --output DIR"
    )


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, engine="pyarrow", compression="zstd", index=False)


def _free_name(folder: Path, name: str) -> Path:
    """Return folder/name, or folder/2-name and so on where files of one name meet."""
    names = itertools.chain([name], (f"{i}-{name}" for i in itertools.count(2)))
    return next(path for path in map(folder.joinpath, names) if not path.exists())


def make_manifest(
    folder: RunFolder, status: str, timings: dict[str, float], reason: str = ""
) -> dict[str, Any]:
    """Say what made a run, and how it ended."""
    return {
        "status": status,
        "reason": reason,
        "rounds": folder.num_rounds,
        "resumed_after_rounds": folder.resumed_after_rounds,
        **folder.origin,
        "timings": {name: round(value, 3) for name, value in timings.items()},
    }
