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

from cosim import cli, origin
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
    assert [step["after_rounds"] for step in manifest["resumed"]] == [2, 4]


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
    (left / "rounds.parts" / "rounds-backup.parquet").write_bytes(b"not ours")
    (left / "checkpoint" / "learner.new").write_bytes(b"half a state")
    # Nor does it say in the manifest how far it came.
    manifest = json.loads((left / "manifest.json").read_text(encoding="utf-8"))
    running = manifest | {"status": "running", "rounds": 0}
    (left / "manifest.json").write_text(json.dumps(running), encoding="utf-8")
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_a_run_killed_before_its_first_round_was_stored_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main([*IDEAL, "--output", str(tmp_path / "whole")]) == 0
    config = cli.load([*IDEAL], None, None)
    data = cli.load_data(cli.learning_setup(config).data)
    RunFolder(tmp_path / "run", config, data).release()
    # That it fails once more takes nothing away.
    with monkeypatch.context() as patch:
        fail_in(0, patch)
        assert cli.main(["resume", str(tmp_path / "run")]) == 3
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


@pytest.mark.parametrize(
    ("table", "column", "change"),
    [("devices", "remaining_energy_j", 1e-12), ("rounds", "events", 1), ("flows", "finish_s", 1.0)],
)
def test_a_record_that_the_network_does_not_repeat_is_refused_by_round_and_column(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    table: str,
    column: str,
    change: float,
) -> None:
    cut_short(tmp_path / "run", IDEAL, 3, monkeypatch)
    part = tmp_path / "run.partial" / "rounds.parts" / f"{table}-000001.parquet"
    rows = pd.read_parquet(part)
    rows.loc[0, column] += change
    rows.to_parquet(part, index=False)
    line = refused(["resume", str(tmp_path / "run")], capsys)
    assert "expected round 2 to come out as recorded" in line
    assert f"column {column} of its {table}" in line
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


def test_a_changed_file_of_ones_own_is_refused_even_if_another_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learning = Path(cli.__file__).parents[1] / "learning"
    method, model = tmp_path / "a" / "mine.py", tmp_path / "b" / "mine.py"
    for example, own in (
        (learning / "methods" / "examples" / "own_method.py", method),
        (learning / "examples" / "own_encoder.py", model),
    ):
        own.parent.mkdir()
        shutil.copy(example, own)
    flags = (*IDEAL, f"--learning.method={method}", f"--learning.model={model}")
    cut_short(tmp_path / "run", flags, 2, monkeypatch)
    method.write_text(method.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    line = refused(["resume", str(tmp_path / "run")], capsys)
    assert f"own_files_sha256 of {method}" in line


OWN_DATA = """
from pathlib import Path
import numpy as np

def load():
    rng = np.random.default_rng(int((Path(__file__).parent / "number.txt").read_text()))
    label = np.arange(600) % 3
    values = {name: rng.normal(label[:, None], 1.0, (600, 6)).astype(np.float32) for name in "ab"}
    subject = np.arange(600) // 30
    split = np.where(subject < 15, "train", "test")
    return {"modalities": values, "label": label, "subject": subject, "split": split}
"""


def test_data_that_have_changed_are_refused_where_their_file_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(OWN_DATA, encoding="utf-8")
    (tmp_path / "number.txt").write_text("1", encoding="utf-8")
    flags = (*IDEAL, f"--learning.dataset={tmp_path / 'mine.py'}")
    cut_short(tmp_path / "run", flags, 2, monkeypatch)
    (tmp_path / "number.txt").write_text("2", encoding="utf-8")
    assert "expected data_sha256" in refused(["resume", str(tmp_path / "run")], capsys)


def test_a_run_goes_on_from_another_folder_with_the_tables_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("mine.csv").write_text("battery_j\n" + "900\n" * 4, encoding="utf-8")
    flags = (*IDEAL, "--energy.device_file=mine.csv")
    cut_short(Path("run"), flags, 2, monkeypatch)
    monkeypatch.chdir(tmp_path / "there")
    assert cli.main(["resume", "../here/run"]) == 0
    devices = pd.read_parquet(tmp_path / "here" / "run" / "devices.parquet")
    assert set(devices.loc[devices["round"] == 0, "start_energy_j"]) == {900.0}


def contents(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "log.txt")
    return {path: path.read_bytes() for path in files}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def swap_for_older(path: Path, rounds: int) -> None:
    stored = torch.load(path, weights_only=True)
    torch.save(stored | {"rounds": rounds}, path)


@pytest.mark.parametrize(
    ("name", "damage", "expected"),
    [
        ("rounds.parts/links-000001.parquet", cut, "expected the whole files of a run"),
        ("rounds.parts/links-000001.parquet", Path.unlink, "expected the whole files of a run"),
        ("checkpoint/learner.pt", cut, "expected the whole files of a run"),
        ("checkpoint/learner.pt", Path.unlink, "expected 3 finished rounds"),
        ("checkpoint/learner.pt", partial(swap_for_older, rounds=1), "expected 3 finished rounds"),
        ("checkpoint/learner.pt", partial(swap_for_older, rounds=2), "expected 3 finished rounds"),
        ("manifest.json", partial(Path.write_text, data="[]"), "expected the whole files of a"),
        ("manifest.json", cut, "expected the whole files of a run"),
        ("manifest.json", Path.unlink, "expected the whole files of a run"),
    ],
)
def test_damaged_remains_are_refused_and_nothing_of_them_is_changed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    damage: Callable[[Path], None],
    expected: str,
) -> None:
    cut_short(tmp_path / "run", IDEAL, 3, monkeypatch)
    damage(tmp_path / "run.partial" / name)
    before = contents(tmp_path)
    assert expected in refused(["resume", str(tmp_path / "run")], capsys)
    assert contents(tmp_path) == before


