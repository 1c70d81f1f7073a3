"""What `doctor` says is what the machine has."""

import os
import subprocess
import sys

import pytest
from script import SCRIPT

pytestmark = pytest.mark.e2e


def doctor(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), "doctor"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_a_whole_installation_has_a_line_for_everything() -> None:
    said = doctor().stdout
    for what in (
        "packages",
        "native part",
        "ns-3",
        "processor",
        "cores",
        "memory",
        "disk",
        "Slurm",
    ):
        assert sum(line[7:].startswith(what) for line in said.splitlines()) == 1, what
    assert f"{len(os.sched_getaffinity(0))} allowed of {os.cpu_count()}" in said
    assert "starts in" in said


def test_what_would_falsify_results_is_to_do_and_the_other_lines_still_come() -> None:
    done = doctor(NS_GLOBAL_VALUE="RngRun=3")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert any(line.startswith("TO DO") and "NS_GLOBAL_VALUE" in line for line in lines)
    assert any("cores" in line for line in lines)
