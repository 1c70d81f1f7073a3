"""A run that was cut short goes on as if nothing had happened, or says why it cannot."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
from made_runs import FLAGS, THIRSTY, ThirstyNetwork

from cosim import cli
from cosim.errors import OutputError
from cosim.record import TABLES, RunFolder
from ns3_scenarios.errors import NetworkFailedError
from ns3_scenarios.network import Network
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.scenario import NetworkScenario
from ns3_scenarios.traffic import RoundTraffic

SMALL = ("--network.num_devices=4", "--learning.dataset=made", "--iteration.max_iterations=3")
FEW = ("--learning.rounds=5", "--learning.batch_size=8", "--learning.feature_dim=8")
IDEAL = (*SMALL, *FEW, "--network.kind=ideal")
FILES = (*(f"{name}.parquet" for name in (*TABLES, "partition")), "config.toml")


@pytest.fixture(autouse=True)
def only_what_counts_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave out pictures and report; put back the signal handlers that a run takes."""
    monkeypatch.setattr(cli.figures, "draw_all", lambda tables, folder: None)
    monkeypatch.setattr(cli.report, "write_report", lambda folder: None)
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


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
    for name in ("IdealNetwork", "AnalyticNetwork"):
        network_type = getattr(cli, name)
        monkeypatch.setattr(cli, name, partial(make_failing, network_type, round_index))


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


@pytest.mark.parametrize(
    "flags",
    [
        (*IDEAL,),
        (*IDEAL, "--iteration.rule=random", "--learning.modality_pattern=thirds"),
        (*IDEAL, "--iteration.rule=dropout", "--learning.evaluate_every=2"),
        (*IDEAL, "--iteration.rule=static", "--learning.normalisation=gossip"),
        (*IDEAL, "--learning.mixing=push_sum"),
        (*IDEAL, "--learning.payload_codec=top_k"),
        (*IDEAL, "--learning.generator=network"),
        (*IDEAL, "--learning.method=qg_momentum"),
        (*IDEAL, "--learning.method=fedopt_star"),
        # Messages that the round is too short for, and whose rests go in the next.
        (
            *(*SMALL, *FEW, "--network.kind=analytic", "--learning.late_weight=0.5"),
            *("--network.round_period_s=0.1", "--network.tx_power_dbm=-10"),
        ),
    ],
    ids=lambda flags: " ".join(flag.split(".")[-1] for flag in flags[len(IDEAL) - 1 :]),
)
def test_a_run_that_failed_twice_ends_with_the_bytes_of_one_that_did_not(
    tmp_path: Path, flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main([*flags, "--output", str(tmp_path / "whole")]) == 0
    cut_short(tmp_path / "run", flags, 2, monkeypatch)
    with monkeypatch.context() as patch:
        fail_in(4, patch)
        assert cli.main(["resume", str(tmp_path / "run")]) == 3
    assert cli.main(["resume", str(tmp_path / "run.partial")]) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "run")
    rests = pd.read_parquet(tmp_path / "run" / "flows.parquet")["is_rest"]
    assert rests.any() == ("--learning.late_weight=0.5" in flags)
    assert not list(tmp_path.glob("*.partial"))
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "complete"
    assert manifest["resumed_after_rounds"] == [2, 4]


def test_a_run_whose_device_died_in_training_goes_on_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "IdealNetwork", partial(ThirstyNetwork, device=THIRSTY, factor=40.0))
    flags = (*IDEAL, *FLAGS["death"], "--learning.rounds=5", "--energy.reserve_j=0")
    assert cli.main([*flags, "--output", str(tmp_path / "whole")]) == 0
    cut_short(tmp_path / "run", flags, 4, monkeypatch)
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "run")
    devices = pd.read_parquet(tmp_path / "run" / "devices.parquet")
    mine = devices[devices["device"] == THIRSTY]
    assert mine["alive"].iloc[0]
    assert not mine["alive"].iloc[3]


