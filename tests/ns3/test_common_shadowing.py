"""Packets meet the field that links have in common; `validate` finds a wrong one."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mesh import change, run_mesh
from scipy.interpolate import RegularGridInterpolator

from cosim.commands.validate import make_scenario
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.validation import common_shadowing

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]
NOISE_DBM = -173.9752 + 10 * np.log10(20e6) + 7


def crossed_db(scenario: NetworkScenario, from_m: FloatArray, to_m: FloatArray) -> float:
    """The field along a link by SciPy, as a fine sum."""
    field = scenario.channel.shadowing_field
    axes = (np.arange(count) * field.step_m for count in field.values.shape)
    between = RegularGridInterpolator(tuple(axes), field.values)
    line = np.linspace(from_m[:2], to_m[:2], 20_001) - field.origin_m
    length_m = float(np.hypot(*(to_m - from_m)[:2]))
    return float(np.trapezoid(between(line[:, ::-1]), dx=length_m / 20_000) / length_m**0.5)


def hop_db(scenario: NetworkScenario, from_m: FloatArray, to_m: FloatArray) -> float:
    loss_db = 46.7 + 30 * np.log10(np.linalg.norm(to_m - from_m))
    return scenario.radio.tx_power_dbm - loss_db - crossed_db(scenario, from_m, to_m) - NOISE_DBM


def test_frames_arrive_with_what_their_link_crosses(tmp_path: Path) -> None:
    shadowing = {"shadowing_model": "network", "shadowing_decay_m": 3, "shadowing_sigma_db": 6}
    scenario = make_scenario("infrastructure", num_devices=4, spacing_m=20, **shadowing)
    (report,) = run_mesh(scenario, tmp_path, 1, payload_bytes=2000)
    place_m = scenario.position_m
    middle_m = np.array([10.0, 10.0, 3.0])
    for i, j in combinations(range(4), 2):
        # The weaker of both hops; links between devices are in test_matrix.py.
        expected_db = min(hop_db(scenario, place_m[end], middle_m) for end in (i, j))
        snr_db = report.links.snr_db[[i, j], [j, i]]
        np.testing.assert_allclose(snr_db, expected_db, atol=0.1)
    assert abs(scenario.channel.shadowing_db).max() > 3


def test_a_wrong_decay_of_the_field_is_found() -> None:
    def make(name: str, **fields: Any) -> NetworkScenario:
        return change(make_scenario(name, **fields), shadowing_decay_m=4.0)

    rows = common_shadowing.common_rows(make, quick=True)
    passed = {row.name: row.passed for row in rows}
    assert not passed["a link of 5 decays with itself"]
    assert passed["20 decays apart"]
