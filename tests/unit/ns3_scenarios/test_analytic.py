"""The analytic network against numbers by hand, and its books kept a second time."""

from typing import Any

import numpy as np
import pytest
from mesh import make_mesh, traffic_of_three

from ns3_scenarios.analytic import AnalyticNetwork, capacity_bps, link_snr_db
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.traffic import RoundTraffic

# Noise of 20 MHz at 290 K and a noise figure of 7 dB: -173.98 + 73.01 + 7 = -93.97 dBm.
NOISE_DBM = 10 * np.log10(1.380649e-23 * 290.0 * 20e6 / 1e-3) + 7.0
# 3 V times the currents of ns-3's radio.
TX_W, RX_W, IDLE_W = 3 * 0.380, 3 * 0.313, 3 * 0.273
TX, RX, IDLE, OFF = 0, 1, 2, 6
# Three devices, each 10 m from the others: 46.7 dB at 1 m and 30 dB more.
TRIANGLE = np.array([[0.0, 0, 0], [10, 0, 0], [5, 10 * np.sqrt(0.75), 0]])
# At an SNR of 1 a link carries log2(2) x 20 MHz: 2.5 MB in a second.
SECOND = 2_500_000


def make_triangle(snr_db: float = 0.0, **changes: Any) -> NetworkScenario:
    """Every link has the same SNR, of 1 by default: shadowing takes what is too much."""
    shadowing_db = np.full((3, 3), 16.0 - 76.7 - NOISE_DBM - snr_db)
    fields = {"position_m": TRIANGLE, "shadowing_db": shadowing_db, "reference_loss_db": 46.7}
    return make_mesh(3, **(fields | changes))


def outcomes(report: RoundReport) -> list[str]:
    return [OUTCOMES[i] for i in report.flows.outcome]


def test_a_link_of_10_m_has_the_capacity_that_shannon_gives_its_snr() -> None:
    near = np.array([[0.0, 0, 0], [10.0, 0, 0]])
    plain: dict[str, Any] = {"position_m": near, "shadowing_sigma_db": 0.0}
    scenario = make_mesh(2, **plain)
    # 16 dBm - 46.7 dB - 30 dB = -60.7 dBm, 33.27 dB above the noise: 2121 times it.
    assert link_snr_db(scenario)[0, 1] == pytest.approx(33.27, abs=0.01)
    # log2(2122) = 11.051 bit/s/Hz in 20 MHz
    assert capacity_bps(scenario)[0, 1] == pytest.approx(221.0e6, rel=1e-3)
    snr = 10 ** ((-60.7 - NOISE_DBM) / 10)
    expected_bps = np.array([[0.0, 1.0], [1.0, 0.0]]) * 20e6 * np.log2(1 + snr)
    np.testing.assert_allclose(capacity_bps(scenario), expected_bps, rtol=1e-12)
    # Gain counts at both ends; shadowing is a loss.
    assert link_snr_db(make_mesh(2, antenna_gain_dbi=3.0, **plain))[0, 1] == pytest.approx(
        39.27, abs=0.01
    )
    shadowed = make_mesh(2, position_m=near, shadowing_db=np.array([[0.0, 5.0], [5.0, 0.0]]))
    assert link_snr_db(shadowed)[1, 0] == pytest.approx(28.27, abs=0.01)


def test_devices_closer_than_a_metre_lose_what_they_lose_at_one() -> None:
    at_one, closer = (
        make_mesh(2, position_m=np.array([[0.0, 0, 0], [x_m, 0, 0]]), shadowing_sigma_db=0.0)
        for x_m in (1.0, 0.0)
    )
    np.testing.assert_array_equal(capacity_bps(at_one), capacity_bps(closer))


