"""A run is repeated without its network as long as it asks for the same, or refused in a line."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from cut_runs import FEW, FILES, SMALL, change_manifest, cut_short, refused

from cosim import cli
from cosim.files import file_hash
from cosim.records import network_record
from cosim.records.layout import TABLES
from cosim.records.manifest import read_manifest
from cosim.report import presentation
from ns3_scenarios.errors import NetworkFailedError
from ns3_scenarios.replay import ReplayNetwork
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic

pytestmark = pytest.mark.usefixtures("only_the_run")

FLAGS = (*SMALL, *FEW, "--iteration.rule=uniform")
# Short rounds over weak links: late messages, and rests of them.
RUNS = {
    "analytic": (
        *(*FLAGS, "--network.kind=analytic", "--learning.late_weight=0.5"),
        *("--network.round_period_s=0.1", "--network.tx_power_dbm=-10", "--energy.battery_j=20"),
    ),
    "ideal": (*FLAGS, "--network.kind=ideal"),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs by name."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presentation, "draw", lambda folder, figures=True: {})
        for name, flags in RUNS.items():
            assert cli.main([*flags, "--output", str(folder / name)]) == 0
    return folder


def replay_of(run: Path) -> list[str]:
    """The documented words."""
    return [
        *("--config", str(run / "config.toml"), "--network.kind", "replay"),
        *("--network.replay", str(run)),
    ]


@pytest.mark.parametrize("name", RUNS)
def test_a_replay_gives_the_bytes_of_its_record_and_says_that_it_is_one(
    recorded: Path, tmp_path: Path, name: str
) -> None:
    run, again = recorded / name, tmp_path / "again"
    assert cli.main([*replay_of(run), "--output", str(again)]) == 0
    for file in FILES[:-1]:
        assert (run / file).read_bytes() == (again / file).read_bytes(), file
    said = read_manifest(again)
    assert said.network_kind == "replay"
    assert said.own_files_sha256 == {
        str(run / file): file_hash(run / file)
        for file in ("config.toml", *(f"{each}.parquet" for each in TABLES))
    }


def test_other_learning_over_the_same_traffic_has_the_same_network(
    recorded: Path, tmp_path: Path
) -> None:
    rate, again, live = "--learning.learning_rate=0.0001", tmp_path / "again", tmp_path / "live"
    assert cli.main([*replay_of(recorded / "ideal"), rate, "--output", str(again)]) == 0
    assert cli.main([*RUNS["ideal"], rate, "--output", str(live)]) == 0
    for table in TABLES:
        files = (run / f"{table}.parquet" for run in (again, live, recorded / "ideal"))
        replayed, alive, before = (file.read_bytes() for file in files)
        assert replayed == alive
        assert (replayed == before) == (table in ("links", "flows", "forwarding", "plans"))


def test_fewer_rounds_are_its_first_ones(recorded: Path, tmp_path: Path) -> None:
    words = [*replay_of(recorded / "ideal"), "--learning.rounds=2"]
    assert cli.main([*words, "--output", str(tmp_path / "two")]) == 0
    two, all_ = (
        pd.read_parquet(run / "flows.parquet") for run in (tmp_path / "two", recorded / "ideal")
    )
    pd.testing.assert_frame_equal(two, all_[all_["round"] <= 2])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--learning.rounds=6",), "learning.rounds: expected at most the 5 rounds"),
        (("--network.num_devices=5",), "network.num_devices: expected 4 as in the record"),
        (("--network.tx_power_dbm=3",), "network.tx_power_dbm: expected -10.0 as in the record"),
        (("--energy.harvest_power_w=1",), "energy.harvest_power_w: expected 0.0 as in"),
        (("--seed=2",), "seed: expected 1 as in the record of network.replay, got 2"),
        (("--scenario=adhoc80211",), "scenario: expected mesh80211 as in the record"),
        (("--energy.device_file=BATTERIES",), "energy.device_file: expected None as in the record"),
        (("--network.replay=/nowhere",), "network.replay: expected the folder of a finished run"),
        # What only traffic shows, by its first message or device.
        (
            ("--learning.payload_codec=float16",),
            "message 1: expected 231 bytes of specific_acc from device 0 to 1, got ",
        ),
        (
            ("--iteration.max_iterations=2",),
            "network.replay: round 1, device 0: expected compute_s 0.0",
        ),
        (("--learning.method=local",), "network.replay: round 1, messages: expected 4"),
    ],
)
def test_what_its_network_would_have_answered_otherwise_is_refused_and_nothing_written(
    recorded: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    batteries = tmp_path / "batteries.csv"
    batteries.write_text("battery_j\n1\n1\n1\n1\n", encoding="utf-8")
    given = [word.replace("BATTERIES", str(batteries)) for word in words]
    line = refused(
        [*replay_of(recorded / "analytic"), *given, "--output", str(tmp_path / "x")], capsys
    )
    assert said in line
    assert os.listdir(tmp_path) == ["batteries.csv"]


def test_traffic_that_differs_later_is_refused_by_its_round_and_nothing_kept(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The first plan knows no speeds of training, the second goes by them.
    words = [*replay_of(recorded / "ideal"), "--iteration.rule=balance"]
    line = refused([*words, "--output", str(tmp_path / "x")], capsys)
    assert "network.replay: round 2, device" in line
    assert line.endswith("messages and computing as they were, or run it live")
    assert os.listdir(tmp_path) == []


def test_files_count_by_what_they_hold_wherever_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batteries = tmp_path / "batteries.csv"
    batteries.write_text("battery_j\n5\n6\n7\n8\n", encoding="utf-8")
    words = [*RUNS["ideal"], "--learning.rounds=2", f"--energy.device_file={batteries}"]
    assert cli.main([*words, "--output", str(tmp_path / "run")]) == 0
    copy = f"--energy.device_file={tmp_path / 'run' / 'batteries.csv'}"
    replay = replay_of(tmp_path / "run")
    batteries.write_text("battery_j\n5\n6\n7\n9\n", encoding="utf-8")
    line = refused([*replay, "--output", str(tmp_path / "x")], capsys)
    assert "energy.device_file: expected" in line
    assert line.count("sha256") == 2
    batteries.unlink()
    assert cli.main([*replay, copy, "--output", str(tmp_path / "x")]) == 0


def test_a_record_that_is_cut_or_changed_or_itself_a_replay_is_refused(
    recorded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, into = tmp_path / "run", ("--output", str(tmp_path / "x"))
    shutil.copytree(recorded / "ideal", run)
    assert cli.main([*replay_of(run), "--output", str(tmp_path / "again")]) == 0
    line = refused([*replay_of(tmp_path / "again"), *into], capsys)
    assert "expected a run of a network, got a replay" in line
    change_manifest(run, code_version="0123456789ab")
    two = ("--learning.rounds=2", "--output", str(tmp_path / "two"))
    assert cli.main([*replay_of(run), *two]) == 0
    log = (tmp_path / "two" / "log.txt").read_text(encoding="utf-8")
    assert "warning: network.replay: recorded by code 0123456789ab, this is " in log
    flows = run / "flows.parquet"
    flows.write_bytes(flows.read_bytes()[:-1])
    line = refused([*replay_of(run), *into], capsys)
    assert f"expected {flows} as its run wrote it, got a changed one" in line
    flows.unlink()
    assert "got none" in refused([*replay_of(run), *into], capsys)
    cut_short(tmp_path / "cut", RUNS["ideal"], 2, monkeypatch)
    line = refused([*replay_of(tmp_path / "cut.partial"), *into], capsys)
    assert "got one that is failed after 2 rounds" in line
    assert not (tmp_path / "x").exists()


def test_a_replay_that_was_cut_short_goes_on_and_not_with_another_record(
    recorded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(recorded / "analytic", tmp_path / "run")
    replay = replay_of(tmp_path / "run")

    class Dying(ReplayNetwork):
        def run_round(self, traffic: RoundTraffic) -> RoundReport:
            if traffic.round_index == 3:
                raise NetworkFailedError("it died")
            return super().run_round(traffic)

    with monkeypatch.context() as patch:
        patch.setattr(network_record, "ReplayNetwork", Dying)
        assert cli.main([*replay, "--output", str(tmp_path / "again")]) == 3
    links = tmp_path / "run" / "links.parquet"
    whole = links.read_bytes()
    links.write_bytes(whole + b" ")
    line = refused(["resume", str(tmp_path / "again")], capsys)
    assert f"expected own_files_sha256 of {links}" in line
    links.write_bytes(whole)
    assert cli.main(["resume", str(tmp_path / "again")]) == 0
    for table in TABLES:
        one, other = (tmp_path / run / f"{table}.parquet" for run in ("run", "again"))
        assert one.read_bytes() == other.read_bytes(), table


def test_kinds_that_read_something_are_refused_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, field in (("replay", "replay"), ("trace", "link_trace")):
        line = refused([*FLAGS, f"--network.kind={kind}", "--output", str(tmp_path / "x")], capsys)
        assert f"network.{field}: expected what network.kind {kind} reads, got none" in line
    assert os.listdir(tmp_path) == []


def test_the_record_of_a_version_that_kept_less_is_refused_by_the_column_that_it_lacks(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(recorded / "ideal", run)
    path = run / "flows.parquet"
    pd.read_parquet(path).drop(columns="chunk_map").to_parquet(path)
    hashes = read_manifest(run).files_sha256 | {path.name: file_hash(path)}
    change_manifest(run, files_sha256=hashes, code_version="0123456789ab")
    line = refused([*replay_of(run), "--output", str(tmp_path / "x")], capsys)
    assert "expected column chunk_map in flows.parquet, got a record without" in line
    assert "(0123456789ab)" in line
