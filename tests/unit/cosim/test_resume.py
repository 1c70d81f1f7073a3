"""A run that was cut short goes on as if nothing had happened."""

import json
import shutil
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from cut_runs import (
    FEW,
    IDEAL,
    SMALL,
    assert_same_run,
    change_checkpoint,
    change_manifest,
    cut_short,
    fail_in,
    refused,
)
from made_runs import FLAGS, THIRSTY, ThirstyNetwork

from cosim import cli
from cosim.config import assemble
from cosim.config.assemble import make_learner
from cosim.config.sources import load
from cosim.records import origin
from cosim.records.folder import RunFolder

pytestmark = pytest.mark.usefixtures("only_the_run")


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
        # What a policy remembers, and powers that are not the usual ones.
        (*IDEAL, "--policy=round_robin"),
        (*(*SMALL, *FEW, "--network.kind=analytic"), "--policy=power_control"),
        # Codecs of their choice, where one remembers what was sent before.
        (*IDEAL, "--policy=random_codec", "--learning.payload_codec=top_k"),
        # Frames left in queues, of devices some of which die.
        (
            *(*SMALL, *FEW, "--scenario=adhoc80211", "--network.kind=surrogate"),
            *("--network.num_devices=9", "--energy.battery_j=8", "--energy.reserve_j=0"),
        ),
        # Which rounds are trained in, and what is harvested, is known from those before.
        (
            *IDEAL,
            *("--energy.battery_j=0.03", "--energy.harvest_power_w=0.001"),
            "--energy.reserve_j=0",
        ),
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
    monkeypatch.setattr(
        assemble, "IdealNetwork", partial(ThirstyNetwork, device=THIRSTY, factor=40.0)
    )
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
    # SIGKILL may come in the middle of a file.
    (left / "rounds.parts" / "rounds-000003.parquet").write_bytes(b"PAR1 and no more")
    (left / "rounds.parts" / "links-000003.new").write_bytes(b"PAR1 and no more")
    (left / "rounds.parts" / "rounds-backup.parquet").write_bytes(b"not ours")
    (left / "checkpoint" / "learner.new").write_bytes(b"half a state")
    # Nor does it say in the manifest how far it came.
    change_manifest(left, status="running", rounds=0)
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_a_run_killed_before_its_first_round_was_stored_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main([*IDEAL, "--output", str(tmp_path / "whole")]) == 0
    config = load([*IDEAL], None, None)
    data = make_learner(config)[0]
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
    assert set(devices.loc[devices["round"] == 1, "start_energy_j"]) == {900.0}


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


def test_another_processor_is_warned_of_and_named_in_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    monkeypatch.setattr(origin, "processor", lambda: "Another 9000")
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert "another processor: Another 9000" in (tmp_path / "run" / "log.txt").read_text("utf-8")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["host"]["processor"] != "Another 9000"
    assert manifest["resumed"][0]["host"]["processor"] == "Another 9000"


def test_in_portable_arithmetic_another_processor_is_not_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin.arithmetic, "in_use", lambda: "portable")
    cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    monkeypatch.setattr(origin, "processor", lambda: "Another 9000")
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert "another processor" not in (tmp_path / "run" / "log.txt").read_text("utf-8")


def test_another_arithmetic_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(origin.arithmetic, "in_use", lambda: "portable")
        cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    monkeypatch.setattr(origin.arithmetic, "in_use", lambda: "fast")
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert "It may round otherwise" in (tmp_path / "run" / "log.txt").read_text("utf-8")


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
        after["waited_s"] + after["learning_s"] + after["rest_s"], abs=0.01
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


def test_how_long_the_repetition_takes_is_said_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    times = {"learning_s": 1.0, "waited_s": 1.0}
    # 12 s for two rounds. Then 30 s in all: for these twice, and a third, 6 s a round.
    for ns3_s, total_s, rounds, said_s in ((12.0, 1e3, 3, 12), (30.0, 1e4, 4, 18)):
        change_checkpoint(
            tmp_path / "run.partial", timings=times | {"ns3_s": ns3_s, "total_s": total_s}
        )
        with monkeypatch.context() as patch:
            fail_in(rounds, patch)
            assert cli.main(["resume", str(tmp_path / "run")]) == 3
        log = (tmp_path / "run.partial" / "log.txt").read_text(encoding="utf-8")
        said = [line for line in log.splitlines() if "are repeated first" in line]
        assert said[-1].endswith(f"by the network, some {said_s} s as they took")
        first = log.splitlines().index(said[-1])
        assert "round 1 repeated" in log.splitlines()[first + 1]
