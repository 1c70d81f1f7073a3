"""The theory that `cosim validate` expects, derived a second way."""

import numpy as np
import pytest

from ns3_scenarios.validation import theory_airtime, theory_dcf, theory_path_loss

TIMING = theory_airtime.timing("80211a")
LEGACY = theory_airtime.phy_format("80211a")


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 0.9])
def test_without_doubling_a_station_sends_in_two_of_w_plus_one_slots(p: float) -> None:
    assert theory_dcf.transmission_probability(p, 16, 0) == pytest.approx(2 / 17)


def stationary_tau(p: float, window: int, stages: int) -> float:
    """Bianchi's chain (stage, counter) as a matrix: share of time with the counter at 0."""
    states = [(i, k) for i in range(stages + 1) for k in range(window * 2**i)]
    at = {state: index for index, state in enumerate(states)}
    step = np.zeros((len(states), len(states)))
    for i, k in states:
        if k > 0:
            step[at[i, k], at[i, k - 1]] = 1
            continue
        for to, chance in ((0, 1 - p), (min(i + 1, stages), p)):
            width = window * 2**to
            for new in range(width):
                step[at[i, k], at[to, new]] += chance / width
    equations = np.vstack([step.T - np.eye(len(states)), np.ones(len(states))])
    share = np.linalg.lstsq(equations, np.append(np.zeros(len(states)), 1.0), rcond=None)[0]
    return float(sum(share[at[i, 0]] for i in range(stages + 1)))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.7])
def test_tau_is_that_of_the_markov_chain(p: float) -> None:
    assert theory_dcf.transmission_probability(p, 4, 3) == pytest.approx(stationary_tau(p, 4, 3))


def test_a_contention_of_ten_solves_both_of_its_equations() -> None:
    solved = theory_dcf.contention(10, 16, 6)
    assert solved.p == pytest.approx(1 - (1 - solved.tau) ** 9)
    assert solved.tau == pytest.approx(theory_dcf.transmission_probability(solved.p, 16, 6))


@pytest.mark.parametrize("freezes", [True, False])
def test_a_station_alone_has_the_throughput_of_a_link(freezes: bool) -> None:
    alone = theory_dcf.saturation_throughput_bps(1, LEGACY, TIMING, 24e6, 1500, freezes)
    assert alone == pytest.approx(theory_airtime.link_throughput_bps(LEGACY, TIMING, 24e6, 1500))


def test_a_frame_of_1500_bytes_at_54_mbps_and_its_answer_last_326_us() -> None:
    # 36 bytes of headers and check; 16 + 8 x 1536 + 6 bits in symbols of 216: 57 x 4 us + 20 us.
    assert theory_airtime.data_ppdu_s(LEGACY, 54e6, 1500) == pytest.approx(248e-6)
    # 134 bits at 24 Mbit/s: 2 symbols.
    assert theory_airtime.ack_s(LEGACY, 54e6) == pytest.approx(28e-6)
    held_s = theory_airtime.exchange_s(LEGACY, TIMING, 54e6, 1500)
    assert held_s == pytest.approx((248 + 16 + 28 + 34) * 1e-6)


def test_a_frame_of_the_slowest_802_11ax_rate_by_hand() -> None:
    # 4 + 26 + 8 + 1500 + 4 bytes; 22 + 8 x 1542 bits in symbols of 117: 106 x 16 us + 52 us.
    phy = theory_airtime.phy_format("80211ax")
    duration_s = theory_airtime.data_ppdu_s(phy, 117 / 16e-6, 1500)
    assert duration_s == pytest.approx((106 * 16 + 52) * 1e-6)


