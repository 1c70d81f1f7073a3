"""The arithmetic of a run is the one that its manifest names, whatever the environment says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from script import SCRIPT

from cosim.arithmetic import lacks

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TINY = ("--network.kind=ideal", "--learning.dataset=made", "--network.num_devices=3")
TINY += ("--learning.rounds=1", "--iteration.max_iterations=1", "--no-figures")


@pytest.mark.skipif(bool(lacks()), reason="this processor has no portable arithmetic")
@pytest.mark.parametrize(
    ("arithmetic", "instructions"),
    # What a user sets counts in fast arithmetic, and cannot spoil the portable one.
    [("portable", "AVX2"), ("fast", "DEFAULT")],
)
def test_a_run_computes_in_the_arithmetic_that_its_manifest_names(
    tmp_path: Path, arithmetic: str, instructions: str
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, str(SCRIPT), *TINY, "--output", "run"),
            f"--learning.arithmetic={arithmetic}",
        ],
        cwd=tmp_path,
        env=os.environ | {"ATEN_CPU_CAPABILITY": "default"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    host = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))["host"]
    assert (host["arithmetic"], host["torch_instructions"]) == (arithmetic, instructions)
