"""A finished run as the record of its network, which a run of network.kind replay answers from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cosim.config.inert import fields, without_effect
from cosim.config.model import RunConfig
from cosim.config.sources import load
from cosim.errors import ConfigError, OutputError
from cosim.files import file_hash, is_regular
from cosim.planning.compute import Machines
from cosim.records.code_version import code_version
from cosim.records.columns import COLUMNS, KEY, NETWORK
from cosim.records.layout import CONFIG, JOINED, TABLES
from cosim.records.manifest import Manifest, read_manifest
from cosim.records.parquet import read_table
from cosim.records.rebuilt import rebuild
from cosim.records.user_files import own_files
from ns3_scenarios.description.network_kind import NETWORK_KINDS
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.promise import Played
from ns3_scenarios.replay import ReplayNetwork

FIELD = "network.replay"
# What the network has seen of a configuration, beside the scenario's name and the seed.
SECTIONS = ("network", "energy")


@dataclass(frozen=True)
class NetworkRecord:
    """A run whose network answers again: its configuration, the code that made it, its tables."""

    config: RunConfig
    code_version: str
    tables: dict[str, pd.DataFrame]

    def remarks(self) -> list[str]:
        """Say that other code has recorded it than answers from it."""
        now = code_version()
        same = now == self.code_version
        return [] if same else [f"{FIELD}: recorded by code {self.code_version}, this is {now}"]

    def as_recorded(self, config: RunConfig) -> RunConfig:
        """Return what the loop is to take a replaying configuration for: that of a live run."""
        network = config.network.model_copy(update={"kind": self.config.network.kind})
        return config.model_copy(update={"network": network})

    def open(
        self, scenario: NetworkScenario, machines: Machines, parts: Sequence[str]
    ) -> ReplayNetwork:
        """Return the network that answers; parts: names of messages, as the learner numbers them.

        It rebuilds a round when it is asked for it.
        """
        # Others follow, so that a message that the learner does not know can be named.
        names = tuple(dict.fromkeys((*parts, *self.tables["flows"]["part"])))

        def played(round_index: int) -> Played:
            rows = {name: _of_round(table, round_index) for name, table in self.tables.items()}
            return rebuild(round_index, rows, self.config, scenario, machines, names)

        return ReplayNetwork(played, names)


def _of_round(table: pd.DataFrame, round_index: int) -> pd.DataFrame:
    numbers = table["round"].to_numpy()
    first, last = np.searchsorted(numbers, [round_index + 1, round_index + 2])
    return table.iloc[int(first) : int(last)]


def read_record(config: RunConfig) -> NetworkRecord | None:
    """Read the run that a configuration replays, None where it replays none.

    Raises ConfigError where the folder holds no finished run, its files are not as they were
    written, it has fewer rounds, or its network saw other fields.
    """
    if not NETWORK_KINDS[config.network.kind].replays:
        return None
    folder = Path(str(config.network.replay))
    said = _manifest(folder)
    for name in (CONFIG, *JOINED):
        _refuse_changed(folder / name, said.files_sha256.get(name))
    recorded = load([], folder / CONFIG, None)
    _refuse_other_fields(config, recorded, said)
    if config.learning.rounds > said.rounds:
        raise ConfigError(
            f"learning.rounds: expected at most the {said.rounds} rounds that the record of {FIELD}"
            f" has, got {config.learning.rounds}; ask for fewer, or run it live"
        )
    tables = {name: read_table(folder / f"{name}.parquet") for name in TABLES}
    for name, table in tables.items():
        _refuse_missing(name, table, said)
    return NetworkRecord(recorded, said.code_version, tables)


def _manifest(folder: Path) -> Manifest:
    try:
        said = read_manifest(folder)
    except OutputError as error:
        raise ConfigError(
            f"{FIELD}: expected the folder of a finished run, got {folder} ({error}); check the"
            " path"
        ) from None
    if said.status != "complete":
        raise ConfigError(
            f"{FIELD}: expected a finished run, got one that is {said.status} after {said.rounds}"
            f" rounds in {folder}; resume it first"
        )
    if NETWORK_KINDS[said.network_kind].replays:
        raise ConfigError(
            f"{FIELD}: expected a run of a network, got a replay in {folder}; name the run that it"
            " replays (its config.toml does)"
        )
    return said


def _refuse_changed(path: Path, expected: str | None) -> None:
    try:
        found = file_hash(path) if is_regular(path) else None
    except OSError:
        found = None
    if found is None or found != expected:
        raise ConfigError(
            f"{FIELD}: expected {path} as its run wrote it, got"
            f" {'none' if found is None else 'a changed one'}; put back what was damaged, or record"
            " anew"
        )


def _refuse_missing(name: str, table: pd.DataFrame, said: Manifest) -> None:
    """Refuse the record of a version of the code that did not keep all that a report has."""
    for column in COLUMNS[name]:
        kept = any(re.fullmatch(column.pattern, str(each)) for each in table.columns)
        if column.doing in (NETWORK, KEY) and not kept:
            raise ConfigError(
                f"{FIELD}: expected column {column.name} in {name}.parquet, got a record without,"
                f" of another version of the code ({said.code_version}); record it anew"
            )


def _refuse_other_fields(config: RunConfig, recorded: RunConfig, said: Manifest) -> None:
    """Raise ConfigError with the first field that the network saw otherwise.

    Fields without an effect do not count, and files by what they hold, wherever they are.
    """
    alike = {name: getattr(config.network, name) for name in ("kind", "replay")}
    network = recorded.network.model_copy(update=alike)
    then = without_effect(recorded.model_copy(update={"network": network}))
    now = without_effect(config)
    held_then, held_now = said.own_files_sha256, _hashes(config)

    def compare(name: str, was: Any, got: Any) -> None:
        one, other = held_then.get(str(was), was), held_now.get(str(got), got)
        if one != other:
            raise ConfigError(
                f"{name}: expected {_shown(was, one)} as in the record of {FIELD}, got"
                f" {_shown(got, other)}; leave it as it was, with the record's config.toml as"
                " --config, or run it live"
            )

    for name in ("scenario", "seed"):
        compare(name, getattr(then, name), getattr(now, name))
    names = [(section, name) for section, name, _ in fields() if section in SECTIONS]
    names.sort(key=lambda each: each != ("network", "num_devices"))
    for section, name in names:
        compare(
            f"{section}.{name}",
            getattr(getattr(then, section), name),
            getattr(getattr(now, section), name),
        )


def _hashes(config: RunConfig) -> dict[str, str]:
    return {str(path): file_hash(path) for path in own_files(config)}


def _shown(value: Any, compared: Any) -> str:
    """Show a value, and of a file what it holds."""
    return f"{value}" if value == compared else f"{value} (sha256 {compared[:12]}...)"
