"""Runs that were cut short: by a kill, a signal, or what their learning came to."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from script import IDEAL, SCRIPT, TABLES, assert_refused, children_of, is_running, run_script

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# Long rounds and small plans: most of the wall time is ns-3's.
LONG = ("--learning.dataset=made", "--network.num_devices=4", "--learning.rounds=200")
LONG += ("--network.round_period_s=60", "--energy.battery_j=1e6", "--iteration.max_iterations=4")


def wait_for(process: subprocess.Popen[str], log: Path, words: str) -> None:
    """Wait until a running process has logged some words."""
    deadline = time.monotonic() + 150
    while not (log.exists() and words in log.read_text(encoding="utf-8")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


Start = Callable[..., tuple[subprocess.Popen[str], int]]


@pytest.fixture
def start_long_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a run of 200 rounds in tmp_path/run; return it and its child in the third round."""
    started: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], int]:
        # A job in the background ignores Ctrl-C and hands that down; a user's terminal does not.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            process = subprocess.Popen(
                [sys.executable, str(SCRIPT), *LONG, "--output", "run"],
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)
        started.append(process)
        wait_for(process, tmp_path / "run.partial" / "log.txt", "round 2 of 200")
        # The parts of finished rounds can be read while the run goes on.
        part = tmp_path / "run.partial" / "rounds.parts" / "flows-000001.parquet"
        assert set(pd.read_parquet(part)["round"]) == {2}
        (child,) = children_of(process.pid)
        return process, child

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def kept_rounds(folder: Path) -> tuple[int, dict[str, object]]:
    """Rounds in the parts of a run that was cut short, which must agree; and its manifest."""
    manifest = json.loads((folder / "run.partial" / "manifest.json").read_text(encoding="utf-8"))
    assert not (folder / "run").exists()
    stored = torch.load(folder / "run.partial" / "checkpoint" / "learner.pt", weights_only=True)
    parts = folder / "run.partial" / "rounds.parts"
    for name in TABLES:
        tables = [pd.read_parquet(path) for path in sorted(parts.glob(f"{name}-*.parquet"))]
        # A round that did not end may have left some of its tables.
        kept = pd.concat(tables)["round"].unique().tolist()
        assert kept[: stored["rounds"]] == list(range(1, stored["rounds"] + 1))
    return stored["rounds"], manifest


@pytest.mark.ns3
def test_killing_ns3_ends_the_run_with_one_line_and_keeps_its_finished_rounds(
    tmp_path: Path, start_long_run: Start
) -> None:
    process, child = start_long_run()
    os.kill(child, signal.SIGKILL)
    killed = time.monotonic()
    _, stderr = process.communicate(timeout=60)
    assert time.monotonic() - killed < 10.0
    assert process.returncode == 3, stderr
    assert "Traceback" not in stderr
    (line,) = (line for line in stderr.splitlines() if line.startswith("error: "))
    named = re.search(r"ns-3 died \(signal SIGKILL\) in round (\d+)", line)
    assert named, line
    kept, manifest = kept_rounds(tmp_path)
    assert manifest["status"] == "failed"
    assert "SIGKILL" in str(manifest["reason"])
    # The round after those that were kept is the one that failed.
    assert int(named[1]) - 1 == kept == manifest["rounds"] >= 2


@pytest.mark.ns3
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "batch-system"])
def test_an_interrupted_run_keeps_finished_rounds_and_leaves_no_process(
    tmp_path: Path, start_long_run: Start, end: signal.Signals
) -> None:
    process, child = start_long_run()
    process.send_signal(end)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stderr.splitlines()[-1] == "interrupted"
    assert "Traceback" not in stderr
    assert not is_running(child)
    kept, manifest = kept_rounds(tmp_path)
    assert manifest["status"] == "interrupted"
    assert kept == manifest["rounds"] >= 2


@pytest.mark.ns3
@pytest.mark.parametrize("segments", [(), ("--network.segment_rounds=2",)], ids=["", "segments"])
def test_a_killed_run_taken_up_again_ends_with_the_bytes_of_one_that_was_left_alone(
    tmp_path: Path, segments: tuple[str, ...]
) -> None:
    # Movement and fading: all that ns-3 draws has to come out again.
    d2d = ("--scenario=d2d", "--network.fading=nakagami", "--network.disc_radius_m=40")
    made = ("--learning.dataset=made", "--network.num_devices=4", "--iteration.max_iterations=4")
    words = (*d2d, *made, *segments, "--learning.rounds=5", "--no-figures")
    done = run_script(tmp_path, *words, "--output", "whole")
    assert done.returncode == 0, done.stderr
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *words, "--output", "run"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    wait_for(process, tmp_path / "run.partial" / "log.txt", "round 2 of 5")
    process.kill()
    process.wait()
    assert_refused(run_script(tmp_path, *words, "--output", "run"), "`run.py resume ")
    done = run_script(tmp_path, "resume", "run")
    assert done.returncode == 0, done.stderr
    said = re.search(r"(\d+) finished rounds are repeated first", done.stderr)
    assert said, done.stderr
    kept = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    finished = kept["resumed"][0]["after_rounds"]
    assert int(said[1]) == (finished % 2 if segments else finished)
    for name in (*TABLES, "partition"):
        file = f"{name}.parquet"
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "complete"
    assert manifest["resumed"][0]["after_rounds"] >= 2
    assert not list(tmp_path.glob("*.partial"))


DIVERGES = """
from learning.model.losses import fused_loss
from learning.method import Method, Rules

def begin(round_):
    factor = 1e30 if round_.index == 2 else 1.0
    return Rules(lambda passed, label, step: fused_loss(passed, label) * factor * factor)

METHOD = Method(begin)
"""


def test_a_run_that_diverges_names_device_and_round_and_keeps_the_last_good_models(
    tmp_path: Path,
) -> None:
    (tmp_path / "boom.py").write_text(DIVERGES, encoding="utf-8")
    words = (*IDEAL, "--learning.rounds=4", "--learning.method=boom.py", "--output=run")
    done = run_script(tmp_path, *words)
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert re.search(r"got inf for device 0 in step 1 of round 3", line), line
    kept, manifest = kept_rounds(tmp_path)
    assert (kept, manifest["status"]) == (2, "failed")
    stored = torch.load(tmp_path / "run.partial" / "checkpoint" / "learner.pt", weights_only=True)
    state = stored["learner"]
    assert all(v.isfinite().all() for v in state.values() if v.is_floating_point())
