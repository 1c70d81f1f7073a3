"""The network of exchanges of frames: its promises, refusals, and numbers of one link by hand."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mesh import change, make_mesh, make_traffic

from cosim.config.assemble import check_load, make_learning_side
from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from cosim.records.origin import network_fit
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.conformance import check_network
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.surrogate import fitted
from ns3_scenarios.surrogate.air import MAX_PPDU_S, RETRY_LIMIT, control_at
from ns3_scenarios.surrogate.medium import Medium
from ns3_scenarios.surrogate.network import SurrogateNetwork
from ns3_scenarios.surrogate.paths import before, detour, link_metric, path
from ns3_scenarios.surrogate.places import Places
from ns3_scenarios.surrogate.transfers import Batch, Transfer

TX, RX, IDLE, CCA_BUSY = 0, 1, 2, 3
RATE_BPS = 234 * 7.5 / 16e-6
ONE: dict[str, Any] = {"pairs": [[0], [1]], "compute_s": 0.0, "compute_j": 0.0}
# Fitted to no packets: frames are lost by interference alone.
PLAIN: dict[str, float] = {
    "noise_loss": 0.0,
    "stray_loss": 0.0,
    "access_us": 0.0,
    "detour_share": 0.0,
}


def pair(apart_m: float = 10.0) -> NetworkScenario:
    """Two devices, without shadowing."""
    places = np.array([[0.0, 0, 0], [apart_m, 0, 0]])
    return make_mesh(2, name="adhoc80211", position_m=places, shadowing_sigma_db=0.0)


def plain_network(scenario: NetworkScenario, **changes: float) -> SurrogateNetwork:
    fit = fitted.fit_of(scenario.name)
    coefficients = replace(fit.coefficients, **(PLAIN | changes))
    return SurrogateNetwork(scenario, replace(fit, coefficients=coefficients))


def play(scenario: NetworkScenario, rounds: int = 1, **traffic: Any) -> list[RoundReport]:
    network = plain_network(scenario)
    return [network.run_round(make_traffic(scenario, i, **traffic)) for i in range(rounds)]


@pytest.mark.parametrize(("name", "n"), [("mesh80211", 25), ("adhoc80211", 9)])
def test_it_keeps_the_promises_of_a_network(name: str, n: int) -> None:
    findings = check_network(SurrogateNetwork, make_mesh(n, name=name))
    assert [each for each in findings if not each.ok] == []


def test_a_segment_alone_takes_the_airtime_of_its_exchange() -> None:
    # At 10 m: 33.3 dB, MCS 10 of HE at 20 MHz with a guard interval of 3.2 us, 234 subcarriers of
    # 7.5 bits in 16 us. 1400 bytes with 102 of headers, after 44 us of preamble.
    data_s = 44e-6 + 8 * 1502 / RATE_BPS
    (report,) = play(pair(), payload_bytes=1400, **ONE)
    state_s = report.energy.state_s
    # The sender: RTS (28 us), data, and the Ack (28 us) of the answer; the receiver: CTS (28 us),
    # Ack, and the answer of 126 bytes, which takes no RTS.
    answer_s = 44e-6 + 8 * 126 / RATE_BPS
    assert state_s[0, TX] == pytest.approx(28e-6 + data_s + 28e-6, rel=1e-9)
    assert state_s[1, TX] == pytest.approx(28e-6 + 28e-6 + answer_s, rel=1e-9)
    # Each receives what the other sends, less preambles, which are cca_busy: 20 us of legacy
    # frames, 44 us of others.
    assert state_s[1, RX] == pytest.approx(state_s[0, TX] - (20 + 44 + 20) * 1e-6, rel=1e-6)
    assert state_s[0, RX] == pytest.approx(state_s[1, TX] - (20 + 20 + 44) * 1e-6, rel=1e-6)
    assert state_s.sum(axis=1) == pytest.approx([3.0, 3.0])
    # One start delay, up to 20 ms; SIFS three times, and at most 16 slots and AIFS before.
    exchange_s = 3 * 28e-6 + data_s + 3 * 16e-6
    assert exchange_s - 28e-6 - 16e-6 <= report.flows.delay_s[0] <= 0.0205 + exchange_s


def test_the_bytes_of_a_message_are_sent_once_whatever_is_left_for_its_last_segment() -> None:
    # 2000 bytes in two segments, one after the other: RTS, data and the Ack of an answer each.
    (report,) = play(pair(), payload_bytes=2000, **ONE)
    data_s = 2 * 44e-6 + 8 * (2000 + 2 * 102) / RATE_BPS
    assert report.energy.state_s[0, TX] == pytest.approx(data_s + 4 * 28e-6, rel=1e-9)


def test_control_frames_take_their_symbols_at_the_rate_that_the_last_snr_allows() -> None:
    # 16 bits of SERVICE and 6 of tail besides the bytes, 24, 48 or 96 bits a symbol of 4 us, 20 us
    # before: RTS 182 bits, CTS 134, BlockAckReq 214, BlockAck 470.
    by_hand_us = {0.0: (52, 44, 56, 100), 6.0: (36, 32, 40, 60), 11.0: (28, 28, 32, 40)}
    for snr_db, us in by_hand_us.items():
        of = control_at(10 ** (0.1 * snr_db))
        assert (of.rts_s, of.cts_s, of.bar_s, of.block_ack_s) == pytest.approx(1e-6 * np.array(us))


def test_a_block_ack_that_is_lost_is_asked_for_and_nothing_is_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One segment goes ahead (CTS, Ack) and is answered (Ack); of the seven behind it comes the CTS,
    # and not the BlockAck.
    heard = itertools.count(1)
    monkeypatch.setattr(Medium, "_is_answered", lambda *_: next(heard) != 5)
    (report,) = play(pair(), payload_bytes=8 * 1400, **ONE)
    assert report.flows.delivered_bytes.tolist() == [8 * 1400]
    assert report.links.frames[0, 1] == 8
    assert report.links.loss_ratio[0, 1] == 0.0
    # Twice RTS, data and the answer's Ack, and a BlockAckReq; twice CTS and an answer, an Ack, and
    # two BlockAcks.
    data_s = 2 * 44e-6 + 8 * 8 * 1502 / RATE_BPS
    answer_s = 44e-6 + 8 * 126 / RATE_BPS
    tx_s = report.energy.state_s[:, TX]
    assert tx_s[0] == pytest.approx(2 * 28e-6 + data_s + 2 * 28e-6 + 32e-6, rel=1e-9)
    assert tx_s[1] == pytest.approx(2 * 28e-6 + 2 * answer_s + 28e-6 + 2 * 40e-6, rel=1e-9)


def test_a_device_may_run_empty_while_it_asks_for_a_block_ack() -> None:
    medium = plain_network(pair())._medium
    medium._owing[0], medium._fails[0] = [1], RETRY_LIMIT - 1
    medium.call(0.0, lambda _: medium._contend(0, 0.0), None)
    medium.run(60e-6)  # AIFS is 43 us, a request 32
    assert medium.radios.tx_s[0] == 0.0
    assert medium.radios.engaged[0]
    medium.kill(0)
    medium.run(0.01)
    assert medium.radios.tx_s[0] == pytest.approx(32e-6)


def test_an_aggregate_of_long_and_short_segments_keeps_the_longest_ppdu() -> None:
    # At the slowest rate; the sender's queue begins with segments of one byte.
    medium = plain_network(pair())._medium
    medium._seen_snr[0, 1] = 1.0
    for segment_bytes in (1.0, 1400.0):
        transfer = Transfer(0, 1, 40, (0, 1), segment_bytes)
        medium.push(0, 1, Batch(transfer, 40, 0, 0.0))
    x = medium._next_exchange(0)
    assert x is not None
    assert x.data_s <= MAX_PPDU_S


@pytest.mark.parametrize(("answered", "arrives"), [(0, True), (-1, False)])
def test_who_waits_for_others_takes_data_but_answers_no_rts(answered: int, arrives: bool) -> None:
    medium = plain_network(pair())._medium
    medium.radios.nav[1] = 1
    got: list[int] = []
    medium.deliver = lambda _batch, device, _segments: got.append(device)
    # An answer takes no RTS, a segment does.
    medium.push(0, 1, Batch(Transfer(0, 1, 1, (0, 1), 1400.0), 1, 0, 0.0, answered=answered))
    medium.run(0.05)
    assert (got == [1]) == arrives


def test_a_deaf_pair_is_unreachable_and_costs_only_the_calls() -> None:
    (report,) = play(pair(70.0), pairs=[[0], [1]], payload_bytes=50_000)
    assert OUTCOMES[report.flows.outcome[0]] == "unreachable"
    assert report.flows.delivered_bytes.tolist() == [0]
    assert report.energy.state_s[1, [TX, RX]].tolist() == [0.0, 0.0]
    assert 0 < report.energy.state_s[0, TX] < 0.01


def test_a_sender_out_of_range_costs_frames_if_it_is_near_enough() -> None:
    """0 sends to 1, 30 m away, and 2 to 3; at 60 m from 1, 2 is heard by nobody of them.

    There it arrives with -84 dBm, 9 dB below 0, whose rate takes more; from 1 km with nothing.
    """
    lost = {}
    for apart_m in (60.0, 1000.0):
        places = np.array([[0.0, 0, 0], [30, 0, 0], [30 + apart_m, 0, 0], [60 + apart_m, 0, 0]])
        scenario = make_mesh(4, name="adhoc80211", position_m=places, shadowing_sigma_db=0.0)
        (report,) = play(scenario, pairs=[[0, 2], [1, 3]], payload_bytes=200_000)
        lost[apart_m] = report.links.loss_ratio[0, 1]
    assert lost[1000.0] == 0.0
    assert lost[60.0] > 0.001


def test_a_mesh_goes_round_a_link_that_is_too_weak() -> None:
    # In a row, 40 m apart: 80 m are out of range (76.7 + 27.1 dB from 16 dBm, -82 dBm at 50 m).
    places = np.array([[0.0, 0, 0], [40, 0, 0], [80, 0, 0]])
    scenario = make_mesh(3, position_m=places, shadowing_sigma_db=0.0)
    (report,) = play(scenario, pairs=[[0], [2]], payload_bytes=10_000)
    assert report.flows.delivered_bytes.tolist() == [10_000]
    assert report.links.next_hop[[0, 1], 2].tolist() == [1, 2]
    told = report.causes
    assert set(told.forwarded_by.tolist()) == {1}
    assert told.forwarded_j.sum() > 0


def lengths(metric: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Costs of links, inf where there is none, and of the cheapest ways (Floyd and Warshall)."""
    cost = np.where(metric > 0, metric, np.inf)
    least = cost.copy()
    for via in range(len(metric)):
        least = np.minimum(least, least[:, [via]] + least[[via], :])
    return cost, least


