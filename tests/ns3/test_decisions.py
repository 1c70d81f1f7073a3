"""What a device decides about its radio happens in ns-3."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mesh import make_mesh, make_traffic

from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.traffic import RoundTraffic, Transmit
from ns3_scenarios.worker import Ns3Network

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(120)]

TX, SLEEP = RADIO_STATES.index("tx"), RADIO_STATES.index("sleep")


def play(scenario, folder: Path, rounds: list[RoundTraffic]) -> list[RoundReport]:
    network = Ns3Network(scenario, folder / "ns3.log")
    try:
        return [network.run_round(each) for each in rounds]
    finally:
        network.close()


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
