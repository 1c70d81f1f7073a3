"""Radios that sleep while their devices compute: how long, at what price, and what they miss."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mesh import make_mesh, make_traffic, run_mesh

from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.worker import Ns3Network

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(120)]

SLEEP = RADIO_STATES.index("sleep")
VOLTAGE_V, IDLE_A, SLEEP_A = 3.0, 0.273, 0.033
FROM_0 = (np.array([0]), np.array([1]))
NOBODY = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def pair(**changes: Any) -> NetworkScenario:
    """Two devices 10 m apart whose radios sleep while they compute."""
    near = {
        "name": "adhoc80211",
        "radio_sleep": True,
        "num_devices": 2,
        "shadowing_sigma_db": 0.0,
        "neighbours": ~np.eye(2, dtype=np.bool_),
        "position_m": np.array([[0.0, 0, 1.5], [10.0, 0, 1.5]]),
    }
    return make_mesh(**(near | changes))


def run(
    scenario: NetworkScenario, folder: Path, compute_s: list[list[float]], **traffic: Any
) -> list[RoundReport]:
    """Run rounds in which each device computes for a time of its own, 0.5 J each."""
    network = Ns3Network(scenario, folder / "ns3.log")
    reports = []
    try:
        for i, times_s in enumerate(compute_s):
            work = {"compute_s": np.array(times_s), "compute_j": 0.5 * (np.array(times_s) > 0)}
            reports.append(network.run_round(replace(make_traffic(scenario, i, **traffic), **work)))
    finally:
        network.close()
    return reports


def test_a_silent_device_sleeps_for_as_long_as_it_computes_and_idles_for_the_rest(
    tmp_path: Path,
) -> None:
    compute_s = [[1.2, 0.0], [0.3, 2.9]]
    reports = run(pair(), tmp_path, compute_s, pairs=NOBODY)
    for report, asleep_s in zip(reports, np.array(compute_s), strict=True):
        np.testing.assert_allclose(report.energy.state_s[:, SLEEP], asleep_s, rtol=1e-9)
        radio_j = VOLTAGE_V * (SLEEP_A * asleep_s + IDLE_A * (3.0 - asleep_s))
        np.testing.assert_allclose(report.energy.state_j.sum(axis=1), radio_j, rtol=1e-9)
        np.testing.assert_allclose(report.energy.compute_j, 0.5 * (asleep_s > 0), rtol=1e-9)


def test_a_device_with_frames_to_send_stays_awake_until_they_are_out(tmp_path: Path) -> None:
    # Faster than the radio, whose 122 Mbit/s let no more than 11,000 datagrams a second through:
    # the round ends with a full queue, of 500 frames.
    scenario = pair(transport="udp", pacing_mbps=200.0)
    traffic = {"pairs": FROM_0, "payload_bytes": 40_000_000, "period_s": 1.0}
    full, after = run(scenario, tmp_path, [[0.0, 0.0], [0.9, 0.0]], **traffic)
    assert full.energy.state_s[0, SLEEP] == 0
    awake_s = 0.9 - after.energy.state_s[0, SLEEP]
    assert 0.75 * 500 / 11_000 < awake_s < 3 * 500 / 11_000


def test_what_is_sent_to_a_sleeper_is_lost_until_it_wakes(tmp_path: Path) -> None:
    # 50 datagrams, 20 a second, from the start of the round on; the receiver wakes after 1 s, and
    # the MAC keeps a frame for 0.5 s.
    scenario = pair(transport="udp", pacing_mbps=20 * 8 * 1416 / 1e6, rts_threshold_bytes=4692480)
    traffic = {"pairs": FROM_0, "payload_bytes": 50 * 1400}
    (report,) = run(scenario, tmp_path, [[0.0, 1.0]], **traffic)
    # Gaps vary by half of their mean: 20 of them last 1 s, with a standard deviation of 65 ms.
    arrived = report.chunk_arrived
    assert not arrived[: 10 - 4].any()
    assert arrived[20 + 5 :].all()
    assert report.energy.state_s[1, SLEEP] == pytest.approx(1.0, rel=1e-9)
    assert report.links.loss_ratio[0, 1] > 0.25  # the MAC sent again, in vain


def test_arq_bridges_a_neighbours_sleep_by_sending_again(tmp_path: Path) -> None:
    (report,) = run(pair(), tmp_path, [[0.1, 1.0]], pairs=FROM_0)
    assert report.flows.outcome.tolist() == [OUTCOMES.index("delivered")]
    assert report.flows.finish_s[0] > 1.0
    assert report.flows.retransmissions[0] > 0
    (awake,) = run(pair(radio_sleep=False), tmp_path, [[0.1, 1.0]], pairs=FROM_0)
    assert awake.flows.finish_s[0] < 0.2
    assert awake.flows.retransmissions[0] == 0


def test_a_device_that_dies_asleep_dies_when_its_battery_over_its_sleeping_power_says(
    tmp_path: Path,
) -> None:
    power_w = 0.5 + VOLTAGE_V * SLEEP_A
    scenario = pair(battery_j=[0.4 * power_w, 1e3])
    report, after = run_mesh(scenario, tmp_path, 2, pairs=FROM_0, compute_s=1.0, compute_j=0.5)
    lived_s = report.energy.died_at_s[0] - report.start_s
    assert lived_s == pytest.approx(0.4, abs=20e-6)
    assert report.energy.state_s[0, SLEEP] == pytest.approx(0.4, abs=20e-6)
    assert after.links.frames[0].sum() == 0
    np.testing.assert_array_equal(after.energy.state_j[0], 0.0)
