"""What the channel makes of each link, and of pairs that it keeps apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mesh import change, make_mesh, make_traffic, run_mesh

from cosim.config.remarks import out_of_range
from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import OUTCOMES
from ns3_scenarios.worker import Ns3Network

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]
NOISE_DBM = -173.9752 + 10 * np.log10(20e6) + 7


def by_hand_db(scenario: NetworkScenario) -> FloatArray:
    """16 dBm - 46.7 dB - 30 log10(d) - shadowing, over the noise."""
    place_m = scenario.position_m
    apart_m = np.linalg.norm(place_m[:, None] - place_m, axis=-1) + np.eye(len(place_m))
    loss_db = 46.7 + 30 * np.log10(apart_m) + scenario.channel.shadowing_db
    return np.asarray(scenario.radio.tx_power_dbm - loss_db - NOISE_DBM)


def off_diagonal(values: FloatArray) -> FloatArray:
    return values[~np.eye(len(values), dtype=np.bool_)]


@pytest.mark.parametrize("changes", [{}, {"phy": "spectrum"}, {"fading": "nakagami"}])
def test_a_link_has_the_snr_of_its_budget_in_both_directions(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    scenario = make_mesh(num_devices=4, **changes)
    reports = run_mesh(scenario, tmp_path, 2)
    for report in reports:
        snr_db = report.links.snr_db
        np.testing.assert_array_equal(snr_db, snr_db.T)
        np.testing.assert_allclose(
            off_diagonal(snr_db), off_diagonal(by_hand_db(scenario)), atol=1e-3
        )
        heard = np.isfinite(report.links.sinr_db)
        # Frames meet others: what is left over noise and interference is less, also on average.
        # ns-3's constant of Boltzmann is 1.3803e-23 J/K, 0.0011 dB below that of the SI.
        if not changes:
            assert (report.links.sinr_db[heard] <= snr_db[heard] + 0.0012).all()
    assert np.isnan(np.diag(reports[0].links.snr_db)).all()


def test_a_pair_of_stations_has_the_snr_of_its_weaker_hop(tmp_path: Path) -> None:
    flags = "--network.num_devices 3 --network.placement line --network.shadowing_sigma_db 0"
    scenario = make_scenario(load(flags.split(), None, "infrastructure"))
    (report,) = run_mesh(scenario, tmp_path, 1, payload_bytes=2000)
    # On a line at 0, 30 and 60 m, the access point above the middle, 1.5 m higher.
    far_db, near_db = (
        20 - 46.7 - 30 * np.log10(apart_m) - NOISE_DBM for apart_m in (np.hypot(30, 1.5), 1.5)
    )
    assert near_db > far_db + 30
    np.testing.assert_allclose(off_diagonal(report.links.snr_db), far_db, atol=1e-3)


def test_stations_that_never_hear_their_access_point_are_named_at_the_start(
    tmp_path: Path,
) -> None:
    flags = "--network.num_devices 3 --network.placement line --network.tx_power_dbm -20"
    scenario = make_scenario(load(flags.split(), None, "infrastructure"))
    network = Ns3Network(scenario, tmp_path / "ns3.log")
    network.wait_ready()
    (warning,) = out_of_range(scenario, network.start_snr_db)
    (report,) = (network.run_round(make_traffic(scenario, 0, payload_bytes=2000)),)
    network.close()
    assert (report.flows.outcome == OUTCOMES.index("unreachable")).all()
    planned = np.triu(scenario.neighbours).sum()
    assert warning.startswith(f"{planned} of {planned} planned pairs cannot hear each other")


def deaf_pair(**changes: object) -> NetworkScenario:
    """Devices 0 and 1 hear each other, 2 hears nobody, all are planned neighbours."""
    shadowing_db = np.zeros((3, 3))
    shadowing_db[2, :2] = shadowing_db[:2, 2] = 40.0
    flags = ["--network.num_devices", "3"]
    scenario = make_scenario(load(flags, None, "adhoc80211"))
    neighbours = ~np.eye(3, dtype=np.bool_)
    channel = scenario.channel.model_copy(update={"shadowing_db": shadowing_db})
    return change(replace(scenario, channel=channel, neighbours=neighbours), **changes)


@pytest.mark.parametrize("transport", ["arq", "tcp", "udp", "broadcast"])
def test_what_goes_to_a_device_out_of_range_is_unreachable_and_named_at_the_start(
    tmp_path: Path, transport: str
) -> None:
    scenario = deaf_pair(transport=transport)
    network = Ns3Network(scenario, tmp_path / "ns3.log")
    network.wait_ready()
    (warning,) = out_of_range(scenario, network.start_snr_db)
    assert warning.startswith("2 of 3 planned pairs cannot hear each other")
    assert "devices 0 and 2 (-1" in warning
    assert ", 1 and 2 (-1" in warning
    traffic = make_traffic(scenario, 0, payload_bytes=20_000)
    report = network.run_round(traffic)
    network.close()
    between = np.maximum(traffic.src, traffic.dst) < 2
    names = np.array(OUTCOMES)[report.flows.outcome]
    assert set(names[between]) == {"delivered"}
    assert set(names[~between]) == {"unreachable"}


def test_an_unheard_peer_costs_two_time_outs_and_is_tried_anew_in_the_next_round(
    tmp_path: Path,
) -> None:
    scenario = deaf_pair()
    pairs = (np.array([0]), np.array([2]))
    for report in run_mesh(scenario, tmp_path, 2, pairs=pairs, period_s=20.0, oracle=True):
        assert OUTCOMES[report.flows.outcome[0]] == "unreachable"
        assert report.flows.handed_bytes[0] > 0
        # Computing, a start of up to 20 ms later, then 0.5 s and 0.8 s, up to a quarter longer.
        assert 0.2 + 1.3 < report.duration_s < 0.2 + 0.02 + 1.25 * 1.3


def test_messages_are_late_where_nobody_had_the_time_to_answer(tmp_path: Path) -> None:
    pairs = (np.array([0]), np.array([2]))
    (report,) = run_mesh(deaf_pair(), tmp_path, 1, pairs=pairs, period_s=0.6)
    assert OUTCOMES[report.flows.outcome[0]] == "late"


def test_a_peer_that_is_heard_and_never_answers_is_lost_after_ten_time_outs(
    tmp_path: Path,
) -> None:
    # 14 dB carry beacons at 6 Mbit/s, and no frame at MCS 7 (64-QAM 5/6, some 25 dB).
    shadowing_db = np.full((2, 2), 5.0)  # 16 - 46.7 - 30 log10(30) - 5 - NOISE_DBM
    radio = {"rate_manager": "constant", "mcs": 7, "rts_threshold_bytes": 4_692_480}
    scenario = make_mesh(num_devices=2, shadowing_db=shadowing_db, **radio)
    (report,) = run_mesh(scenario, tmp_path, 1, period_s=20.0, oracle=True)
    assert (report.flows.outcome == OUTCOMES.index("lost")).all()
    time_outs_s = 0.5 + 9 * 0.8
    assert 0.2 + time_outs_s < report.duration_s < 0.2 + 0.02 + 1.25 * time_outs_s


def test_a_mesh_that_finds_another_way_is_not_warned_of(tmp_path: Path) -> None:
    scenario = make_mesh(num_devices=3)
    snr_db = np.array([[np.nan, 20, -9], [20, np.nan, 20], [-9, 20, np.nan]])
    assert out_of_range(scenario, snr_db) == []
    (warning,) = out_of_range(replace(scenario, name="adhoc80211", neighbours=snr_db < 99), snr_db)
    assert warning.startswith("1 of 3 planned pairs")
