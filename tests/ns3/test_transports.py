"""Each transport moves what it promises to move, at the pace and price that it promises."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from captures import read_capture
from mesh import make_mesh, run_mesh

from ns3_scenarios.description.scenario import RecordingSettings
from ns3_scenarios.reports import OUTCOMES, num_chunks

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]

NEAR: dict[str, Any] = {
    "name": "adhoc80211",
    "shadowing_sigma_db": 0.0,
    "neighbours": ~np.eye(3, dtype=np.bool_),
    "num_devices": 3,
    "position_m": np.array([[0.0, 0, 1.5], [10.0, 0, 1.5], [20.0, 0, 1.5]]),
}
FROM_0 = (np.array([0, 0]), np.array([1, 2]))


@pytest.mark.parametrize(("name", "least"), [("adhoc80211", 22), ("mesh80211", 23)])
def test_tcp_keeps_delivering_round_after_round(name: str, least: int, tmp_path: Path) -> None:
    # One pair of the ad hoc grid is out of range, both ways.
    reports = run_mesh(make_mesh(name=name, transport="tcp"), tmp_path, 8)
    whole = [(r.flows.outcome == OUTCOMES.index("delivered")).sum() for r in reports]
    assert min(whole[2:]) >= least
    acked = [r.flows.acked_bytes.sum() / r.flows.delivered_bytes.sum() for r in reports]
    assert min(acked) > 0.95
    assert sum(r.flows.retransmissions.sum() for r in reports) > 0


def test_udp_takes_as_long_as_its_pace_says_and_learns_nothing(tmp_path: Path) -> None:
    scenario = make_mesh(**NEAR, transport="udp", pacing_mbps=4.0)
    flows = run_mesh(scenario, tmp_path, 1, pairs=FROM_0, payload_bytes=210_000)[0].flows
    assert (flows.outcome == OUTCOMES.index("delivered")).all()
    # 150 datagrams of 1416 bytes to one, then as many to the other; gaps vary by half of the mean.
    gap_s = 8 * 1416 / 4e6
    for delay_s, gaps in zip(flows.delay_s, (149, 299), strict=True):
        spread_s = 4 * gap_s * np.sqrt(gaps / 12)
        assert gaps * gap_s - spread_s < delay_s < gaps * gap_s + spread_s + 0.030
    assert flows.acked_bytes.sum() == 0
    assert flows.retransmissions.sum() == 0


def test_udp_faster_than_the_radio_loses_chunks_and_says_which(tmp_path: Path) -> None:
    scenario = make_mesh(**NEAR, transport="udp", pacing_mbps=60.0, rate_manager="constant", mcs=0)
    traffic = {"pairs": FROM_0, "payload_bytes": 1_400_000}
    report = run_mesh(scenario, tmp_path, 1, **traffic)[0]
    assert (report.flows.outcome == OUTCOMES.index("partial")).all()
    assert (report.flows.handed_bytes == 1_400_000).all()
    chunks = report.chunk_arrived.reshape(2, 1000)
    np.testing.assert_array_equal(1400 * chunks.sum(axis=1), report.flows.delivered_bytes)
    # Not simply the first ones: later datagrams find room in the queue again.
    assert (np.diff(chunks.astype(int), axis=1) != 0).sum() > 2


def test_one_broadcast_serves_all_and_what_arrives_is_what_the_links_let_through(
    tmp_path: Path,
) -> None:
    # The far receiver is 4 dB above the noise: some frames of MCS 1 are lost to it.
    far = NEAR | {"position_m": np.array([[0.0, 0, 1.5], [10.0, 0, 1.5], [93.5, 0, 1.5]])}
    scenario = make_mesh(
        **far, transport="broadcast", broadcast_mcs=1, preamble_detection_dbm=-100.0
    )
    report = run_mesh(scenario, tmp_path, 1, pairs=FROM_0, payload_bytes=700_000)[0]
    links, flows = report.links, report.flows
    assert links.frames[0].tolist() == [0, 500, 500]
    np.testing.assert_array_equal(flows.handed_bytes, [700_000, 700_000])
    arrived = 1400 * np.rint(500 * (1 - links.loss_ratio[0, 1:]))
    np.testing.assert_array_equal(flows.delivered_bytes, arrived)
    assert 0.02 < links.loss_ratio[0, 2] < 0.98
    # HE MCS 1: QPSK at rate 1/2 on 234 subcarriers, every 13.6 us: ns-3 sends broadcasts with a
    # guard interval of 0.8 us. One transmission, not two.
    assert links.rate_bps[0, 1] == pytest.approx(234 / 13.6e-6, rel=1e-6)
    assert report.energy.state_s[0, 0] == pytest.approx(links.airtime_s[0, 1], rel=1e-6)
    assert report.energy.state_s[1:, 0].sum() == 0.0  # nobody answers
    assert num_chunks(np.array([700_000]), report.chunk_bytes)[0] == 500


@pytest.mark.parametrize(
    ("name", "kind", "category", "tids"),
    [
        ("d2d", "arq", "VI", {4, 5}),
        ("adhoc80211", "tcp", "VO", {6, 7}),
        ("infrastructure", "udp", "BK", {1, 2}),
    ],
)
def test_data_frames_carry_the_access_category_that_was_asked_for(
    name: str, kind: str, category: str, tids: set[int], tmp_path: Path
) -> None:
    scenario = make_mesh(
        num_devices=4,
        name=name,
        transport=kind,
        access_category=category,
        recordings=RecordingSettings(pcap=True),
    )
    run_mesh(scenario, tmp_path, 1)
    seen = [frame.tid for frame in read_capture(tmp_path / "pcap" / "radio-0-0.pcap")]
    assert sum(tid in tids for tid in seen) > 300  # 802.11e, table 9-1
    assert set(seen) - {None, 0} <= tids
    assert seen.count(0) < 20  # IPv6's own, at the start
