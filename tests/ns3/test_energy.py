"""Joules and batteries of the simulated radio, checked by other means."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mesh import make_mesh, make_traffic, run_mesh

from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.reports import OUTCOMES
from ns3_scenarios.worker import Ns3Network

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("mesh80211", {}),
        ("adhoc80211", {"radio_sleep": True}),
        ("mesh80211", {"harvest_power_w": np.full(9, 0.3), "revival_j": 0.5}),
        ("adhoc80211", {"standard": "80211p", "channel_width_mhz": 10}),
    ],
    ids=["mesh", "sleep", "revival", "ocb"],
)
def test_radio_joules_equal_those_of_the_state_trace_and_the_battery_adds_up(
    tmp_path: Path, name: str, changes: dict[str, Any]
) -> None:
    battery_j = np.linspace(4.0, 30.0, 9)  # some die in the first rounds, some never
    scenario = make_mesh(battery_j=battery_j, energy_audit=True, name=name, **changes)
    network = Ns3Network(scenario, tmp_path / "ns3.log")
    reports = [network.run_round(make_traffic(scenario, i, compute_s=0.5)) for i in range(6)]
    del reports[-1]  # ad hoc, its last state goes on, and the trace has not told of it
    boundaries_s = [reports[0].start_s, *(r.start_s + r.duration_s for r in reports)]
    traced_s = network.audit_state_s(boundaries_s)
    network.close()

    power_w = 3.0 * np.array([0.380, 0.313, 0.273, 0.273, 0.273, 0.033, 0.0])
    start_j = battery_j
    for report, traced, (start_s, end_s) in zip(
        reports, traced_s, pairwise(boundaries_s), strict=True
    ):
        energy = report.energy
        np.testing.assert_allclose(
            (traced * power_w).sum(axis=1), energy.state_j.sum(axis=1), rtol=1e-9
        )
        live = energy.state_s.sum(axis=1)
        np.testing.assert_allclose(live, end_s - start_s, rtol=1e-9)
        gained_j = energy.harvested_j - energy.overflow_j
        remaining_j = start_j + gained_j - energy.state_j.sum(axis=1) - energy.compute_j
        np.testing.assert_allclose(remaining_j, energy.remaining_energy_j, rtol=1e-9, atol=1e-9)
        start_j = energy.remaining_energy_j
        asleep_s = energy.state_s[:, RADIO_STATES.index("sleep")]
        assert asleep_s.max() > 0.4 if scenario.energy.radio_sleep else (asleep_s == 0).all()
    died = np.isfinite(reports[-1].energy.died_at_s)
    assert 2 <= died.sum() <= 8
    assert np.isfinite(reports[-1].energy.revived_at_s).any() == (
        scenario.energy.revival_j is not None
    )


def test_state_seconds_equal_those_of_the_state_trace_while_all_live(tmp_path: Path) -> None:
    scenario = make_mesh(energy_audit=True)
    network = Ns3Network(scenario, tmp_path / "ns3.log")
    reports = [network.run_round(make_traffic(scenario, i)) for i in range(3)]
    boundaries_s = [reports[0].start_s, *(r.start_s + r.duration_s for r in reports)]
    traced_s = network.audit_state_s(boundaries_s)
    network.close()
    for report, traced in zip(reports, traced_s, strict=True):
        np.testing.assert_allclose(report.energy.state_s, traced, rtol=1e-9, atol=1e-9)
        assert report.energy.state_s[:, 0].min() > 0  # everybody sent
        assert report.energy.state_s[:, 3].max() > 0  # and CCA was busy somewhere


def test_an_idle_device_dies_when_its_battery_divided_by_its_power_says(tmp_path: Path) -> None:
    power_w = 0.5 + 3.0 * 0.273
    quiet = {"tx_power_dbm": -20.0, "shadowing_sigma_db": 0.0}  # nobody hears anybody
    scenario = make_mesh(num_devices=2, battery_j=[power_w * 0.4, 1e3], **quiet)
    reports = run_mesh(
        scenario,
        tmp_path,
        1,
        pairs=(np.array([0]), np.array([1])),
        payload_bytes=100,
        compute_s=2.0,
        compute_j=1.0,
    )
    # Beacons are the only transmissions; one takes well under a millisecond of transmit power.
    lived_s = reports[0].energy.died_at_s[0] - reports[0].start_s
    assert lived_s == pytest.approx(0.4, abs=2e-3)
    assert np.isnan(reports[0].energy.died_at_s[1])
    assert reports[0].energy.compute_j[0] == pytest.approx(0.2, abs=2e-3)


def test_a_board_is_paid_from_the_same_battery_as_long_as_its_device_lives(
    tmp_path: Path,
) -> None:
    board_w, idle_w = 0.7, 3.0 * 0.273
    quiet = {"tx_power_dbm": -20.0, "shadowing_sigma_db": 0.0}  # nobody hears anybody
    battery_j = [(idle_w + board_w) * 1.5, 1e3]
    scenario = make_mesh(num_devices=2, battery_j=battery_j, board_idle_w=board_w, **quiet)
    energy = run_mesh(
        scenario,
        tmp_path,
        1,
        pairs=np.zeros((2, 0), np.int64),
        compute_s=0.0,
        compute_j=0.0,
        period_s=2.0,
    )[0].energy
    lived_s = energy.died_at_s[0] - scenario.settings.boot_s
    assert lived_s == pytest.approx(1.5, abs=2e-3)
    assert energy.board_j.tolist() == pytest.approx([board_w * lived_s, board_w * 2.0], rel=1e-9)
    spent_j = energy.state_j.sum(axis=1) + energy.board_j
    left_j = energy.start_energy_j - spent_j
    np.testing.assert_allclose(left_j, energy.remaining_energy_j, rtol=1e-9, atol=1e-9)


def test_every_death_falls_at_the_empty_battery_and_ends_the_devices_traffic(
    tmp_path: Path,
) -> None:
    scenario = make_mesh(battery_j=np.random.default_rng(5).uniform(5.0, 20.0, 9))
    reports = run_mesh(scenario, tmp_path, 9)
    energy = reports[-1].energy
    assert np.isfinite(energy.died_at_s).all()
    assert np.abs(energy.remaining_energy_j).max() < 1e-3
    for report in reports:
        dead_before = report.energy.died_at_s < report.start_s
        assert report.links.frames[dead_before].sum() == 0
        traffic = make_traffic(scenario, report.round_index)
        of_the_dead = dead_before[traffic.src] | dead_before[traffic.dst]
        assert (report.flows.outcome[of_the_dead] == OUTCOMES.index("dead")).all()
        assert report.flows.handed_bytes[dead_before[traffic.src]].sum() == 0


def test_harvest_above_the_radios_draw_fills_the_battery_and_then_overflows(
    tmp_path: Path,
) -> None:
    n = 4
    scenario = make_mesh(
        num_devices=n,
        initial_energy_j=np.full(n, 9.0),
        battery_capacity_j=np.full(n, 10.0),
        harvest_power_w=np.full(n, 2.0),
    )
    energy = run_mesh(scenario, tmp_path, 1, payload_bytes=5_000)[0].energy
    np.testing.assert_allclose(energy.harvested_j, 2.0 * 3.0, rtol=1e-9)
    balance = 9.0 + energy.harvested_j - energy.overflow_j - energy.state_j.sum(1)
    np.testing.assert_allclose(balance - energy.compute_j, energy.remaining_energy_j, rtol=1e-9)
    assert (energy.overflow_j > 1.0).all()
    assert (energy.remaining_energy_j > 9.99).all()
