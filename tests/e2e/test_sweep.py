"""A study by the real script: what is missing is done, and nothing twice."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_studies import STUDY, write_study
from script import SCRIPT

from cosim.records import paths
from cosim.records.layout import JOINED, LOG


def command(study: Path, *more: str) -> list[str]:
    results = ["--results", str(study.parent)]
    return [sys.executable, str(SCRIPT), "sweep", str(study), *results, "--jobs", "2", *more]


def sweep(study: Path, *more: str, code: int = 0) -> str:
    done = subprocess.run(
        command(study, *more), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in JOINED}


def attempts(root: Path, name: str) -> list[dict[str, object]]:
    lines = (root / "logs" / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = write_study(tmp_path_factory.mktemp("study"))
    done = subprocess.run(command(study), capture_output=True, text=True, check=True, timeout=300)
    assert "8 of 8 runs to do" in done.stdout
    told = re.findall(r"^(\d) of 8: learning_rate=", done.stderr, re.MULTILINE)
    assert told == list("12345678")
    return study


@pytest.mark.e2e
def test_a_study_is_carried_out_once_and_its_page_is_there(swept: Path) -> None:
    root = swept.with_suffix("")
    table = pd.read_csv(root / "runs.csv")
    assert list(table["state"]) == ["done"] * 8
    before = {path: path.stat().st_mtime_ns for path in (root / "cases").rglob("*")}
    started = time.monotonic()
    said = sweep(swept)
    assert "0 of 8 runs to do" in said
    assert time.monotonic() - started < 60
    assert {path: path.stat().st_mtime_ns for path in (root / "cases").rglob("*")} == before
    page = (root / "report.html").read_text("utf-8")
    assert "Does it matter?" in page
    assert page.count("<img ") == 9
    assert len(list((root / "figures").glob("*.png"))) == 9
    assert not list((root / "figures").glob("*.pdf"))
    words = [sys.executable, str(SCRIPT), "collect", str(root), "--pdf"]
    subprocess.run(words, check=True, capture_output=True)
    assert len(list((root / "figures").glob("*.pdf"))) == 9


@pytest.mark.e2e
def test_the_table_of_runs_is_that_of_a_plain_loop_over_their_folders(swept: Path) -> None:
    root = swept.with_suffix("")
    for row in pd.read_parquet(root / "runs.parquet").to_dict("records"):
        folder = root / "cases" / row["case"]
        rounds = pd.read_parquet(folder / "rounds.parquet").sort_values("round")
        devices = pd.read_parquet(folder / "devices.parquet")
        assert row["accuracy_last"] == rounds["accuracy_mean"].iloc[-1]
        assert row["accuracy_last5"] == pytest.approx(np.mean(rounds["accuracy_mean"]))
        joules = sum(devices[name].sum() for name in ("radio_j", "compute_j", "board_j"))
        assert row["energy_j"] == pytest.approx(joules)
        assert row["sent_bytes"] == devices["sent_bytes"].sum()
        spent, came = 0.0, None
        for each in rounds.to_dict("records"):
            spent += each["radio_j"] + each["compute_j"] + each["board_j"]
            if came is None and each["accuracy_mean"] >= 0.3:
                came = spent
        assert (came is None) == pd.isna(row["energy_to_target_j"])
        if came is not None:
            assert row["energy_to_target_j"] == pytest.approx(came)


@pytest.mark.e2e
def test_each_run_is_that_of_the_command_line(swept: Path, tmp_path: Path) -> None:
    root = swept.with_suffix("")
    name = next(path.name for path in (root / "cases").iterdir())
    config = root / "configs" / f"{name}.toml"
    words = [sys.executable, str(SCRIPT), "--config", str(config), "--no-figures"]
    subprocess.run([*words, "--output", str(tmp_path / "run")], check=True, capture_output=True)
    assert tables(tmp_path / "run") == tables(root / "cases" / name)


@pytest.mark.studies
def test_states_are_told_apart_and_the_same_command_does_what_is_missing(tmp_path: Path) -> None:
    text = STUDY.replace('["dmml", "local"]', '["dmml", "local", "mine.py"]')
    text = text.replace("learning.learning_rate = [0.05, 0.2]", "learning.learning_rate = [0.05]")
    broken = tmp_path / "mine.py"
    broken.write_text("from learning.methods.dmml import METHOD\n")
    study = write_study(tmp_path, text, **{'"mine.py"': f'"{broken}"'})
    root = study.with_suffix("")
    said = sweep(study, "--dry-run", "--trial")
    assert re.search(r"^6 runs, some \d+\.\d min at \d+ s each, by a trial$", said, re.MULTILINE)
    assert not root.exists()
    assert "6 of 6 runs to do" in sweep(study)
    names = sorted(path.name for path in (root / "cases").iterdir())
    by_method = {m: [n for n in names if f"method={m}," in n] for m in ("dmml", "local", "mine")}
    whole = {name: tables(root / "cases" / name) for name in names}
    # One is gone, one killed in the middle, one under way elsewhere.
    gone, cut, held = *by_method["dmml"], by_method["local"][0]
    for name in (gone, cut, held):
        for path in sorted((root / "cases" / name).rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        (root / "cases" / name).rmdir()
        (root / "logs" / f"{name}.jsonl").unlink()
    for name in (cut, held):
        _cut_in_the_middle(root, name)
    lock = paths.lock(root / "cases" / f"{held}.partial" / LOG)
    assert lock is not None
    said = sweep(study, "--status")
    assert "3 done, 1 under way, 1 cut, 1 missing" in said
    assert f"under way  {held}" in said
    said = sweep(study)
    assert "2 of 6 runs to do" in said
    os.close(lock)
    assert "5 done, 1 cut" in sweep(study, "--status")
    assert "1 of 6 runs to do" in sweep(study)
    assert {name: tables(root / "cases" / name) for name in names} == whole


def _cut_in_the_middle(root: Path, name: str) -> None:
    """Kill a run after its first round."""
    log = root / "cases" / f"{name}.partial" / "log.txt"
    words = ["--config", str(root / "configs" / f"{name}.toml"), "--no-figures"]
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *words, "--output", str(root / "cases" / name)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not (log.exists() and "round 1 of" in log.read_text()):
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert (root / "cases" / f"{name}.partial" / "manifest.json").exists()


@pytest.mark.studies
def test_a_refused_and_a_failed_run_are_kept_with_their_reasons_and_harm_no_other(
    tmp_path: Path,
) -> None:
    bad, late = tmp_path / "bad.py", tmp_path / "late.py"
    bad.write_text("raise RuntimeError('not today')\n")
    late.write_text(
        "import os\nfrom dataclasses import replace\n"
        "from learning.methods.dmml import METHOD as M\n"
        "def begin(r):\n    if r.index == 1: os._exit(7)\n    return M.begin(r)\n"
        "METHOD = replace(M, begin=begin)\n"
    )
    text = STUDY.replace("learning.learning_rate = [0.05, 0.2]", "learning.learning_rate = [0.05]")
    methods = f'["dmml", "{bad}", "{late}"]'
    study = write_study(tmp_path, text, **{'["dmml", "local"]': methods, '"local"': '"dmml"'})
    said = sweep(study, code=3)
    assert "6 runs, 2 of them refused" in said
    assert "not today" in said
    assert "2 done, 2 failed, 2 refused" in said
    assert "exit code 7" in said
    root = study.with_suffix("")
    expected = pd.read_csv(root / "cases.csv")
    assert expected["refused"].notna().sum() == 2
    assert "0 of 6 runs to do" in sweep(study, code=3)
    late.write_text("from learning.methods.dmml import METHOD\n")  # another file: other runs
    said = sweep(study)
    assert "stale" in said
    assert "4 done, 2 refused" in said


@pytest.mark.studies
def test_a_sweep_killed_in_the_middle_leaves_no_process_and_repeats_no_finished_run(
    tmp_path: Path,
) -> None:
    study = write_study(tmp_path, **{"learning.rounds = 2": "learning.rounds = 30"})
    root = study.with_suffix("")
    process = subprocess.Popen(command(study), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(_finished(root)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while _processes(root) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes(root) == []
    finished = {path: path.stat().st_mtime_ns for path in _finished(root)}
    assert 2 <= len(finished) < 8
    sweep(study)
    assert len(_finished(root)) == 8
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in finished.items())


@pytest.mark.studies
def test_the_same_study_begun_twice_at_once_runs_nothing_twice_and_loses_nothing(
    tmp_path: Path,
) -> None:
    study = write_study(tmp_path)
    root = study.with_suffix("")
    both = [
        subprocess.Popen(command(study), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    for process in both:
        said = process.communicate(timeout=300)[0]
        assert process.returncode == 0, said
    for path in _finished(root):
        codes = [each["rc"] for each in attempts(root, path.name)]
        assert codes.count(0) >= 1
        log = (path / "log.txt").read_text("utf-8")
        assert log.count("round 1 of 2") == 1, "it was run twice"
    assert len(_finished(root)) == 8


def _finished(root: Path) -> list[Path]:
    found = root.glob("cases/*/manifest.json")
    return sorted(path.parent for path in found if not path.parent.name.endswith(".partial"))


def _processes(root: Path) -> list[str]:
    """Find the processes whose command names this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(root) in words:
            found.append(words)
    return found
