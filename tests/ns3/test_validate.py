"""`cosim validate`: passes as shipped, and finds constants that are wrong."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mesh import change

from cosim.validate import make_scenario
from ns3_scenarios.scenario import NetworkScenario, RadioCurrents
from ns3_scenarios.validation import energy, mesh, propagation

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]

SCRIPT = Path(__file__).parents[2] / "cosim" / "run.py"


def test_the_quick_validation_passes() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "validate", "--quick"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MISS" not in done.stdout


def wrong(**changes: Any) -> Any:
    """The maker of scenarios, with wrong constants in what it makes."""

    def make(name: str, **fields: Any) -> NetworkScenario:
        return change(make_scenario(name, **fields), **changes)

    return make


def test_a_wrong_path_loss_exponent_is_found() -> None:
    rows = propagation.path_loss_rows(wrong(path_loss_exponent=3.05), quick=True)
    missed = [row.name.split(",")[0] for row in rows if not row.passed]
    assert missed == ["log_distance"]


def test_a_wrong_idle_current_is_found() -> None:
    rows = energy.death_rows(wrong(currents=replace(RadioCurrents(), idle_a=0.274)), quick=True)
    assert [row.passed for row in rows] == [False] * 3 + [True] * 3


def test_a_wrong_noise_figure_is_found() -> None:
    rows = mesh.relay_rows(wrong(noise_figure_db=20.0), quick=True)
    assert not all(row.passed for row in rows)