def test_the_way_is_the_cheapest_of_all() -> None:
    scenario = make_mesh(16, seed=3)
    network = SurrogateNetwork(scenario, fitted.fit_of("mesh80211"))
    metric = link_metric(network._air, 20e6)
    cost, least = lengths(metric)
    before_of = before(metric)
    for src in range(16):
        for dst in set(range(16)) - {src}:
            way = path(before_of[src], src, dst)
            length = sum(cost[a, b] for a, b in itertools.pairwise(way))
            assert length == pytest.approx(least[src, dst], rel=1e-12)


def test_a_detour_is_the_cheapest_way_without_the_first_link() -> None:
    metric = link_metric(plain_network(make_mesh(9, seed=3))._air, 20e6)
    before_of = before(metric)
    for src, dst in itertools.permutations(range(9), 2):
        way = path(before_of[src], src, dst)
        without = metric.copy()
        without[way[0], way[1]] = 0.0
        cost, least = lengths(without)
        round_about = detour(metric, way)
        assert (round_about[0], round_about[-1]) == (src, dst)
        length = sum(cost[a, b] for a, b in itertools.pairwise(round_about))
        assert length == pytest.approx(least[src, dst], rel=1e-12)
    alone = np.array([[0.0, 30.0], [30.0, 0.0]])
    for metric in (alone, np.zeros((2, 2))):
        assert detour(metric, (0, 1)) == (0, 1)


