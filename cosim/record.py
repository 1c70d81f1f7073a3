"""The one place that knows file names: a run's folder, its tables and its manifest.

A run under way lives in DIR.partial, one small Parquet file a round and table, so that each
finished round can be read, and the run taken up again, after a crash or a kill. At the end the
tables are joined, and the folder gets its name: a folder with its final name is complete.
"""

from __future__ import annotations

import fcntl
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
from learning.data.samples import MultiModalData
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
    try:
        return bool(_read_manifest(folder)["status"] == "complete")
    except (OSError, ValueError):
        return False


def without_partial(folder: Path) -> Path:
    """Return the final name of a run's folder, which may be given by that of its unfinished one."""
    whole = folder.resolve()
    return whole.parent / whole.name.removesuffix(PARTIAL)


def stored_config(folder: Path) -> Path:
    """Return where the configuration of an unfinished run stands; OutputError if nowhere."""
    path = folder.parent / (folder.name + PARTIAL) / "config.toml"
    if not path.is_file():
        raise OutputError(
            f"resume: expected an unfinished run, got no {path};"
            " name its folder, with or without .partial"
        )
    return path


class RunFolder:
    """Owns the files of a run; made before the run starts, so that a bad folder stops it first."""

    def __init__(
        self, folder: Path, config: RunConfig, data: MultiModalData, take_up: bool = False
    ) -> None:
        """Check the place and make DIR.partial, or take up the unfinished run that it holds.

        Raises OutputError where that does not work.
        """
        self.final = folder.absolute()
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
        _check_place(self.final, self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir()  # fails if another run has just begun here
        except OSError as error:
            raise _cannot_write(self.final, error) from None
        try:
            self._held = _lock(self.log)
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
            raise _cannot_write(self.final, error) from None

    def _take_up(self) -> None:
        """Read all that is needed before anything is changed."""
        _check_final(self.final)
        try:
            self._held = _lock(self.log)
        except OSError as error:
            raise _cannot_write(self.path, error) from None
        if self._held is None:
            raise OutputError(f"resume: {_under_way(self.path)}")
        try:
            before = _read_manifest(self.path)
            check_same(before, self.origin)
            stored = self._checkpoint()
            self._num_rounds = stored["rounds"]
            self.tables()
        # What torch and pyarrow say of a torn file is one of these.
        except (OSError, ValueError, RuntimeError, EOFError, UnpicklingError) as error:
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise OutputError(
                f"resume: expected the whole files of a run in {self.path}, got: {said};"
                " put back what was damaged, or start anew with --output DIR"
            ) from None
        self._drop_unfinished_round()
        self.timings = stored["timings"]
        here, self.origin["host"] = self.origin["host"], before["host"]
        step = {"after_rounds": self._num_rounds, "host": here}
        self.resumed = [*before["resumed"], step]
        try:
            self.ns3_log.unlink(missing_ok=True)  # the network says all of it again
            self.write_manifest(make_manifest(self, "running"))
        except OSError as error:
            raise _cannot_write(self.path, error) from None

    def _drop_unfinished_round(self) -> None:
        later = [
            path
            for path in self._parts.glob("*-??????.parquet")
            if int(path.stem.rpartition("-")[2]) >= self._num_rounds
        ]
        torn = [self._part(name, self._num_rounds) for name in TABLES]
        if odd := sorted(set(later) - set(torn)):
            raise OutputError(
                f"resume: expected tables of the {self._num_rounds} rounds of"
                f" {self._state}, got {odd[0].name} as well; put back the checkpoint that belongs"
                " to them, or start anew with --output DIR"
            )
        for path in later:
            path.unlink()

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
            _replace(self._state, buffer.getvalue())  # from here on the round is finished
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
                _write(table, path.with_suffix(".new"))
                os.replace(path.with_suffix(".new"), path)
                self._hashes[name] = file_hash(path)
            self.write_manifest(manifest)
        except OSError as error:
            raise _cannot_write(self.path, error) from None

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write the manifest with the hashes of the tables, in the place of an earlier one."""
        text = json.dumps(manifest | {"table_sha256": self._hashes}, indent=2, allow_nan=False)
        _replace(self._manifest, (text + "\n").encode())

    def publish(self) -> None:
        """Give the finished folder its final name."""
        try:
            if self.final.exists():  # an empty folder that the user made
                self.final.rmdir()
            self.path.rename(self.final)
        except OSError as error:
            raise _cannot_write(self.final, error) from None
        self.path = self.final
        # The run is complete by now, whatever becomes of what is left over.
        shutil.rmtree(self._parts, ignore_errors=True)


def _check_place(final: Path, partial: Path) -> None:
    if final.name.endswith(PARTIAL):
        raise OutputError(
            f"--output: expected a name that does not end in {PARTIAL}, as those of unfinished"
            f" runs do, got {final}; choose another"
        )
    if partial.exists():
        _refuse_partial(final, partial)
    _check_final(final)
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


def _refuse_partial(final: Path, partial: Path) -> None:
    if not (partial / "manifest.json").exists():
        raise OutputError(
            f"--output: expected a new folder, got {partial}, in which no run has begun;"
            " delete it, or choose another with --output DIR"
        )
    if _is_held(partial / "log.txt"):
        raise OutputError(f"--output: {_under_way(partial)}")
    raise OutputError(
        f"--output: expected a new folder, got an unfinished run in {partial}; go on with"
        f" `run.py resume {final}`, delete it, or choose another with --output DIR"
    )


def _check_final(final: Path) -> None:
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        what = "a finished run" if is_complete(final) else "other files"
        raise OutputError(
            f"--output: expected a new or empty folder, got {final}, which holds {what};"
            " choose another with --output DIR"
        )


def _under_way(partial: Path) -> str:
    return f"expected no run under way in {partial}, got one; wait for it, or end it"


def _lock(path: Path) -> int | None:
    """Hold a file until it is closed or this process ends; None if another holds it.

    Where a file system has no locks, that one folder has one run is up to the user.
    """
    held = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    except OSError:
        pass
    return held


def _is_held(path: Path) -> bool:
    try:
        held = _lock(path)
    except OSError:  # one may not even look
        return False
    if held is not None:
        os.close(held)
    return held is None


def _read_manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def _replace(path: Path, content: bytes) -> None:
    """Put a whole file in the place of another: at no time is there half of it."""
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


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