def test_a_short_guard_interval_and_a_second_stream_by_hand() -> None:
    # HT, 2 streams, 0.4 us: 1538 bytes with headers, 22 + 8 x 1538 bits in 2 x 52 x 5 = 520 a
    # symbol: 24 x 3.6 us; 36 us and one more LTF.
    phy = theory_airtime.phy_format("80211n", 20, 400, 2)
    assert theory_airtime.data_ppdu_s(phy, 520 / 3.6e-6, 1500) == pytest.approx(126.4e-6)
    # HE, 0.8 us: 12358 bits in 234 x 25/3 = 1950: 7 x 13.6 us; LTF 7.2 in place of 16 us.
    phy = theory_airtime.phy_format("80211ax", 20, 800)
    frame_s = theory_airtime.data_ppdu_s(phy, 1950 / 13.6e-6, 1500)
    assert frame_s == pytest.approx((52 - 8.8 + 7 * 13.6) * 1e-6)
    # VHT in 160 MHz above 540 Mbit/s: two encoders, so 6 bits more, and 12364 in 3120: 4 symbols.
    phy = theory_airtime.phy_format("80211ac", 160)
    assert theory_airtime.data_ppdu_s(phy, 780e6, 1500) == pytest.approx(56e-6)
    # 1557 bytes: 12456 + 16 + 12 bits are more than 4 x 3120, with one encoder's 6 they are not.
    assert theory_airtime.ppdu_s(phy, 780e6, 1557) == pytest.approx(60e-6)


def test_the_preamble_of_802_11be_is_8_us_longer_than_that_of_802_11ax() -> None:
    be, ax = (theory_airtime.phy_format(name, 80).preamble_s for name in ("80211be", "80211ax"))
    assert be - ax == pytest.approx(8e-6)
    # ns-3.44 sends 49 bits at the data's MCS (26, 208 a symbol), and at 160 MHz 74.
    for width_mhz, mcs, sig_s in ((20, 0, 8e-6), (20, 13, 4e-6), (160, 0, 12e-6)):
        sent = theory_airtime.ns3_format("80211be", width_mhz, mcs=mcs)
        assert sent.preamble_s == pytest.approx(20e-6 + 12e-6 + sig_s + 12e-6)


def test_an_802_11p_frame_is_twice_as_long_as_an_802_11a_frame_of_the_same_bytes() -> None:
    # 10 MHz: every time of the PPDU doubles; 38 bytes of headers and check with QoS control,
    # 16 + 8 x 1538 + 6 bits in symbols of 48: 257 x 8 us + 40 us.
    phy = theory_airtime.phy_format("80211p", 10)
    assert theory_airtime.data_ppdu_s(phy, 6e6, 1500) == pytest.approx(2096e-6)
    assert theory_airtime.ppdu_s(phy, 6e6, 1538) == pytest.approx(
        2 * theory_airtime.ppdu_s(LEGACY, 12e6, 1538)
    )
    # 134 bits at 6 Mbit/s: 3 symbols of 8 us.
    assert theory_airtime.ack_s(phy, 9e6) == pytest.approx(64e-6)
    # ns-3.44 counts in steps of 4 us: of 27 Mbit/s, 12326 bits are 114.1 steps and 57.06 symbols.
    as_ns3 = theory_airtime.ns3_format("80211p", 10)
    assert theory_airtime.data_ppdu_s(phy, 27e6, 1500) == pytest.approx((40 + 58 * 8) * 1e-6)
    assert theory_airtime.data_ppdu_s(as_ns3, 27e6, 1500) == pytest.approx((40 + 115 * 4) * 1e-6)


def test_a_frame_of_802_11b_at_11_mbps_and_its_answer_by_hand() -> None:
    # 192 us; 8 x 1536 bits at 11 Mbit/s are 1117.09 us, 112 at 11 Mbit/s 10.2.
    phy, timing = theory_airtime.phy_format("80211b", 22), theory_airtime.timing("80211b", 22)
    assert theory_airtime.data_ppdu_s(phy, 11e6, 1500) == pytest.approx((192 + 1118) * 1e-6)
    held_s = theory_airtime.exchange_s(phy, timing, 11e6, 1500)
    assert held_s == pytest.approx((192 + 1118 + 10 + 192 + 11 + 50) * 1e-6)


def test_path_losses_meet_known_values_and_bend_without_a_step() -> None:
    # 32.45 + 20 log(f / MHz) + 20 log(d / km)
    assert theory_path_loss.free_space_db(1000.0, 1e9) == pytest.approx(92.45, abs=0.01)
    crossover_m = 4 * np.pi * 1.5**2 * 5.18e9 / 299792458.0
    for model, bend_m in (
        (theory_path_loss.two_ray_db, crossover_m),
        (theory_path_loss.p1411_db, 4 * 1.5**2 * 5.18e9 / 299792458.0),
    ):
        before, after = model(bend_m * np.array([1 - 1e-9, 1 + 1e-9]), 5.18e9, 1.5)
        assert before == pytest.approx(after, abs=1e-6)
