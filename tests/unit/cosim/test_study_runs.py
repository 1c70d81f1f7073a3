"""The row of a run, and what became of each run of a study, from made tables and folders."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_config import make_config
from made_tables import made_run

from cosim.errors import OutputError
from cosim.studies import collect as collecting
from cosim.studies import estimate
from cosim.studies import folder as folders
from cosim.studies.collect import collect
from cosim.studies.folder import StudyFolder
from cosim.studies.runs_table import numbers
from cosim.studies.study import Case, Study


def test_the_row_of_a_run_with_deaths_is_that_of_a_plain_loop() -> None:
    run = made_run(devices=6, rounds=9, deaths={1: 3, 4: 5})
    run.rounds["accuracy_alive_mean"] += 0.01
    row = numbers(run.rounds, run.devices, run.flows, run.manifest["timings"], 0.5)
    means = list(run.rounds["accuracy_mean"])
    assert row["accuracy_last"] == means[-1]
    assert row["accuracy_last5"] == pytest.approx(sum(means[-5:]) / 5)
    assert row["accuracy_living"] == run.rounds["accuracy_alive_mean"].iloc[-1]
    assert (row["alive_devices"], row["devices"], row["rounds"]) == (4, 6, 9)
    joules, sent, reached = 0.0, 0, None
    for number, mean in enumerate(means):
        mine = run.devices[run.devices["round"] == number]
        joules += sum(mine[name].sum() for name in ("radio_j", "compute_j", "board_j"))
        sent += mine["sent_bytes"].sum()
        each = run.rounds.iloc[number]
        if reached is None and mean >= 0.5:
            reached = (each["start_s"] + each["duration_s"], joules, sent)
    assert reached is not None
    assert row["energy_j"] == pytest.approx(joules)
    assert row["overspent_j"] == pytest.approx(
        sum(value for value in run.devices["overspent_j"] if not np.isnan(value))
    )
    assert row["sent_bytes"] == sent
    names = ("time_to_target_s", "energy_to_target_j", "bytes_to_target")
    assert [row[name] for name in names] == pytest.approx(reached)
    never = numbers(run.rounds, run.devices, run.flows, run.manifest["timings"], 0.99)
    assert [never[name] for name in names] == [None] * 3
    without = numbers(run.rounds, run.devices, run.flows, run.manifest["timings"], None)
    assert [without[name] for name in names] == [None] * 3


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    for name in ("cases", "configs", "logs"):
        (tmp_path / name).mkdir()
    table = pd.DataFrame({"case": ["one"], "refused": [""], "seed": [1]})
    table.to_csv(tmp_path / "cases.csv", index=False)
    return StudyFolder(tmp_path)


@pytest.mark.parametrize(
    ("codes", "has_partial", "state"),
    [
        ([], False, "missing"),
        ([], True, "cut"),
        ([130], True, "cut"),
        ([-9], True, "cut"),
        ([-9], False, "missing"),
        ([3], True, "failed"),
        ([-11], True, "failed"),
        ([1], False, "failed"),
        ([2], False, "failed"),
        ([2], True, "cut"),  # as a full disk, behind finished rounds
        ([-1], True, "cut"),
        ([3, 130], True, "cut"),
        ([3, 4], True, "failed"),
    ],
)
def test_a_run_that_is_not_done_has_the_state_of_its_last_attempt(
    study: StudyFolder, codes: list[int], has_partial: bool, state: str
) -> None:
    for code in codes:
        study.add_attempt("one", rc=code)
    if has_partial:
        (study.run("one.partial")).mkdir()
        (study.run("one.partial") / "manifest.json").write_text("{}")
    study.log("one").write_text("round 1 of 3\nerror: expected this, got that\n")
    (status,) = study.statuses(study.expected())
    assert status.state == state
    if state == "failed":
        assert "expected this, got that" in status.why


def test_where_locks_do_not_work_a_sign_of_life_tells_for_ten_minutes(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(folders.fcntl, "flock", no_locks)
    study.beat("one").touch()
    (status,) = study.statuses(study.expected())
    assert status.state == "under way"
    old_s = time.time() - 601
    os.utime(study.beat("one"), (old_s, old_s))
    (status,) = study.statuses(study.expected())
    assert status.state == "missing"


def test_two_that_begin_a_study_at_once_take_it_for_the_same_and_another_for_anothers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = (tmp_path / where / "mine.toml" for where in ("one", "two"))
    for path in (mine, other):
        path.parent.mkdir()
        path.write_text("question = 'which?'")
    root, begun = tmp_path / "study", []
    put = StudyFolder.put

    def put_while_another_begins(self: StudyFolder, path: Path, content: bytes) -> None:
        put(self, path, content)
        if begun:
            return
        begun.append(path)
        StudyFolder(root).write(mine, False, [])
        with pytest.raises(OutputError, match="expected the folder of"):
            StudyFolder(root).write(other, False, [])

    monkeypatch.setattr(StudyFolder, "put", put_while_another_begins)
    StudyFolder(root).write(mine, False, [])
    assert begun
    assert StudyFolder(root).origin() == {"file": str(mine), "quick": False}


def test_a_trial_of_one_and_of_three_rounds_tells_what_rounds_and_the_rest_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases = [
        Case("", {}, 1, make_config(f"--learning.rounds={rounds}")) for rounds in (10, 20, 30)
    ] + [Case("", {}, 1, None, "refused")]
    monkeypatch.setattr(estimate, "_seconds", lambda config, rounds: 5.0 + 2.0 * rounds)
    assert estimate.by_trial(cases) == pytest.approx(25 + 45 + 65)


def test_how_long_runs_take_is_the_mean_of_the_finished_ones(study: StudyFolder) -> None:
    assert estimate.by_finished(study, 3) is None
    (name,) = study.expected()["case"]
    for code, seconds in ((0, 4.0), (3, 100.0), (0, 6.0)):
        study.add_attempt(name, rc=code, seconds=seconds)
    assert estimate.by_finished(study, 3) == pytest.approx(15.0)


def test_a_failed_run_without_a_log_says_so(study: StudyFolder) -> None:
    study.add_attempt("one", rc=3)
    (status,) = study.statuses(study.expected())
    assert (status.state, status.why) == ("failed", "exit code 3: it left no log")


def test_a_torn_line_of_attempts_counts_as_none(study: StudyFolder) -> None:
    study.add_attempt("one", rc=0)
    with (study.root / "logs" / "one.jsonl").open("a") as file:
        file.write('{"rc": 3, "atte')
    assert study.attempts("one") == [{"rc": 0}]
    assert json.loads((study.root / "logs" / "one.jsonl").read_text().splitlines()[0]) == {"rc": 0}


def test_runs_of_two_versions_of_the_code_are_not_averaged_unless_told(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"case": f"{i}", "seed": i, "state": "done", "why": "", "code_version": version}
        | {"accuracy_last5": 0.5 + 0.1 * i, "energy_j": 1.0 * i, "processor": "p"}
        for i, version in enumerate(("aaa", "bbb"))
    ]
    monkeypatch.setattr(collecting, "runs_table", lambda *_: pd.DataFrame(rows))
    with pytest.raises(OutputError, match="one version of the code.*aaa, bbb"):
        collect(study, Study())
    assert not (study.root / "cells.csv").exists()
    (study.root / "study.toml").write_text("")
    (study.root / "study.json").write_text('{"file": "mine.toml", "quick": false}')
    collect(study, Study(), mixed_code=True)
    cells = pd.read_csv(study.root / "cells.csv")
    found = cells.loc[cells["column"] == "accuracy_last5", "mean"].item()
    assert found == pytest.approx(np.mean([0.5, 0.6]))


def test_matlab_gets_the_columns_as_numbers_and_text(tmp_path: Path) -> None:
    from scipy.io import loadmat

    table = pd.DataFrame(
        {"case": ["a", "b"], "network.tx_power_dbm": [8.0, 16.0], "energy_j": [1.5, None]}
    )
    collecting.export_matlab(table, tmp_path / "runs.mat")
    runs = loadmat(tmp_path / "runs.mat", simplify_cells=True)["runs"]
    assert list(runs["case"]) == ["a", "b"]
    assert list(runs["network_tx_power_dbm"]) == [8.0, 16.0]
    assert runs["energy_j"][0] == 1.5
    assert np.isnan(runs["energy_j"][1])