def test_a_finished_run_stays_finished_when_it_is_interrupted_while_it_tidies_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted)
        assert cli.main([*IDEAL, "--output", str(tmp_path / "run")]) == 130
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["status"], manifest["rounds"]) == ("complete", 5)
    assert cli.main(["resume", str(tmp_path / "run")]) == 0


def test_what_lies_under_the_final_name_is_found_before_a_round_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("dear", encoding="utf-8")
    before = contents(tmp_path)
    assert "which holds other files" in refused(["resume", str(tmp_path / "run")], capsys)
    assert contents(tmp_path) == before


def test_another_processor_is_warned_of_and_named_in_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    monkeypatch.setattr(origin, "_processor", lambda: "Another 9000")
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert "another processor: Another 9000" in (tmp_path / "run" / "log.txt").read_text("utf-8")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["host"]["processor"] != "Another 9000"
    assert manifest["resumed"][0]["host"]["processor"] == "Another 9000"


def test_a_folder_in_which_a_run_is_under_way_is_refused(tmp_path: Path) -> None:
    config = cli.load([*IDEAL], None, None)
    data = cli.load_data(cli.learning_setup(config).data)
    first = RunFolder(tmp_path / "run", config, data)
    with pytest.raises(OutputError, match="expected no run under way"):
        RunFolder(tmp_path / "run", config, data, take_up=True)
    first.release()
    RunFolder(tmp_path / "run", config, data, take_up=True).release()


@pytest.mark.parametrize("name", ["nothing", "file", "empty.partial", ".", "/"])
def test_what_holds_no_unfinished_run_is_refused(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a run", encoding="utf-8")
    (tmp_path / "empty.partial").mkdir()
    line = refused(["resume", str(tmp_path / name)], capsys)
    assert "expected an unfinished run, got no" in line


@pytest.mark.parametrize("there_already", [True, False])
def test_a_link_as_output_names_the_folder_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there_already: bool
) -> None:
    if there_already:
        (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with monkeypatch.context() as patch:
        fail_in(2, patch)
        assert cli.main([*IDEAL, "--output", str(tmp_path / "link")]) == 3
    assert cli.main(["resume", str(tmp_path / "link")]) == 0
    assert (tmp_path / "real" / "manifest.json").exists()


def test_wall_times_are_those_of_all_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(tmp_path / "run", IDEAL, 3, monkeypatch)

    def timings(folder: str) -> dict[str, float]:
        manifest = json.loads((tmp_path / folder / "manifest.json").read_text(encoding="utf-8"))
        found: dict[str, float] = manifest["timings"]
        return found

    before = timings("run.partial")
    assert before["total_s"] > before["learning_s"] > 0
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    after = timings("run")
    assert all(after[name] >= before[name] for name in before)
    assert after["total_s"] == pytest.approx(
        after["ns3_s"] + after["learning_s"] + after["rest_s"], abs=0.01
    )


def test_an_unfinished_run_under_another_name_or_link_is_not_taken_for_a_finished_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    shutil.copytree(tmp_path / "run.partial", tmp_path / "copy")
    assert "expected an unfinished run" in refused(["resume", str(tmp_path / "copy")], capsys)
    (tmp_path / "latest").symlink_to(tmp_path / "run.partial")
    assert cli.main(["resume", str(tmp_path / "latest")]) == 0
    assert (tmp_path / "run" / "manifest.json").exists()