def test_messages_of_one_sender_queue_and_those_of_others_do_not_disturb() -> None:
    traffic = traffic_of_three(
        [(0, 2, SECOND), (1, 2, SECOND), (0, 1, SECOND // 2), (2, 1, SECOND // 4)],
        compute_s=np.array([1.0, 0.5, 1.0]),
    )
    report = AnalyticNetwork(make_triangle()).run_round(traffic)
    assert outcomes(report) == ["delivered"] * 4
    assert report.flows.ready_s.tolist() == [1.0, 0.5, 1.0, 1.0]
    assert report.flows.finish_s == pytest.approx([2.0, 1.5, 2.5, 1.25])
    assert report.flows.delay_s == pytest.approx([1.0, 1.0, 1.5, 0.25])
    for name in ("handed_bytes", "delivered_bytes", "acked_bytes"):
        assert getattr(report.flows, name).tolist() == traffic.payload_bytes.tolist()


def test_a_link_of_four_times_the_noise_carries_twice_the_bits_of_one_of_its_equal() -> None:
    # SNR 3: log2(4) = 2.
    network = AnalyticNetwork(make_triangle(snr_db=10 * np.log10(3)))
    report = network.run_round(traffic_of_three([(0, 1, SECOND)]))
    assert report.flows.delay_s == pytest.approx([0.5])


def test_what_the_round_cuts_off_is_late_with_the_bytes_that_came_through() -> None:
    traffic = traffic_of_three([(0, 1, SECOND), (0, 2, 2 * SECOND), (0, 1, 70)], period_s=2.7)
    report = AnalyticNetwork(make_triangle()).run_round(traffic)
    # On the air from 1 s on: the first until 2 s, the second for 0.7 s, the third never.
    assert outcomes(report) == ["delivered", "late", "late"]
    for name in ("handed_bytes", "delivered_bytes", "acked_bytes"):
        assert getattr(report.flows, name) == pytest.approx([SECOND, 0.7 * SECOND, 0], abs=1)
    whole = report.flows.handed_bytes + report.flows.unsent_bytes
    assert whole.tolist() == traffic.payload_bytes.tolist()
    assert report.flows.finish_s == pytest.approx([2.0, np.inf, np.inf])
    # The next round knows nothing of it.
    network = AnalyticNetwork(make_triangle())
    reports = [network.run_round(traffic) for _ in range(2)]
    assert reports[1].flows.delivered_bytes.tolist() == report.flows.delivered_bytes.tolist()
    assert [each.start_s for each in reports] == [0.0, 2.7]


def test_sending_hides_receiving_and_both_hide_idling() -> None:
    # 0 sends from 1 to 2 s; 1 sends from 1.5 to 2.5 s and hears 0 before; 2 hears 1.
    traffic = traffic_of_three(
        [(0, 1, SECOND), (1, 2, SECOND)],
        compute_s=np.array([1.0, 1.5, 0.0]),
        compute_j=np.array([2.0, 3.0, 0.0]),
    )
    energy = AnalyticNetwork(make_triangle(battery_j=100.0)).run_round(traffic).energy
    expected_s = np.zeros((3, 7))
    expected_s[0, [TX, IDLE]] = 1.0, 3.0
    expected_s[1, [TX, RX, IDLE]] = 1.0, 0.5, 2.5
    expected_s[2, [RX, IDLE]] = 1.0, 3.0
    np.testing.assert_allclose(energy.state_s, expected_s, atol=1e-9)
    spent_j = np.array(
        [
            2.0 + TX_W + 3 * IDLE_W,
            3.0 + TX_W + 0.5 * RX_W + 2.5 * IDLE_W,
            RX_W + 3 * IDLE_W,
        ]
    )
    np.testing.assert_allclose(energy.remaining_energy_j, 100.0 - spent_j, rtol=1e-12)


def test_a_link_reports_its_capacity_and_the_time_that_it_was_used() -> None:
    traffic = traffic_of_three([(0, 1, SECOND), (0, 1, SECOND // 2), (0, 2, 4 * SECOND)])
    links = AnalyticNetwork(make_triangle()).run_round(traffic).links
    assert links.rate_bps[0, 1:] == pytest.approx([20e6, 20e6])
    assert links.sinr_db[0, 1:] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert links.loss_ratio[0, 1:].tolist() == [0.0, 0.0]
    assert links.frames[0].tolist() == [0, 2, 1]
    assert links.airtime_s[0] == pytest.approx([0.0, 1.5, 1.5])  # the round ends after 4 s
    assert links.received_bytes[0] == pytest.approx([0, 1.5 * SECOND, 1.5 * SECOND], abs=1)
    # Nobody else sent anything, though all could.
    assert links.frames[1:].sum() == 0
    assert np.isnan(links.rate_bps[1:]).all()
    assert links.is_peer.tolist() == (~np.eye(3, dtype=np.bool_)).tolist()


def test_a_sender_whose_battery_empties_while_it_sends_is_cut_off_in_that_instant() -> None:
    # A second of idling and 2 W of computing, then half a second of sending.
    battery_j = np.array([IDLE_W + 2.0 + 0.5 * TX_W, 100.0, 100.0])
    network = AnalyticNetwork(make_triangle(battery_j=battery_j))
    traffic = traffic_of_three(
        [(0, 1, SECOND), (0, 2, SECOND), (1, 0, SECOND // 4), (2, 0, SECOND)]
    )
    report = network.run_round(traffic)
    energy = report.energy
    assert energy.died_at_s[0] == pytest.approx(1.5)
    assert np.isnan(energy.died_at_s[1:]).all()
    # 1 was whole before; 2 goes on sending, since no packet tells it.
    assert outcomes(report) == ["dead", "dead", "delivered", "dead"]
    assert report.flows.handed_bytes == pytest.approx([SECOND / 2, 0, SECOND / 4, SECOND], abs=1)
    assert report.flows.delivered_bytes == pytest.approx(
        [SECOND / 2, 0, SECOND / 4, SECOND / 2], abs=1
    )
    assert energy.state_s[0, [TX, RX, IDLE, OFF]] == pytest.approx([0.5, 0.0, 1.0, 2.5])
    assert energy.state_s[1, [TX, RX, IDLE]] == pytest.approx([0.25, 0.25, 3.5])
    assert energy.state_s[2, [TX, RX, IDLE]] == pytest.approx([1.0, 0.0, 3.0])
    assert energy.remaining_energy_j[0] == 0.0
    assert report.links.loss_ratio[[1, 2], 0] == pytest.approx([0.0, 0.5])
    again = network.run_round(traffic)
    assert again.energy.died_at_s[0] == energy.died_at_s[0]
    assert again.flows.handed_bytes == pytest.approx([0, 0, SECOND / 4, SECOND])
    assert again.flows.delivered_bytes.tolist() == [0, 0, 0, 0]
    assert again.energy.state_s[0].tolist() == [0.0] * 6 + [4.0]


def test_the_oracle_ends_a_round_when_all_has_arrived_or_can_no_longer() -> None:
    both = [(0, 1, SECOND), (1, 2, SECOND // 2)]
    for battery_j, expected_s in (
        ([100.0, 100.0, 100.0], 2.0),  # a second of computing, a second on the air
        ([IDLE_W + 2.0 + 0.75 * TX_W, 100.0, 100.0], 1.75),  # the sender of the longer one dies
        ([100.0, 100.0, 1e-3], 2.0),  # the receiver of the shorter one dies: it is settled
    ):
        network = AnalyticNetwork(make_triangle(battery_j=np.array(battery_j)))
        report = network.run_round(traffic_of_three(both, stop_when_settled=True))
        assert report.duration_s == pytest.approx(expected_s)
        assert network.run_round(traffic_of_three(both)).start_s == report.duration_s
    late = AnalyticNetwork(make_triangle()).run_round(
        traffic_of_three([(0, 1, 10 * SECOND)], stop_when_settled=True)
    )
    assert (late.duration_s, outcomes(late)) == (4.0, ["late"])


def test_a_round_without_messages_idles_and_to_the_oracle_lasts_as_long_as_its_computing() -> None:
    for oracle, expected_s in ((False, 4.0), (True, 1.0)):
        traffic = traffic_of_three([], stop_when_settled=oracle)
        report = AnalyticNetwork(make_triangle()).run_round(traffic)
        assert report.duration_s == expected_s
        assert report.energy.state_s[:, IDLE].tolist() == [expected_s] * 3


def integrate(
    scenario: NetworkScenario, rounds: list[RoundTraffic], steps: int
) -> list[dict[str, np.ndarray]]:
    """Bytes and batteries in small steps of time: the network without events or formulas."""
    byte_per_s = capacity_bps(scenario) / 8
    battery_j, died = scenario.initial_energy_j.copy(), np.zeros(scenario.num_devices, np.bool_)
    books = []
    for traffic in rounds:
        step_s = traffic.period_s / steps
        sent, heard = np.zeros((2, len(traffic.src)))
        for step in range(steps):
            radio_w, sending = np.full(len(battery_j), IDLE_W), np.full(len(battery_j), -1)
            for f, src in enumerate(traffic.src):
                ready = step * step_s >= traffic.compute_s[src]
                if ready and sending[src] < 0 and sent[f] < traffic.payload_bytes[f]:
                    sending[src] = f
            on_air = sending[(sending >= 0) & ~died]
            radio_w[traffic.dst[on_air]] = RX_W
            radio_w[traffic.src[on_air]] = TX_W
            carried = step_s * byte_per_s[traffic.src[on_air], traffic.dst[on_air]]
            sent[on_air] += carried
            heard[on_air] += np.where(died[traffic.dst[on_air]], 0.0, carried)
            busy = step * step_s < traffic.compute_s
            net_w = scenario.harvest_power_w - radio_w - np.where(busy, traffic.compute_w, 0.0)
            battery_j = np.where(died, battery_j, battery_j + step_s * net_w)
            battery_j = np.minimum(battery_j, scenario.battery_capacity_j)
            died |= battery_j <= 0
        books.append({"sent": sent, "heard": heard, "battery_j": battery_j, "died": died.copy()})
    return books


def test_bytes_and_batteries_agree_with_an_integration_in_small_steps() -> None:
    n, rng = 8, np.random.default_rng(3)
    capacity_j = rng.uniform(4.0, 16.0, n)
    scenario = make_mesh(
        n,
        battery_capacity_j=capacity_j,
        initial_energy_j=capacity_j * rng.uniform(0.5, 1.0, n),
        harvest_power_w=rng.choice([0.0, 0.5, 2.0], n),
    )
    src, dst = np.nonzero(scenario.neighbours)
    rounds = [
        traffic_of_three(
            [(s, d, int(size)) for s, d, size in zip(src, dst, sizes, strict=True)],
            round_index=i,
            compute_s=rng.uniform(0.1, 2.0, n),
            compute_j=rng.uniform(0.1, 4.0, n),
        )
        for i, sizes in enumerate(rng.uniform(1e6, 4e7, (3, len(src))))
    ]
    network = AnalyticNetwork(scenario)
    reports = [network.run_round(traffic) for traffic in rounds]
    fastest = capacity_bps(scenario).max() / 8
    for report, book in zip(reports, integrate(scenario, rounds, 4000), strict=True):
        # 1 ms a step, and each message of a sender may begin one late.
        np.testing.assert_allclose(report.flows.handed_bytes, book["sent"], atol=8e-3 * fastest)
        np.testing.assert_allclose(report.flows.delivered_bytes, book["heard"], atol=8e-3 * fastest)
        np.testing.assert_allclose(report.energy.remaining_energy_j, book["battery_j"], atol=0.05)
        assert np.isfinite(report.energy.died_at_s).tolist() == book["died"].tolist()
    # The draw of this seed holds all that there is to see.
    seen = {outcome for report in reports for outcome in outcomes(report)}
    assert seen == {"delivered", "late", "dead"}
    assert 0 < np.isfinite(reports[-1].energy.died_at_s).sum() < n


def test_the_same_scenario_and_traffic_give_the_same_bytes() -> None:
    traffic = traffic_of_three([(0, 1, SECOND), (0, 2, 2 * SECOND), (1, 2, 7)], period_s=2.7)
    first, second = (AnalyticNetwork(make_triangle()).run_round(traffic) for _ in range(2))
    for part in ("flows", "links", "energy"):
        for name, value in vars(getattr(first, part)).items():
            assert value.tobytes() == getattr(getattr(second, part), name).tobytes(), name