def test_paths_go_round_as_often_as_the_share_says() -> None:
    scenario = make_mesh(25, seed=3)
    direct = {}
    for share in (0.0, 0.2, 1.0):
        network = plain_network(scenario, detour_share=share)
        pairs = [[int(x) for x in each] for each in np.nonzero(scenario.neighbours)]
        found = []
        for i in range(10):
            network.run_round(make_traffic(scenario, i, pairs=pairs, payload_bytes=1, period_s=0.3))
            found += [way == network._usual[pair] for pair, way in network.ways.items()]
        direct[share] = np.mean(found)
    assert direct[0.0] == 1.0
    # 800 draws: the standard error is 0.014.
    assert direct[0.2] == pytest.approx(0.8, abs=0.06)
    assert direct[1.0] == 0.0


def test_who_waits_is_served_in_turn() -> None:
    places = Places(1)
    for peer in (4, 7, 9):
        places.wait(peer, 1.0)
    places.wait(2, 0.0)
    assert [places.next(), places.next()] == [2, None]
    places.leave(2)
    places.leave(7)
    assert (places.next(), places.holds(4)) == (4, True)


def test_what_is_left_in_the_queues_goes_on_the_air_a_round_later() -> None:
    scenario = make_mesh(9, name="adhoc80211")
    reports = play(scenario, 2, payload_bytes=80_000, period_s=0.25, compute_s=0.1, compute_j=0.0)
    assert reports[0].stale_datagrams.sum() == 0
    assert reports[1].stale_datagrams.sum() > 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "d2d"}, "scenario: expected mesh80211 or adhoc80211"),
        ({"standard": "80211n"}, "network.standard: expected 80211ax"),
        ({"rts_threshold_bytes": 100}, "network.rts_threshold_bytes: expected 500"),
        ({"transport": "tcp"}, "network.transport: expected arq"),
        ({"fading": "nakagami"}, "network.fading: expected none"),
        ({"path_loss_exponent": 3.5}, "network.path_loss_exponent: expected 3.0"),
        ({"shadowing_sigma_db": 8.0}, "network.shadowing_sigma_db"),
    ],
)
def test_it_refuses_what_it_was_not_fitted_to(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        SurrogateNetwork(change(make_mesh(25), **changes))


def test_it_refuses_fewer_devices_than_kept_their_bounds() -> None:
    with pytest.raises(ScenarioError, match="num_devices: expected 25 or more of mesh80211"):
        SurrogateNetwork(make_mesh(24))
    with pytest.raises(ScenarioError, match="num_devices: expected 9 or more of adhoc80211"):
        SurrogateNetwork(make_mesh(8, name="adhoc80211"))


def test_a_run_is_refused_before_it_begins_and_its_manifest_says_what_the_fit_is_worth() -> None:
    flags = ["--network.kind", "surrogate", "--learning.method", "none"]
    with pytest.raises(ScenarioError, match="expected 25 or more"):
        make_scenario(load(flags, None, None))
    flags += ["--network.num_devices", "25"]
    with pytest.raises(ScenarioError, match="expected 32 with network.kind surrogate"):
        make_scenario(load([*flags, "--network.max_window_segments", "8"], None, None))
    config = load([*flags, "--learning.message_bytes", "5000000"], None, None)
    scenario, (_, learner) = make_scenario(config), make_learning_side(config)
    with pytest.raises(ScenarioError, match="kB a round"):
        check_load(config, scenario, learner)
    assert network_fit(config).startswith("fitted to packets of 9 to 49 devices")
    assert network_fit(load([], None, None)) == ""


def test_it_refuses_too_dense_a_place_and_too_long_a_message() -> None:
    crowd = make_mesh(49)
    with pytest.raises(ScenarioError, match="devices in range"):
        SurrogateNetwork(replace(crowd, position_m=crowd.position_m / 4))
    most_kb = fitted.fit_of("mesh80211").ranges["kilobytes"][1]
    fitted.check_load(crowd, 1e3 * most_kb)
    with pytest.raises(ScenarioError, match="kB a round"):
        fitted.check_load(crowd, 1.01e3 * most_kb)


def test_what_it_is_worth_is_said_and_that_nobody_judged_a_thousand() -> None:
    assert "untested" not in fitted.remark("mesh80211", 100)
    assert "of 1000 devices no packets were run: untested" in fitted.remark("mesh80211", 1000)


@pytest.mark.parametrize("name", ["mesh80211", "adhoc80211"])
def test_the_error_of_the_delivered_share_that_it_tells_is_that_of_its_report(name: str) -> None:
    report = Path(__file__).resolve().parents[3] / "results" / "reference" / "surrogate"
    cases = pd.read_csv(report / "errors.csv")
    of = cases[(cases["scenario"] == name) & (cases["devices"] <= 49) & cases["refused"].isna()]
    points = of["cut_delivered_share_error"]
    mean, worst = fitted.fit_of(name).share_error_points
    assert (mean, worst) == pytest.approx((points.mean(), points[points.abs().idxmax()]), abs=0.05)
    assert f"{mean:+g} points on average, {worst:+g} at worst" in fitted.remark(name, 36)
