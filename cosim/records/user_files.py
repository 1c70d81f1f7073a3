"""Files of the user's own that take part in a run."""

from __future__ import annotations

from pathlib import Path

from cosim.config.model import RunConfig
from cosim.records.layout import CONFIG, JOINED
from learning.data.sets.own_data import is_own_data
from ns3_scenarios.description.network_kind import NETWORK_KINDS
from ns3_scenarios.own_scenario import is_own


def own_files(config: RunConfig) -> list[Path]:
    """Return the user's own files that take part in a run; who reads them reports missing ones."""
    learning, network = config.learning, config.network
    named = (
        *(config.scenario, learning.method, learning.model, learning.dataset),
        config.iteration.rule,
        config.policy,
    )
    tables = (
        config.energy.device_file,
        config.energy.harvest_file,
        learning.modality_file,
        learning.traffic_file,
        network.placement_file,
        network.mobility_trace,
        network.loss_trace,
        network.link_trace,
    )
    own = [name for name in named if is_own(name) or is_own_data(name)]
    own += [name for name in tables if name is not None]
    return [Path(name) for name in own if Path(name).is_file()]


def recorded_files(config: RunConfig) -> list[Path]:
    """Return the files of the run that a configuration replays: what its network is made of."""
    folder = config.network.replay
    if folder is None or not NETWORK_KINDS[config.network.kind].replays:
        return []
    files = [Path(folder) / name for name in (CONFIG, *JOINED)]
    return [file for file in files if file.is_file()]  # who reads them reports missing ones


def given_files(config: RunConfig) -> list[Path]:
    """Return all files of which a run is made, beside its configuration."""
    return [*own_files(config), *_data_files(config), *recorded_files(config)]


def _data_files(config: RunConfig) -> list[Path]:
    """Return the files of a data set that is read from a path."""
    given = config.learning.data_path
    path = Path(given) if given else None
    if path is None or not path.exists():  # who reads it says so
        return []
    return sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
