"""What a device decides about its radio happens in ns-3."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mesh import make_mesh, make_traffic, play

from ns3_scenarios.conformance import check_network
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.reports import OUTCOMES
from ns3_scenarios.traffic import Transmit
from ns3_scenarios.worker import Ns3Network

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(120)]

TX, IDLE, SLEEP = (RADIO_STATES.index(name) for name in ("tx", "idle", "sleep"))


@pytest.mark.parametrize(("name", "phy"), [("mesh80211", "yans"), ("adhoc80211", "spectrum")])
def test_a_lower_power_is_heard_as_much_weaker_and_drawn_for_until_it_is_raised_again(
    tmp_path: Path, name: str, phy: str
) -> None:
    scenario = make_mesh(num_devices=4, name=name, phy=phy, shadowing_sigma_db=0.0)
    power_dbm, draw_w = np.full(4, 16.0), np.full(4, 3 * 0.380)
    power_dbm[1], draw_w[1] = 9.0, 0.9
    quiet = Transmit(power_dbm, draw_w)
    plain = [make_traffic(scenario, index, payload_bytes=20_000) for index in range(3)]
    usual, lower, again = play(
        scenario, tmp_path, [plain[0], replace(plain[1], transmit=quiet), plain[2]]
    )
    others = [0, 2, 3]
    assert scenario.radio.tx_power_dbm == 16.0
    np.testing.assert_allclose(
        lower.links.snr_db[1, others], usual.links.snr_db[1, others] - 7.0, atol=1e-9
    )
    np.testing.assert_allclose(lower.links.snr_db[0, 1:], usual.links.snr_db[0, 1:], atol=1e-9)
    np.testing.assert_allclose(again.links.snr_db[1, others], usual.links.snr_db[1, others])
    for report, watt in ((usual, 1.14), (lower, 0.9), (again, 1.14)):
        sent_s, sent_j = report.energy.state_s[1, TX], report.energy.state_j[1, TX]
        assert sent_s > 0
        assert sent_j == pytest.approx(watt * sent_s)
        # The battery says the same: it lost what the states drew, and the computing.
        lost_j = report.energy.start_energy_j - report.energy.remaining_energy_j
        used_j = report.energy.state_j.sum(axis=1) + report.energy.compute_j
        np.testing.assert_allclose(lost_j, used_j, rtol=1e-6)


def test_a_radio_that_sleeps_through_a_round_hears_nothing_and_is_back_in_the_next(
    tmp_path: Path,
) -> None:
    scenario = make_mesh(num_devices=4, name="adhoc80211", shadowing_sigma_db=0.0)
    awake = [make_traffic(scenario, index, payload_bytes=20_000) for index in range(3)]
    own = awake[1].src == 3
    asleep = replace(
        awake[1],
        **{name: getattr(awake[1], name)[~own] for name in ("src", "dst", "part", "payload_bytes")},
        asleep=np.arange(4) == 3,
    )
    before, during, after = play(scenario, tmp_path, [awake[0], asleep, awake[2]])
    assert during.energy.state_s[:3, SLEEP].tolist() == [0, 0, 0]
    # Awake for its last acknowledgements at most.
    assert during.energy.state_s[3, SLEEP] > 0.98 * during.duration_s
    delivered = during.flows.outcome == OUTCOMES.index("delivered")
    assert delivered.tolist() == (asleep.dst != 3).tolist()
    for report in (before, after):
        assert np.all(report.flows.outcome == OUTCOMES.index("delivered"))
    assert after.energy.state_s[3, SLEEP] == 0


@pytest.mark.parametrize(("name", "phy"), [("mesh80211", "yans"), ("adhoc80211", "spectrum")])
def test_radios_that_differ_are_heard_and_charged_each_as_its_own(
    tmp_path: Path, name: str, phy: str
) -> None:
    alike = make_mesh(num_devices=4, name=name, phy=phy, shadowing_sigma_db=0.0)
    power_dbm, power_w = np.array([16.0, 9.0, 16.0, 20.0]), alike.draws.state_power_w.copy()
    power_w[1] = [0.7, 0.3, 0.2, 0.2, 0.2, 0.01, 0.0]
    power_w[3, TX] = 2.0
    board_w = np.array([0.0, 0.05, 0.4, 0.1])
    draws = replace(
        alike.draws, tx_power_dbm=power_dbm, state_power_w=power_w, board_idle_w=board_w
    )
    scenario = replace(alike, draws=draws)
    traffic = [make_traffic(scenario, index, payload_bytes=20_000) for index in range(3)]
    # One round in which all are as loud as device 0, between two as usual.
    even = Transmit(np.full(4, 16.0), power_w[:, TX])
    first, loud, last = play(
        scenario, tmp_path, [traffic[0], replace(traffic[1], transmit=even), traffic[2]]
    )
    (usual,) = play(alike, tmp_path, [make_traffic(alike, 0, payload_bytes=20_000)])
    off = ~np.eye(4, dtype=np.bool_)
    for report, more_db in ((first, power_dbm - 16.0), (loud, np.zeros(4)), (last, power_dbm - 16)):
        louder_db = (report.links.snr_db - usual.links.snr_db)[off].reshape(4, 3)
        np.testing.assert_allclose(louder_db, np.repeat(more_db[:, None], 3, axis=1), atol=1e-9)
        energy = report.energy
        np.testing.assert_allclose(energy.state_j, energy.state_s * power_w, rtol=1e-9)
        np.testing.assert_allclose(energy.board_j, board_w * report.duration_s, rtol=1e-9)
        assert (energy.state_s[:, TX] > 0).all()
        lost_j = energy.start_energy_j - energy.remaining_energy_j
        used_j = energy.state_j.sum(axis=1) + energy.compute_j + energy.board_j
        np.testing.assert_allclose(lost_j, used_j, rtol=1e-6)
        named_j = np.sum(list(report.causes.of_devices.values()), axis=0)
        above_j = energy.state_j.sum(axis=1) - power_w[:, IDLE] * report.duration_s
        np.testing.assert_allclose(named_j, above_j, rtol=1e-6)
    # The promises of networks hold where devices differ, boards and causes among them.
    findings = check_network(lambda each: Ns3Network(each, tmp_path / "checked.log"), scenario)
    assert [finding for finding in findings if not finding.ok] == []
