"""A study as an array job of a real Slurm, every run on ns-3."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import slurm_cluster
from made_studies import write_study
from script import SCRIPT, run_script
from slurm_cluster import Cluster

from cosim.records.layout import JOINED

pytestmark = [
    pytest.mark.studies,
    pytest.mark.skipif(bool(slurm_cluster.lacks()), reason=slurm_cluster.lacks() or "none"),
]

# Half a second a round, whatever the machine: 150 rounds are longer than a minute's time limit,
# until a file says that there has been enough of it.
SLOW = """
import time
from dataclasses import replace
from pathlib import Path
from learning.methods.dmml import METHOD as DMML

def begin(round_):
    time.sleep(0 if Path("ENOUGH").exists() else 0.5)
    return DMML.begin(round_)

METHOD = replace(DMML, begin=begin)
"""
STUDY = """
    question = "Does Slurm lose a run?"

    [fixed]
    network.num_devices = 3
    network.round_period_s = 0.5
    learning.dataset = "made"
    iteration.max_iterations = 1

    [zip]
    learning.rounds = [150, 2, 3, 4]
    learning.method = ["SLOW", "dmml", "fedprox", "REFUSED"]

    [[case]]
    network.tx_power_dbm = 10.0
    [[case]]
    network.tx_power_dbm = 16.0

    [[exclude]]
    learning.rounds = 150
    network.tx_power_dbm = 10.0

    [seeds]
    count = 2

    [slurm]
    time = "1:00"
    cpus_per_task = 1
    mem_per_cpu = "900M"
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "slurm").mkdir()
    cluster = Cluster(tmp_path / "slurm")
    yield cluster
    cluster.close()


def run_sweep(cluster: Cluster, study: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = ["sweep", str(study), "--results", str(study.parent), *more]
    return run_script(study.parent, *words, environment=cluster.environment)


def sweep(cluster: Cluster, study: Path, *more: str) -> str:
    done = run_sweep(cluster, study, *more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def job_of(said: str) -> str:
    return said.split("submitted as job ")[1].split(";", maxsplit=1)[0]


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in JOINED}


def wait_for(path: Path, text: str, limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not path.exists() or text not in path.read_text("utf-8", errors="replace"):
        assert time.monotonic() < deadline, path
        time.sleep(0.05)


def pid_of(name: str) -> int:
    """Find the process of a run by its command."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--or-resume" in words and any(name.encode() in word for word in words):
            return int(path.parent.name)
    raise LookupError(name)


def start_by_hand(root: Path, name: str, folder: Path) -> subprocess.Popen[bytes]:
    words = ["--config", str(root / "configs" / f"{name}.toml"), "--no-figures"]
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *words, "--output", str(folder / name)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.timeout(900)
def test_runs_that_were_killed_requeued_or_cut_by_their_time_are_told_apart_and_done_later(
    cluster: Cluster, tmp_path: Path
) -> None:
    slow, refused, enough = (tmp_path / name for name in ("slow.py", "refused.py", "enough"))
    slow.write_text(SLOW.replace("ENOUGH", str(enough)))
    refused.write_text("raise RuntimeError('not today')\n")
    study = write_study(tmp_path, STUDY, SLOW=str(slow), REFUSED=str(refused))
    root = study.with_suffix("")
    said = sweep(cluster, study, "--on", "slurm")
    assert "refused" in said
    assert "submitted as job" in said
    expected = pd.read_csv(root / "cases.csv")
    assert len(expected) >= 12
    good = list(expected.loc[expected["refused"].isna(), "case"])
    long = [name for name in good if "rounds=150" in name]
    assert len(long) == 2
    killed, timed_out = long
    # The same two by hand, and one that nobody disturbs, while the cluster works.
    alone = [*long, next(name for name in good if name not in long)]
    by_hand = {name: start_by_hand(root, name, tmp_path / "alone") for name in alone}
    wait_for(root / "cases" / f"{timed_out}.partial" / "log.txt", "round 3 of")
    assert f"under way  {timed_out}" in sweep(cluster, study, "--status")
    # One is killed in the middle, as by a node that runs out of memory; the other has no time.
    wait_for(root / "cases" / f"{killed}.partial" / "log.txt", "round 10 of")
    os.kill(pid_of(killed), signal.SIGKILL)
    cluster.wait_empty(300)
    said = sweep(cluster, study, "--status")
    done = len(good) - 2
    assert f"{done} done, 2 cut, {len(expected) - len(good)} refused" in said
    before = {name: tables(root / "cases" / name) for name in good if name not in long}
    # The same command does exactly these two; one is requeued on the way.
    said = sweep(cluster, study, "--on", "slurm")
    assert f"2 of {len(expected)} runs to do" in said
    listed = sorted((root / "submissions").glob("*.txt"))[-1].read_text().split()
    assert sorted(listed) == sorted(long)
    job = job_of(said)
    wait_for(root / "logs" / f"{killed}.log", "rounds are repeated first")
    cluster.ask("scontrol", "requeue", f"{job}_{listed.index(killed)}")
    enough.touch()
    deadline = time.monotonic() + 60
    while f"cut        {killed}" not in (said := sweep(cluster, study, "--status")):
        assert time.monotonic() < deadline, said
        time.sleep(0.5)
    # As often as a slow machine needs: every time gets further than the one before.
    deadline = time.monotonic() + 480
    while "cut" in said or "under way" in said:
        assert time.monotonic() < deadline, said
        if "under way" not in said:
            job = job_of(sweep(cluster, study, "--on", "slurm"))
            cluster.wait_empty(300, "-j", job)
        said = sweep(cluster, study, "--status")
    assert f"{len(good)} done" in said
    assert {name: tables(root / "cases" / name) for name in before} == before
    for name, process in by_hand.items():
        assert process.wait(timeout=300) == 0
        assert tables(tmp_path / "alone" / name) == tables(root / "cases" / name)


def test_a_partition_that_slurm_does_not_know_is_one_line_and_an_empty_list_no_job(
    cluster: Cluster, tmp_path: Path
) -> None:
    study = write_study(tmp_path, STUDY, SLOW="local", REFUSED="dmml")
    bad = write_study(tmp_path, study.read_text().replace('time = "1:00"', 'partition = "nowhere"'))
    done = run_sweep(cluster, bad, "--on", "slurm")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "sbatch refused" in line
    assert "partition" in line
    assert cluster.ask("squeue", "-h") == ""
