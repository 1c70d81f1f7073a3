"""ns-3 begun anew in the middle of a run: clock, batteries and the dead go on, peers are found."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from mesh import make_mesh, make_traffic

from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import OUTCOMES
from ns3_scenarios.segments import SegmentedNetwork
from ns3_scenarios.worker import Ns3Network

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(120)]


@pytest.mark.parametrize("name", ["mesh80211", "adhoc80211"])
def test_a_run_in_segments_goes_on_with_clock_batteries_and_its_dead(
    tmp_path: Path, name: str
) -> None:
    # An idle radio takes 2.5 J in a round of 3 s, computing 0.5 J: device 2 is empty in the second.
    battery_j = np.array([90.0, 80.0, 5.0, 70.0])
    scenario = make_mesh(4, battery_j=battery_j, name=name, shadowing_sigma_db=0.0)
    # It has a power of its own, too, which its radio is given in each segment.
    powers_dbm = np.array([16.0, 16.0, 14.0, 16.0])
    scenario = replace(scenario, draws=replace(scenario.draws, tx_power_dbm=powers_dbm))
    # Afterwards the other three send to each other, and to the dead one.
    scenario_of_all = ~np.eye(4, dtype=np.bool_)
    scenario_of_all[2] = False

    def begin(each: NetworkScenario) -> Ns3Network:
        return Ns3Network(each, tmp_path / "ns3.log")

    network = SegmentedNetwork(begin, scenario, length=2, rounds=5)
    try:
        reports = []
        for index in range(5):
            pairs = None if index < 2 else np.nonzero(scenario_of_all)
            traffic = make_traffic(scenario, index, pairs=pairs, payload_bytes=20_000)
            reports.append((traffic, network.run_round(traffic)))
    finally:
        network.close()
    for (_, before), (_, after) in pairwise(reports):
        assert after.start_s == pytest.approx(before.start_s + before.duration_s)
        start_j, left_j = after.energy.start_energy_j, before.energy.remaining_energy_j
        np.testing.assert_allclose(start_j, left_j, atol=1e-5)
    death_s = reports[1][1].energy.died_at_s
    assert reports[1][1].start_s < death_s[2] < reports[2][1].start_s
    delivered = OUTCOMES.index("delivered")
    for traffic, report in reports[2:]:
        np.testing.assert_array_equal(report.energy.died_at_s, death_s)
        np.testing.assert_array_equal(report.energy.alive, [True, True, False, True])
        assert report.energy.state_j[2].sum() == pytest.approx(0.0, abs=1e-6)
        np.testing.assert_array_equal(report.flows.outcome == delivered, traffic.dst != 2)
