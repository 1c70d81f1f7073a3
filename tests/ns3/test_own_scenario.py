"""A scenario of the user's own runs from any folder, and its faults are found and named."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "ns3_scenarios" / "examples" / "street.py").read_text()
FLAGS = ["--network.placement", "line", "--network.num_devices", "4"]


def cosim(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "cosim" / "run.py"), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def check_spoilt(folder: Path, old: str, new: str) -> subprocess.CompletedProcess[str]:
    assert EXAMPLE.count(old) == 1
    (folder / "spoilt.py").write_text(EXAMPLE.replace(old, new))
    return cosim(folder, "check", "spoilt.py", *FLAGS)


def test_the_example_runs_from_another_folder_and_keeps_every_promise(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(EXAMPLE)
    words = ["--scenario=mine.py", *FLAGS, "--learning.rounds=2", "--no-figures", "--output=out"]
    run = cosim(tmp_path, *words)
    assert run.returncode == 0, run.stderr
    assert "Delivered  100.0 % of bytes" in run.stdout
    assert (tmp_path / "out" / "mine.py").read_text() == EXAMPLE
    checked = cosim(tmp_path, "check", "mine.py", *FLAGS)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "mine.py: 18 of 18 promises kept" in checked.stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    mobility.Install(nodes)\n", "", "device 0 to be a net device on a node with a Mob"),
        ("nodes.Create(", "nodes.Make(", "spoilt.py, line 15 (nodes.Make(scenario.num_devices))"),
    ],
)
def test_a_file_that_builds_no_network_is_refused_in_one_line(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    checked = check_spoilt(tmp_path, old, new)
    assert checked.returncode == 2
    assert said in checked.stderr
    assert len(checked.stderr.strip().splitlines()) == 1


DEAF = 'phy.Set("RxSensitivity", ns.DoubleValue(0.0))'
UNSEEDED = 'phy.Set("RxNoiseFigure", ns.DoubleValue(__import__("random").uniform(7, 30)))'


@pytest.mark.parametrize(("line", "fault"), [(DEAF, "something arrives"), (UNSEEDED, "same again")])
def test_a_file_that_breaks_a_promise_is_found_out(line: str, fault: str, tmp_path: Path) -> None:
    before = "    wifi = ns.WifiHelper()\n"
    checked = check_spoilt(tmp_path, before, f"    {line}\n{before}")
    assert checked.returncode == 1, checked.stderr
    assert f"FAULT  {fault}" in checked.stdout
