"""`cosim validate`: passes as shipped, and finds constants that are wrong."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mesh import change
from script import SCRIPT, children_of

from cosim.commands.validate import make_scenario
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.validation import correlation, energy, mesh, propagation
from ns3_scenarios.validation import theory_path_loss as theory

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]


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
    def make(name: str, **fields: Any) -> NetworkScenario:
        scenario = make_scenario(name, **fields)
        power_w = scenario.draws.state_power_w.copy()
        power_w[:, RADIO_STATES.index("idle")] = 3.0 * 0.274
        return replace(scenario, draws=replace(scenario.draws, state_power_w=power_w))

    rows = energy.death_rows(make, quick=True)
    assert [row.passed for row in rows] == [False] * 3 + [True] * 3


def test_a_wrong_noise_figure_is_found() -> None:
    rows = mesh.relay_rows(wrong(noise_figure_db=20.0), quick=True)
    assert not all(row.passed for row in rows)


def test_a_wrong_correlation_distance_of_sight_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theory, "inh_los_share", lambda d_m: 0.85 * theory.umi_los_share(d_m))
    rows = correlation.sight_rows(wrong(sight_distance_m=5.0), quick=True)
    missed = [row.name.split(",")[0] for row in rows if not row.passed]
    # Both rows of inh, whose shares are wrong, too; of the others those of the walk.
    assert missed == ["inh", "inh", "d2d", "umi", "uma"]


def test_wrong_distances_and_hidden_deviations_of_shadowing_are_found() -> None:
    make = wrong(decorrelation_distance_m=25.0, hidden_sigma_db=7.0)
    rows = correlation.shadowing_rows(make, quick=True)
    assert [row.passed for row in rows] == [True, True, False, True, False, True, False]


def test_a_wrong_deviation_of_shadowing_is_found() -> None:
    drawn_db = np.triu(np.random.default_rng(1).normal(0, 4.4, (100, 100)), 1)
    make = wrong(shadowing_db=drawn_db + drawn_db.T, shadowing_sigma_db=4.4)
    rows = correlation.shadowing_rows(make, quick=True)
    assert [row.passed for row in rows if row.name.startswith("deviation")] == [False] * 3


def test_a_wrong_coherence_time_is_found() -> None:
    rows = correlation.fading_time_rows(wrong(coherence_time_s=0.08), quick=True)
    assert [row.passed for row in rows] == [False, True]


def test_a_terminated_validation_ends_with_its_children() -> None:
    started = subprocess.Popen(
        [sys.executable, SCRIPT, "validate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while not (children := children_of(started.pid)):
        assert started.poll() is None
        time.sleep(0.1)
    started.send_signal(signal.SIGTERM)
    _, errors = started.communicate()
    assert started.returncode == 130, errors.decode()
    assert "Traceback" not in errors.decode()
    ended = time.monotonic()
    # Whoever takes over orphans may need a moment.
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() - ended < 60
        time.sleep(0.1)
