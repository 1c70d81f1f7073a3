"""Stations of an access point have rates of their own: given, or planned from their link budgets.

Planned rates are held against those of `ideal`, which asks a link for the same SNR without a
margin, at powers that are lower by the margin.
"""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mesh import run_mesh

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import RoundReport

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]
# The access point, a station near it and one far off: 46 and 22 dB SNR at 20 dBm.
PLACES_M = np.array([[0.0, 0.0, 3.0], [5.0, 0.0, 1.5], [33.0, 0.0, 1.5]])
UP, DOWN = (np.array([1, 2]), np.array([0, 0])), (np.array([0, 0]), np.array([1, 2]))
PAIRS = (np.array([0, 0, 1, 2]), np.array([1, 2, 0, 0]))


def make(*flags: str) -> NetworkScenario:
    words = ["num_devices=3", "placement=line", "shadowing_sigma_db=0", *flags]
    given = ["--network.ap_is_device", *(f"--network.{word}" for word in words)]
    scenario = make_scenario(load(given, None, "infrastructure"))
    return replace(scenario, position_m=PLACES_M)


def run(scenario: NetworkScenario, folder: Path) -> list[RoundReport]:
    return run_mesh(scenario, folder, 2, pairs=PAIRS, payload_bytes=50_000)


def rates_bps(scenario: NetworkScenario, folder: Path) -> FloatArray:
    return run(scenario, folder)[1].links.rate_bps


def test_each_way_has_the_rate_that_its_budget_carries_with_the_margin(tmp_path: Path) -> None:
    # What fades, and by which PHY, does not change the plan.
    fades = ("phy=spectrum", "fading=nakagami", "nakagami_m=20")
    scenario = make("rate_manager=per_station", "rate_margin_db=4", *fades)
    draws = replace(scenario.draws, tx_power_dbm=np.array([20.0, 15.0, 15.0]))
    planned_bps = rates_bps(replace(scenario, draws=draws), tmp_path)
    for ends, power_dbm in ((DOWN, 16), (UP, 11)):
        adapted_bps = rates_bps(make(f"tx_power_dbm={power_dbm}"), tmp_path)
        np.testing.assert_allclose(planned_bps[ends], adapted_bps[ends], rtol=1e-9)
        assert planned_bps[ends][0] > 1.5 * planned_bps[ends][1]
    assert planned_bps[0, 2] > planned_bps[2, 0]


def test_stations_of_one_given_rate_are_those_of_a_constant_rate_bit_by_bit(
    tmp_path: Path,
) -> None:
    alike = replace(make("rate_manager=per_station"), station_mcs=np.full(3, 3))
    constant = make("rate_manager=constant", "mcs=3")
    one, other = (pickle.dumps(run(each, tmp_path)) for each in (alike, constant))
    assert one == other
