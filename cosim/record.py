"""The one place that knows file names: a run's folder, its tables and its manifest.

A run under way lives in DIR.partial, one small Parquet file a round and table, so that each
finished round can be read whatever happens next. At the end the tables are joined, the manifest
is written last, and the folder gets its name: a folder with its final name is complete.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from cosim.config import RunConfig
from cosim.config_sources import to_toml
from cosim.errors import OutputError
from cosim.seeds import NS3_RNG_SEED
from learning.data.own_data import is_own_data
from learning.learner import Learner
from ns3_scenarios.own_scenario import is_own

TABLES = ("rounds", "devices", "links", "flows")
PACKAGES = ("ns3", "cppyy", "torch", "numpy", "scipy", "pandas", "pyarrow", "pydantic", "seglearn")
# Tables, figures and report of a default run take about 3 MB.
LEAST_FREE_BYTES = 50_000_000
LARGEST_COPY_BYTES = 5_000_000
RESULTS = Path(__file__).resolve().parents[1] / "results" / "runs"


def code_version() -> str:
    """Return a hash of all source files of the three packages, which names what produced a run."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[1]
    for package in ("cosim", "learning", "ns3_scenarios"):
        for path in sorted((root / package).rglob("*")):
            if path.suffix in {".py", ".h", ".cpp", ".toml"}:
                digest.update(str(path.relative_to(root)).encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def run_id(config: RunConfig) -> str:
    """Return the id of a run: a hash of its resolved configuration and the code."""
    own = [file_hash(file) for file in own_files(config)]
    text = to_toml(config) + code_version() + "".join(own)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def own_files(config: RunConfig) -> list[Path]:
    """Return the user's own files that take part in a run; who reads them reports missing ones."""
    learning, network = config.learning, config.network
    named = (config.scenario, learning.method, learning.model, learning.dataset)
    tables = (
        config.energy.device_file,
        learning.modality_file,
        network.placement_file,
        network.mobility_trace,
        network.loss_trace,
    )
    own = [Path(name) for name in named if is_own(name) or is_own_data(name)]
    return own + [Path(name) for name in tables if name is not None and Path(name).is_file()]


def default_folder(config: RunConfig) -> Path:
    """Return where a run goes that names no output."""
    return RESULTS / f"{Path(config.scenario).stem}-{run_id(config)}"


def is_complete(folder: Path) -> bool:
    """Tell whether a folder holds a finished run."""
    return (folder / "manifest.json").exists()


class RunFolder:
    """Owns the files of a run; made before the run starts, so that a bad folder stops it first."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        """Check the place and make DIR.partial; raise OutputError where it does not work."""
        self.final = folder.absolute()
        self.path = self.final.with_name(self.final.name + ".partial")
        self._config = config
        self._num_rounds = 0
        self._hashes: dict[str, str] = {}
        # Of the code that runs, whatever happens to its files meanwhile.
        self.code_version = code_version()
        _check_place(self.final, self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir()  # fails if another run has just begun here
        except OSError as error:
            raise _cannot_write(self.final, error) from None
        try:
            self._parts.mkdir()
            (self.path / "checkpoint").mkdir()
            (self.path / "config.toml").write_text(to_toml(config), encoding="utf-8")
            for own in own_files(config):
                if own.stat().st_size > LARGEST_COPY_BYTES:  # the manifest has its hash
                    continue
                shutil.copy(own, _free_name(self.path, own.name))
        except OSError as error:
            shutil.rmtree(self.path, ignore_errors=True)
            raise _cannot_write(self.final, error) from None

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
            state = self.path / "checkpoint" / "learner.pt"
            torch.save(learner.state(), state.with_suffix(".new"))
            os.replace(state.with_suffix(".new"), state)
        except OSError as error:
            raise OutputError(
                f"--output: could not write round {self._num_rounds} to {self.path}"
                f" ({error.strerror}); finished rounds are kept there; free space and run again"
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
        return {
            name: pd.concat(
                [pd.read_parquet(self._part(name, i)) for i in range(self._num_rounds)],
                ignore_index=True,
            )
            for name in TABLES
        }

    def _part(self, table: str, round_index: int) -> Path:
        return self._parts / f"{table}-{round_index:06d}.parquet"

    def finish(self, manifest: dict[str, Any]) -> None:
        """Join the tables, then write the manifest; a second call only writes the manifest."""
        try:
            if self._num_rounds and self._parts.exists():
                for name, table in self.tables().items():
                    _write(table, self.path / f"{name}.parquet")
                    self._hashes[name] = file_hash(self.path / f"{name}.parquet")
                shutil.rmtree(self._parts)
            text = json.dumps(manifest | {"table_sha256": self._hashes}, indent=2, allow_nan=False)
            (self.path / "manifest.json").write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise _cannot_write(self.path, error) from None

    def publish(self) -> None:
        """Give the finished folder its final name."""
        if self.final.exists():  # an empty folder that the user made
            self.final.rmdir()
        self.path.rename(self.final)
        self.path = self.final


def _check_place(final: Path, partial: Path) -> None:
    if partial.exists():
        raise OutputError(
            f"--output: expected a new folder, got the remains of an unfinished run in {partial};"
            " look at it, then delete it or choose another with --output DIR"
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


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_manifest(
    config: RunConfig,
    folder: RunFolder,
    status: str,
    timings: dict[str, float],
    reason: str = "",
) -> dict[str, Any]:
    """Say what made a run: versions, seeds, network kind, host, and how it ended."""
    return {
        "status": status,
        "reason": reason,
        "rounds": folder.num_rounds,
        "scenario": config.scenario,
        "network_kind": config.network.kind,
        "sync": config.network.sync,
        "seed": config.seed,
        "RngSeed": NS3_RNG_SEED,
        "RngRun": config.seed,
        "own_files_sha256": {file.name: file_hash(file) for file in own_files(config)},
        "config_sha256": hashlib.sha256(to_toml(config).encode()).hexdigest(),
        "code_version": folder.code_version,
        "versions": {"python": platform.python_version(), **_versions()},
        "host": {"system": platform.platform(), "machine": platform.machine()},
        "timings": {name: round(value, 3) for name, value in timings.items()},
    }


def _versions() -> dict[str, str]:
    """Versions of what a run may use; some kinds of run need not have all of it."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
