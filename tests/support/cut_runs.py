"""Runs that are cut short by a network that dies, and what is left of them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from cosim import cli
from cosim.config import assemble
from cosim.files import file_hash
from cosim.records.checkpoint import read_checkpoint, write_checkpoint
from cosim.records.layout import TABLES
from cosim.records.manifest import read_manifest, write_manifest
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import NetworkFailedError
from ns3_scenarios.network import Network
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic

SMALL = ("--network.num_devices=4", "--learning.dataset=made", "--iteration.max_iterations=3")
FEW = ("--learning.rounds=5", "--learning.batch_size=8", "--learning.feature_dim=8")
IDEAL = (*SMALL, *FEW, "--network.kind=ideal")
FILES = (*(f"{name}.parquet" for name in (*TABLES, "partition")), "config.toml")


class Failing:
    """Any network, but it dies when it is asked for a certain round."""

    def __init__(self, network: Network, round_index: int) -> None:
        self._network, self._round_index = network, round_index

    def __getattr__(self, name: str) -> object:
        return getattr(self._network, name)

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        if traffic.round_index == self._round_index:
            raise NetworkFailedError("it died")
        return self._network.run_round(traffic)


def fail_in(round_index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the networks that a run would have die when they are asked for a round."""
    for name in ("IdealNetwork", "AnalyticNetwork", "SurrogateNetwork"):
        network_type = getattr(assemble, name)
        monkeypatch.setattr(assemble, name, partial(make_failing, network_type, round_index))


def make_failing(
    network_type: Callable[[NetworkScenario], Network], round_index: int, scenario: NetworkScenario
) -> Failing:
    return Failing(network_type(scenario), round_index)


def cut_short(
    folder: Path, flags: tuple[str, ...], round_index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_in(round_index, patch)
        assert cli.main([*flags, "--output", str(folder)]) == 3
    assert not folder.exists()


def assert_same_run(one: Path, two: Path) -> None:
    for name in FILES:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    states = [
        torch.load(run / "checkpoint" / "learner.pt", weights_only=True) for run in (one, two)
    ]
    assert states[0]["rounds"] == states[1]["rounds"]
    assert states[0]["learner"].keys() == states[1]["learner"].keys()
    for name, value in states[0]["learner"].items():
        assert torch.equal(value, states[1]["learner"][name]), name


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    capsys.readouterr()
    assert cli.main(arguments) == code
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("error: "))
    return line


def contents(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "log.txt")
    return {path: path.read_bytes() for path in files}


def change_manifest(folder: Path, **changes: object) -> None:
    """Write other fields into a manifest, with the hash that belongs to them."""
    write_manifest(folder, read_manifest(folder).model_copy(update=changes))


def change_checkpoint(folder: Path, **changes: object) -> None:
    """Write another checkpoint, with the hashes of the files as they are and its own."""
    stored = read_checkpoint(folder)
    assert stored is not None
    files = {name: file_hash(folder / name) for name in stored.files}
    write_checkpoint(folder, replace(stored, files=files, **changes))