def test_what_a_killed_run_was_writing_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main([*IDEAL, "--output", str(tmp_path / "whole")]) == 0
    cut_short(tmp_path / "run", IDEAL, 3, monkeypatch)
    left = tmp_path / "run.partial"
    # SIGKILL joins no tables, and may come in the middle of a file.
    for name in TABLES:
        (left / f"{name}.parquet").unlink()
    (left / "rounds.parts" / "rounds-000003.parquet").write_bytes(b"PAR1 and no more")
    (left / "checkpoint" / "learner.new").write_bytes(b"half a state")
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_a_run_killed_before_its_first_round_was_stored_begins_again(tmp_path: Path) -> None:
    assert cli.main([*IDEAL, "--output", str(tmp_path / "whole")]) == 0
    config = cli.load([*IDEAL], None, None)
    RunFolder(tmp_path / "run", config).release()
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_a_finished_run_says_what_it_came_to_and_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*IDEAL, "--output", str(tmp_path / "run")]) == 0
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    capsys.readouterr()
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert "4 of 4 devices alive" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == stamps


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert cli.main(arguments) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("error: "))
    return line


def test_a_record_that_the_network_does_not_repeat_is_refused_by_round_and_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_short(tmp_path / "run", IDEAL, 3, monkeypatch)
    part = tmp_path / "run.partial" / "rounds.parts" / "devices-000001.parquet"
    table = pd.read_parquet(part)
    table.loc[2, "remaining_energy_j"] += 1e-12
    table.to_parquet(part, index=False)
    line = refused(["resume", str(tmp_path / "run")], capsys)
    assert "expected round 2 to come out as recorded" in line
    assert "column remaining_energy_j of its devices" in line
    # What was finished is still there.
    kept = pd.read_parquet(tmp_path / "run.partial" / "rounds.parquet")
    assert list(kept["round"]) == [0, 1, 2]


def test_another_code_package_or_field_than_the_run_began_with_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    manifest = tmp_path / "run.partial" / "manifest.json"
    text = manifest.read_text(encoding="utf-8")
    began = json.loads(text)
    for changed, expected in (
        ({"code_version": "0123456789ab"}, "expected code_version 0123456789ab"),
        ({"versions": began["versions"] | {"torch": "1.0"}}, "expected versions of torch 1.0"),
    ):
        manifest.write_text(json.dumps(began | changed), encoding="utf-8")
        assert expected in refused(["resume", str(tmp_path / "run")], capsys)
    manifest.write_text(text, encoding="utf-8")
    config = tmp_path / "run.partial" / "config.toml"
    config.write_text(config.read_text().replace("rounds = 5", "rounds = 9"), encoding="utf-8")
    assert "expected config_sha256" in refused(["resume", str(tmp_path / "run")], capsys)


def test_a_changed_file_of_ones_own_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = Path(cli.__file__).parents[1] / "learning" / "methods" / "examples" / "own_method.py"
    own = tmp_path / "mine.py"
    shutil.copy(example, own)
    flags = (*IDEAL, f"--learning.method={own}")
    cut_short(tmp_path / "run", flags, 2, monkeypatch)
    own.write_text(own.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    line = refused(["resume", str(tmp_path / "run")], capsys)
    assert "own_files_sha256 of mine.py" in line


def test_a_folder_in_which_a_run_is_under_way_is_refused(tmp_path: Path) -> None:
    config = cli.load([*IDEAL], None, None)
    first = RunFolder(tmp_path / "run", config)
    with pytest.raises(OutputError, match="in which one is under way"):
        RunFolder(tmp_path / "run", config, take_up=True)
    first.release()
    RunFolder(tmp_path / "run", config, take_up=True).release()


@pytest.mark.parametrize("name", ["nothing", "file", "empty.partial"])
def test_what_holds_no_unfinished_run_is_refused(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a run", encoding="utf-8")
    (tmp_path / "empty.partial").mkdir()
    line = refused(["resume", str(tmp_path / name)], capsys)
    assert "expected an unfinished run, got no" in line
