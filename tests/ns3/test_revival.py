"""Devices that ran empty come back when their harvest has filled the battery up again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mesh import make_mesh, make_traffic, run_mesh

from ns3_scenarios import contract
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.harvest import Harvest
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.promise import Played
from ns3_scenarios.reports import OUTCOMES, RoundReport

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]

IDLE_W = 3.0 * 0.273
DELIVERED, DEAD = OUTCOMES.index("delivered"), OUTCOMES.index("dead")
NOBODY = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def faults(scenario: NetworkScenario, reports: list[RoundReport], **traffic: Any) -> list[str]:
    """What the reports break of the promises of every network."""
    rounds = [Played(make_traffic(scenario, r.round_index, **traffic), r) for r in reports]
    return [fault for check in contract.CHECKS.values() for fault in check(scenario, rounds)]


def harvesting(device: int, battery_j: float, harvest_w: float, **changes: Any) -> NetworkScenario:
    """The default mesh or another, in which one device has a small battery and harvests."""
    n = changes.pop("num_devices", 9)
    start_j, harvest = np.full(n, 1e6), np.zeros(n)
    start_j[device], harvest[device] = battery_j, harvest_w
    ample = {"initial_energy_j": start_j, "harvest_power_w": harvest}
    return make_mesh(num_devices=n, **(ample | changes))


def test_a_device_dies_and_comes_back_when_power_and_harvest_say_again_and_again(
    tmp_path: Path,
) -> None:
    # Silent devices: empty after E / (P_idle - p), back r / p later, empty again r / (P_idle - p)
    # after that.
    harvest_w, revival_j, battery_j = 0.5, 1.25, 0.638
    scenario = harvesting(
        0, battery_j, harvest_w, num_devices=2, name="adhoc80211", revival_j=revival_j
    )
    traffic = {"pairs": NOBODY, "compute_s": 0.0, "compute_j": 0.0}
    reports = run_mesh(scenario, tmp_path, 4, **traffic)
    died_s = battery_j / (IDLE_W - harvest_w)  # 2.0
    back_s = died_s + revival_j / harvest_w  # 4.5
    died_again_s = back_s + revival_j / (IDLE_W - harvest_w)  # 8.418...
    back_again_s = died_again_s + revival_j / harvest_w  # 10.918...
    life_s = [(died_s, np.nan), (died_s, back_s), (died_again_s, back_s)]
    life_s += [(died_again_s, back_again_s)]
    for report, (died, back) in zip(reports, life_s, strict=True):
        energy = report.energy
        seen_s = np.array([energy.died_at_s[0], energy.revived_at_s[0]]) - scenario.settings.boot_s
        np.testing.assert_allclose(seen_s, [died, back], atol=50e-6)
        assert np.isnan([energy.died_at_s[1], energy.revived_at_s[1]]).all()
    assert [bool(r.energy.alive[0]) for r in reports] == [False, True, False, True]
    off_s = [r.energy.state_s[0, RADIO_STATES.index("off")] for r in reports]
    expected_off_s = [1.0, 1.5, 9.0 - died_again_s, back_again_s - 9.0]
    np.testing.assert_allclose(off_s, expected_off_s, atol=100e-6)
    np.testing.assert_allclose([r.energy.harvested_j[0] for r in reports], 3.0 * harvest_w)
    assert faults(scenario, reports, **traffic) == []


def test_deaths_and_revivals_follow_a_harvest_that_changes(tmp_path: Path) -> None:
    # Silent, with 1 J: at P - 0.5 W to 2 s, then at P without harvest until it is empty; nothing
    # comes until 7 s, then 1 W until 1.25 J are there.
    times_s, power_w = np.array([0.0, 2.0, 7.0, 9.5]), np.array([0.5, 0.0, 1.0, 0.2])
    trace = Harvest(times_s, np.column_stack([power_w, np.zeros(4)]))
    start = {"initial_energy_j": np.array([1.0, 1e6]), "battery_capacity_j": np.full(2, 1e6)}
    scenario = make_mesh(
        2,
        name="adhoc80211",
        revival_j=1.25,
        harvest_power_w=trace.power_w[0],
        harvest_trace=trace,
        **start,
    )
    traffic = {"pairs": NOBODY, "compute_s": 0.0, "compute_j": 0.0}
    reports = run_mesh(scenario, tmp_path, 4, **traffic)
    died_s = 2.0 + (1.0 - 2.0 * (IDLE_W - 0.5)) / IDLE_W  # 2.44
    back_s = 7.0 + 1.25  # 8.25
    # 0.226 J more at 9.5 s, and then 0.2 W against the radio's draw.
    again_s = 9.5 + (1.25 + (9.5 - back_s) * (1.0 - IDLE_W)) / (IDLE_W - 0.2)  # 11.885
    energies = [reports[0].energy, reports[-1].energy]
    seen_s = np.array([(e.died_at_s[0], e.revived_at_s[0]) for e in energies])
    expected_s = np.array([(died_s, np.nan), (again_s, back_s)]) + scenario.settings.boot_s
    np.testing.assert_allclose(seen_s, expected_s, atol=50e-6)
    # By hand: 2 s at 0.5 W; none; 2 s at 1 W; 0.5 s at 1 W and 2.5 s at 0.2 W.
    harvested_j = [report.energy.harvested_j[0] for report in reports]
    np.testing.assert_allclose(harvested_j, [1.0, 0.0, 2.0, 1.0], atol=1e-9)
    assert faults(scenario, reports, **traffic) == []


@pytest.mark.parametrize(
    ("name", "kind"), [("mesh80211", "arq"), ("adhoc80211", "arq"), ("mesh80211", "tcp")]
)
def test_traffic_to_and_from_a_revived_device_resumes(tmp_path: Path, name: str, kind: str) -> None:
    # The centre of the grid cannot pay for its first computing (10 W), and has 20 J after 4 s more.
    scenario = harvesting(
        4,
        0.6,
        5.0,
        name=name,
        transport=kind,
        battery_capacity_j=np.full(9, 1e6),
        revival_j=20.0,
        shadowing_sigma_db=0.0,
    )
    load = {"payload_bytes": 20_000, "compute_j": 2.0}
    reports = run_mesh(scenario, tmp_path, 5, **load)
    traffic = make_traffic(scenario, 0)
    of_it = (traffic.src == 4) | (traffic.dst == 4)
    revived_s = reports[-1].energy.revived_at_s[4]
    died_s = reports[0].energy.died_at_s[4]
    assert 4.0 <= revived_s - died_s < 4.0 + 50e-6
    back = [report for report in reports if report.start_s > revived_s]
    away = [report for report in reports if report.start_s < revived_s]
    assert len(away) == 2
    for report in away:
        assert (report.flows.outcome[traffic.src == 4] == DEAD).all()
        assert report.flows.handed_bytes[traffic.src == 4].sum() == 0
    assert (away[0].flows.outcome[traffic.dst == 4] == DEAD).all()
    assert (back[0].flows.outcome[of_it] == DELIVERED).any()
    assert (back[1].flows.outcome == DELIVERED).all()
    assert faults(scenario, reports, **load) == []
