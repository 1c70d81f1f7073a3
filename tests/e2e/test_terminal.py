"""A run does not depend on its terminal."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from script import SCRIPT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

IDEAL = ("--network.kind=ideal", "--learning.dataset=made", "--network.num_devices=3")
SHORT = ("--learning.rounds=2", "--iteration.max_iterations=2")
TABLES = ("rounds", "devices", "links", "flows", "plans", "partition")


def shell(folder: Path, redirections: str, *words: str) -> int:
    """Run the script in a session without a terminal, and the plainest of environments."""
    command = " ".join((sys.executable, str(SCRIPT), *words))
    plain = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONWARNINGS": "error",
    }
    plain |= {"PYTHONCOERCECLOCALE": "0", "PYTHONWARNINGS": "error"}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} {redirections}"],
        cwd=folder,
        env=plain,
        start_new_session=True,
        timeout=200,
        check=False,
    ).returncode


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    assert shell(folder, ">out 2>err", *IDEAL, *SHORT, "--output=run") == 0
    return folder / "run"


@pytest.mark.parametrize(
    "redirections",
    ["<&- >&- 2>&-", ">/dev/full 2>/dev/full", "2>&1 | head -1 >first"],
    ids=["closed", "full", "head"],
)
def test_a_run_ends_well_whatever_becomes_of_its_standard_streams(
    tmp_path: Path, reference: Path, redirections: str
) -> None:
    # A name that the locale has no letters for.
    name = "r\udcc3\udcbcn" if "head" in redirections else "run"
    assert shell(tmp_path, redirections, *IDEAL, *SHORT, f"--output={name}") == 0
    run = tmp_path / os.fsdecode(os.fsencode(name))
    for table in TABLES:
        mine, other = (folder / f"{table}.parquet" for folder in (run, reference))
        assert mine.read_bytes() == other.read_bytes(), table
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["status"], manifest["not_drawn"]) == ("complete", {})
    log = (run / "log.txt").read_text(encoding="utf-8")
    assert [line.split()[2:6] for line in log.splitlines()] == [
        ["round", str(index), "of", "2:"] for index in (1, 2)
    ]


def test_a_configuration_that_could_not_be_printed_is_no_success(tmp_path: Path) -> None:
    assert shell(tmp_path, "| head -1 >first", "--print-config") == 0
    assert (tmp_path / "first").read_text(encoding="utf-8") == 'scenario = "mesh80211"\n'
    assert shell(tmp_path, ">/dev/full 2>err", "--print-config") == 2
    (line,) = (tmp_path / "err").read_text(encoding="utf-8").splitlines()
    assert line == "error: the standard output: No space left on device"


def test_a_terminal_that_closes_ends_a_run_as_a_batch_system_does(
    tmp_path: Path, reference: Path
) -> None:
    long = ("--learning.rounds=500", "--iteration.max_iterations=1")
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *IDEAL, *long, "--output=run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = tmp_path / "run.partial" / "log.txt"
    while not (log.exists() and "round 2 of 500" in log.read_text(encoding="utf-8")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    manifest = json.loads((tmp_path / "run.partial" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "interrupted"
    assert f"{manifest['rounds']} finished rounds are kept" in out
