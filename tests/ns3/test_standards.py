"""What standards have of their own: narrow channels, categories, guard intervals, streams."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mesh import make_mesh, run_mesh

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.reports import RoundReport

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(600)]

OCB = {"standard": "80211p", "channel_width_mhz": 10}


def pairs_apart(distances_m: Any, folder: Path, **changes: Any) -> tuple[RoundReport, FloatArray]:
    """A round of one message each between pairs far from each other, and its links' rates."""
    count = len(distances_m)
    position_m = np.zeros((2 * count, 3))
    position_m[:, 0] = np.repeat(5000.0 * np.arange(count), 2)
    position_m[1::2, 0] += distances_m
    scenario = make_mesh(
        num_devices=2 * count,
        name="adhoc80211",
        shadowing_sigma_db=0.0,
        position_m=position_m,
        preamble_detection_dbm=-100.0,
        neighbours=np.kron(np.eye(count), np.ones((2, 2)) - np.eye(2)) > 0,
        **changes,
    )
    senders = 2 * np.arange(count)
    report = run_mesh(scenario, folder, 2, pairs=(senders, senders + 1), payload_bytes=42_000)[1]
    return report, report.links.rate_bps[senders, senders + 1]


def test_ideal_rates_of_802_11p_are_half_of_those_of_802_11a_over_the_same_losses(
    tmp_path: Path,
) -> None:
    # ns-3.44 reckons both at the noise of 20 MHz: the 3 dB less at 10 MHz buy no faster rate.
    distances_m = np.array([10.0, 34.0, 46.0, 56.0, 66.0, 76.0, 86.0])
    rates = {}
    for name, changes in (("a", {"standard": "80211a"}), ("p", OCB)):
        (tmp_path / name).mkdir()
        rates[name] = pairs_apart(distances_m, tmp_path / name, **changes)[1]
    assert len(set(rates["a"].round(-5))) > 3
    assert rates["p"] == pytest.approx(rates["a"] / 2, rel=0.02)


def test_a_category_of_802_11p_waits_for_as_many_slots_as_the_standard_says(tmp_path: Path) -> None:
    took_s = {}
    for category in ("BE", "VO"):
        (tmp_path / category).mkdir()
        report, _ = pairs_apart(
            np.array([5.0]),
            tmp_path / category,
            **OCB,
            access_category=category,
            transport="udp",
            pacing_mbps=50.0,
            rate_manager="constant",
            mcs=4,
            rts_threshold_bytes=4692480,
        )
        assert report.flows.retransmissions.sum() == 0
        took_s[category] = report.flows.delay_s[0]
    # 30 datagrams: AIFSN 6 and 7.5 slots in the mean against AIFSN 2 and 1.5, of 13 us.
    assert took_s["BE"] - took_s["VO"] == pytest.approx(30 * 10 * 13e-6, rel=0.35)


WIDE = {"standard": "80211be", "channel_width_mhz": 160}


@pytest.mark.parametrize(
    ("name", "changes", "above_mbps", "most_mbps"),
    [
        # IEEE 802.11-2020, tables 19-27, 19-28 and 21-36: the fastest rate with less of what was
        # asked for, and with all of it; 802.11be above 80 MHz.
        ("adhoc80211", {"standard": "80211n", "guard_interval_ns": 400}, 65, 72.3),
        ("mesh80211", {"standard": "80211n", "antennas": 2, "spatial_streams": 2}, 72.3, 130),
        ("infrastructure", {"standard": "80211ac", "antennas": 4, "spatial_streams": 4}, 173, 312),
        ("adhoc80211", {"standard": "80211ax", "guard_interval_ns": 800}, 122, 143.5),
        ("mesh80211", {"standard": "80211ac", "channel_width_mhz": 160}, 433, 780),
        ("mesh80211", WIDE, 613, 1225.1),
        ("infrastructure", WIDE, 613, 1225.1),
    ],
)
def test_ideal_rates_use_the_guard_interval_the_streams_and_the_width_that_were_asked_for(
    name: str,
    changes: dict[str, Any],
    above_mbps: float,
    most_mbps: float,
    tmp_path: Path,
) -> None:
    scenario = make_mesh(
        num_devices=2,
        shadowing_sigma_db=0.0,
        position_m=np.array([[0.0, 0, 1.5], [3.0, 0, 1.5]]),
        name=name,
        **changes,
    )
    pairs = np.array([0, 1]), np.array([1, 0])
    report = run_mesh(scenario, tmp_path, 2, pairs=pairs, payload_bytes=400_000)[1]
    assert (report.flows.delivered_bytes == 400_000).all()
    rate_mbps = report.links.rate_bps[[0, 1], [1, 0]].max() / 1e6
    assert above_mbps < rate_mbps <= most_mbps


def test_antennas_beyond_the_streams_add_to_the_snr(tmp_path: Path) -> None:
    excess_db = {}
    for antennas in (1, 4):
        (tmp_path / str(antennas)).mkdir()
        report, _ = pairs_apart(
            np.array([40.0]),
            tmp_path / str(antennas),
            antennas=antennas,
            rate_manager="constant",
        )
        excess_db[antennas] = report.links.sinr_db[0, 1] - report.links.snr_db[0, 1]
    assert excess_db[4] - excess_db[1] == pytest.approx(6.02, abs=0.01)  # 10 log10(4 / 1)


def test_frames_to_all_have_one_stream_and_800_ns(tmp_path: Path) -> None:
    _, rate_bps = pairs_apart(
        np.array([5.0]),
        tmp_path,
        standard="80211n",
        guard_interval_ns=400,
        antennas=2,
        spatial_streams=2,
        transport="broadcast",
        broadcast_mcs=3,
    )
    assert rate_bps == pytest.approx(52 * 2 / 4e-6)  # 16-QAM at 1/2
