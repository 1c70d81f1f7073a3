"""Runs as calls of Python."""

import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from cut_runs import fail_in

import cosim
from cosim import cli
from cosim.config.sources import load
from cosim.errors import ConfigError, OutputError
from ns3_scenarios.errors import NetworkFailedError

SMALL = {
    "network.kind": "ideal",
    "network.num_devices": 3,
    "learning.dataset": "made",
    "learning.rounds": 2,
    "iteration.max_iterations": 1,
}
FLAGS = [f"--{name}={value}" for name, value in SMALL.items()]


@pytest.mark.usefixtures("only_the_run")
def test_a_call_leaves_the_tables_of_the_command_line_and_this_process_as_it_was(
    tmp_path: Path,
) -> None:
    assert cli.main([*FLAGS, f"--output={tmp_path / 'words'}"]) == 0
    threads, handlers = torch.get_num_threads(), signal.getsignal(signal.SIGTERM)
    torch.set_num_threads(3)
    run = cosim.run(cosim.configure("mesh80211", SMALL), tmp_path / "call")
    assert torch.get_num_threads() == 3
    assert torch.backends.mkldnn.enabled
    torch.set_num_threads(threads)
    assert signal.getsignal(signal.SIGTERM) == handlers
    for name in ("rounds", "devices", "links", "flows", "plans", "partition"):
        words = pd.read_parquet(tmp_path / "words" / f"{name}.parquet")
        pd.testing.assert_frame_equal(getattr(run, name), words)
    assert run.folder == tmp_path / "call"
    assert run.manifest.rounds == 2
    assert "2 rounds" in str(run)


def test_changes_are_put_over_a_scenario_a_file_or_a_configuration(tmp_path: Path) -> None:
    by_flags = load(FLAGS, None, None)
    assert cosim.configure("mesh80211", SMALL) == by_flags
    (tmp_path / "mine.toml").write_text("seed = 5\n[network]\nnum_devices = 7\n")
    mine = cosim.configure(tmp_path / "mine.toml", {"network.tx_power_dbm": 8.0})
    assert (mine.seed, mine.network.num_devices, mine.network.tx_power_dbm) == (5, 7, 8.0)
    d2d = cosim.configure("d2d", {"network.placement_file": tmp_path / "places.csv"})
    assert d2d.network.mobility == load([], None, "d2d").network.mobility != "static"
    assert d2d.network.placement_file == str(tmp_path / "places.csv")
    # A field that is given can be taken back.
    other = cosim.configure(d2d, {"network.placement_file": None, "seed": 3})
    assert (other.network.placement_file, other.seed, d2d.seed) == (None, 3, 1)
    assert cosim.configure(other, {}) == other
    assert cosim.configure(other, {"seed": np.int64(9)}).seed == 9


@pytest.mark.parametrize(
    ("base", "changes", "said"),
    [
        ("mesh80211", {"network.tx_power": 8.0}, "did you mean network.tx_power_dbm"),
        ("mesh80211", {"nework.num_devices": 8}, "nework: unknown key in changes"),
        ("mesh80211", {"network.num_devices": "8"}, "network.num_devices: expected"),
        ("mesh80211", {"network.num_devices": 10**6}, "network.num_devices: expected"),
        ("mesh80211", {"network": 8}, "network: expected"),
        ("mesh80211", {"scenario.x": 8}, "scenario has no fields"),
        ("mesh80211", {5: 8}, "5: unknown key"),
        ("d2d", {"network.mobility_area_m": None}, "whose preset has 150"),
        ("mesh", {}, "did you mean mesh80211"),
        ("missing.toml", {}, "missing.toml"),
    ],
)
def test_an_odd_change_is_refused_in_one_line(
    base: str, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as refusal:
        cosim.configure(base, changes)
    assert "\n" not in str(refusal.value)


@pytest.mark.usefixtures("only_the_run")
def test_a_run_cut_short_raises_its_error_and_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, handlers = cosim.configure("mesh80211", SMALL), signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        fail_in(1, patch)
        with pytest.raises(NetworkFailedError):
            cosim.run(config, tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) == handlers
    with pytest.raises(OutputError, match="expected a finished run"):
        cosim.open_run(tmp_path / "run")
    resumed = cosim.resume(tmp_path / "run")
    pd.testing.assert_frame_equal(resumed.rounds, cosim.run(config, tmp_path / "whole").rounds)
    assert cosim.open_run(tmp_path / "run") == resumed == cosim.resume(tmp_path / "run")


@pytest.mark.usefixtures("only_the_run")
def test_a_default_folder_is_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cosim.records.paths.results", lambda: tmp_path)
    config = cosim.configure("mesh80211", SMALL)
    run = cosim.run(config)
    assert run.folder.parent == tmp_path
    written = (run.folder / "rounds.parquet").stat().st_mtime_ns
    assert cosim.run(config) == run
    assert (run.folder / "rounds.parquet").stat().st_mtime_ns == written
