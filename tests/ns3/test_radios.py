"""Radios of every kind carry traffic, as what they were asked to be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mesh import make_mesh, run_mesh

from ns3_scenarios.reports import OUTCOMES

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]

# Two devices 10 m apart: 16 dBm - 46.7 dB - 30 dB, 33 dB above the noise of 20 MHz.
NEAR: dict[str, Any] = {
    "num_devices": 2,
    "shadowing_sigma_db": 0.0,
    "position_m": np.array([[0.0, 0, 0], [10.0, 0, 0]]),
}


@pytest.mark.parametrize(
    ("name", "standard", "band_ghz", "width_mhz", "rate_mbps"),
    [
        # The fastest rate that the standard has there or, wide and ax, that the SNR carries.
        ("mesh80211", "80211a", 5.0, 20, (54, 54)),
        ("mesh80211", "80211n", 5.0, 40, (135, 135)),
        ("mesh80211", "80211ac", 5.0, 80, (175, 390)),
        ("mesh80211", "80211ax", 6.0, 80, (245, 510)),
        ("adhoc80211", "80211g", 2.4, 20, (54, 54)),
        ("adhoc80211", "80211n", 2.4, 20, (65, 65)),
        ("adhoc80211", "80211ac", 5.0, 40, (135, 180)),
        ("adhoc80211", "80211ax", 6.0, 40, (163, 244)),
    ],
)
def test_a_radio_sends_at_rates_of_its_standard_and_width(
    name: str,
    standard: str,
    band_ghz: float,
    width_mhz: int,
    rate_mbps: tuple[float, float],
    tmp_path: Path,
) -> None:
    scenario = make_mesh(
        **NEAR,
        name=name,
        standard=standard,
        band_ghz=band_ghz,
        channel_width_mhz=width_mhz,
        reference_loss_db=46.7,
    )
    reports = run_mesh(scenario, tmp_path, 2, pairs=(np.array([0, 1]), np.array([1, 0])))
    assert (reports[1].flows.outcome == OUTCOMES.index("delivered")).all()
    low, high = rate_mbps
    # The better direction: a sender that has heard little yet starts slowly.
    rate = reports[1].links.rate_bps[[0, 1], [1, 0]].max() / 1e6
    assert low - 0.5 <= rate <= high + 0.5


@pytest.mark.parametrize("name", ["mesh80211", "adhoc80211"])
def test_a_constant_rate_manager_sends_at_its_rate(name: str, tmp_path: Path) -> None:
    scenario = make_mesh(**NEAR, name=name, rate_manager="constant", mcs=3)
    report = run_mesh(scenario, tmp_path, 1, pairs=(np.array([0]), np.array([1])))[0]
    # HE MCS 3: 16-QAM (4 bits) at rate 1/2 on 234 subcarriers every 16 us.
    assert report.links.rate_bps[0, 1] == pytest.approx(4 * 0.5 * 234 / 16e-6, rel=1e-3)


def test_without_aggregation_each_frame_is_a_transmission_of_its_own(tmp_path: Path) -> None:
    times_s = []
    for max_ampdu_bytes in (0, 65535):
        scenario = make_mesh(**NEAR, name="adhoc80211", max_ampdu_bytes=max_ampdu_bytes)
        report = run_mesh(
            scenario, tmp_path, 2, pairs=(np.array([0]), np.array([1])), payload_bytes=400_000
        )[1]
        times_s.append(report.flows.delay_s[0])
    # 286 frames alone cost some 0.1 ms of access and acknowledgement each.
    assert times_s[0] > 1.3 * times_s[1]


def test_an_ad_hoc_neighbour_out_of_range_is_not_reached(tmp_path: Path) -> None:
    line = np.array([[0.0, 0, 0], [40, 0, 0], [80, 0, 0]])
    outcomes = {}
    for name in ("mesh80211", "adhoc80211"):
        scenario = make_mesh(
            num_devices=3,
            shadowing_sigma_db=0.0,
            position_m=line,
            name=name,
            neighbours=~np.eye(3, dtype=np.bool_),
        )
        reports = run_mesh(scenario, tmp_path, 2, pairs=(np.array([0, 0]), np.array([1, 2])))
        outcomes[name] = [OUTCOMES[i] for i in reports[1].flows.outcome]
    assert outcomes["mesh80211"] == ["delivered", "delivered"]  # the one in the middle forwards
    assert outcomes["adhoc80211"][0] == "delivered"
    assert outcomes["adhoc80211"][1] == "unreachable"
