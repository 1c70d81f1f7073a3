"""Transfers end honestly, and what left the learning side is what reached the sockets."""

from pathlib import Path

import numpy as np
import pytest
from mesh import make_mesh, make_traffic, run_mesh

from ns3_scenarios.reports import OUTCOMES

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]


def test_the_default_mesh_delivers_every_byte_between_neighbours(tmp_path: Path) -> None:
    scenario = make_mesh()
    for report in run_mesh(scenario, tmp_path, 6)[1:]:
        flows = report.flows
        offered = make_traffic(scenario, report.round_index).payload_bytes
        assert (flows.outcome == OUTCOMES.index("delivered")).all()
        np.testing.assert_array_equal(flows.handed_bytes, offered)
        np.testing.assert_array_equal(flows.delivered_bytes, offered)
        assert (flows.unsent_bytes == 0).all()
        assert (flows.delay_s > 80_000 * 8 / 143.4e6).all()  # never above HE MCS 11 at 20 MHz
        assert report.duration_s == pytest.approx(3.0)


def test_a_short_period_makes_messages_late_and_none_of_them_arrives_in_the_next_round(
    tmp_path: Path,
) -> None:
    scenario = make_mesh()
    reports = run_mesh(scenario, tmp_path, 3, period_s=0.6)
    late = [(r.flows.outcome == OUTCOMES.index("late")).sum() for r in reports]
    assert min(late[1:]) > 0
    for report in reports:
        flows = report.flows
        unfinished = flows.outcome != OUTCOMES.index("delivered")
        assert np.isinf(flows.finish_s[unfinished]).all()
        assert (flows.delivered_bytes[unfinished] < 80_000).all()
        assert (flows.finish_s[~unfinished] <= 0.6).all()
        assert (flows.handed_bytes + flows.unsent_bytes == 80_000).all()
        assert (flows.acked_bytes <= flows.delivered_bytes).all()
        assert (flows.delivered_bytes <= flows.handed_bytes).all()


def test_a_peer_out_of_range_of_a_mesh_is_unreachable_after_two_time_outs(
    tmp_path: Path,
) -> None:
    scenario = make_mesh(num_devices=2, shadowing_sigma_db=0.0, tx_power_dbm=-10.0)
    report = run_mesh(scenario, tmp_path, 1, period_s=20.0, oracle=True)[0]
    assert (report.flows.outcome == OUTCOMES.index("unreachable")).all()
    assert (report.flows.delivered_bytes == 0).all()
    # Computing, then two time-outs: 0.5 s and 0.8 s, each up to a quarter longer.
    assert 0.2 + 1.3 < report.duration_s < 0.2 + 0.02 + 1.25 * 1.3
    assert report.links.frames.sum() == 0
    assert not report.links.is_peer.any()


def test_the_radio_runs_802_11ax_on_the_asked_channel_and_power(tmp_path: Path) -> None:
    near = make_mesh(
        num_devices=2,
        shadowing_sigma_db=0.0,
        position_m=np.array([[0.0, 0, 0], [5.0, 0, 0]]),
        channel_number=149,
    )
    links = run_mesh(near, tmp_path, 2, payload_bytes=400_000)[1].links
    # HE MCS 11, 20 MHz, one stream, 3.2 us guard interval, over small shares of slower frames:
    # 121.9 Mbit/s, against 54 Mbit/s at most for legacy OFDM.
    assert 100e6 < links.rate_bps[0, 1] <= 143.4e6
    # SNR by hand: 16 dBm - (46.7 + 30 log10(5)) dB - (-174 + 10 log10(20 MHz) + 7) dBm.
    loss_db = 46.7 + 30 * np.log10(5)
    expected_db = 16 - loss_db - (-173.97 + 10 * np.log10(20e6) + 7)
    assert links.sinr_db[0, 1] == pytest.approx(expected_db, abs=0.5)


def test_more_transmit_power_delivers_more_under_shadowing(tmp_path: Path) -> None:
    shares = []
    for tx_power_dbm in (2.0, 4.0, 6.0, 8.0, 20.0):
        scenario = make_mesh(tx_power_dbm=tx_power_dbm, shadowing_sigma_db=6.0)
        reports = run_mesh(scenario, tmp_path, 3, payload_bytes=20_000)
        delivered = sum(r.flows.delivered_bytes.sum() for r in reports)
        shares.append(delivered / (3 * 24 * 20_000))
    assert sum(0.1 < share < 0.9 for share in shares) >= 3
    assert shares[-1] == 1.0


def test_the_same_seed_gives_the_same_round_and_another_run_number_another(
    tmp_path: Path,
) -> None:
    first, again, other = (
        run_mesh(make_mesh(seed=1, rng_run=run), tmp_path, 2)[1] for run in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.flows.finish_s, again.flows.finish_s)
    np.testing.assert_array_equal(first.energy.remaining_energy_j, again.energy.remaining_energy_j)
    np.testing.assert_array_equal(first.links.sinr_db, again.links.sinr_db)
    assert first.num_events == again.num_events
    assert not np.array_equal(first.flows.finish_s, other.flows.finish_s)


def test_nobody_spares_the_air_for_a_neighbour_whose_death_no_packet_has_told(
    tmp_path: Path,
) -> None:
    battery_j = np.array([1e6, 0.2, 1e6, 1e6])
    scenario = make_mesh(num_devices=4, battery_j=battery_j)
    report = run_mesh(scenario, tmp_path, 1)[0]  # device 1 dies while it computes
    assert report.energy.died_at_s[1] - report.start_s < 0.2
    to_the_dead = np.asarray(make_traffic(scenario, 0).dst) == 1
    assert (report.flows.outcome[to_the_dead] == OUTCOMES.index("dead")).all()
    assert (report.flows.handed_bytes[to_the_dead] > 0).all()
    assert (report.flows.retransmissions[to_the_dead] > 0).all()
    assert (report.flows.delivered_bytes[to_the_dead] == 0).all()


def test_an_oracle_round_ends_with_the_last_computing_when_nothing_else_is_open(
    tmp_path: Path,
) -> None:
    scenario = make_mesh(num_devices=2, battery_j=[1e6, 0.05])
    reports = run_mesh(scenario, tmp_path, 2, compute_s=0.8, compute_j=0.4, oracle=True)
    for report in reports:
        assert report.duration_s == pytest.approx(0.8)
        assert report.energy.compute_j[0] == pytest.approx(0.4)
