"""Costs of a byte and forecasts of the radio, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from made_config import make_config

from cosim.config.to_scenario import make_scenario
from cosim.planning.costs import (
    LastRound,
    TransmissionCost,
    forecast_j,
    last_round,
    measure,
    unmeasured,
)
from cosim.planning.forecast import BELIEFS, Coming
from ns3_scenarios.analytic import capacity_bps
from ns3_scenarios.ideal import IdealNetwork
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic

CONFIG = make_config("--network.num_devices=4")
USUAL_W = np.full(4, 3 * 0.380)


def traffic_of(*messages: tuple[int, int, int]) -> RoundTraffic:
    """Messages (src, dst, bytes) of four devices that compute for no time."""
    src, dst, size = np.array(messages, dtype=np.int64).T
    nothing = np.zeros(4)
    return RoundTraffic(0, src, dst, np.zeros_like(src), size, nothing, nothing, 1.0, False)


def report_of(traffic: RoundTraffic, arrived: tuple[int, ...], **causes: object) -> RoundReport:
    """All was handed over, and this much of each message arrived."""
    report = IdealNetwork(make_scenario(CONFIG)).run_round(traffic)
    flows = replace(report.flows, delivered_bytes=np.array(arrived), acked_bytes=np.array(arrived))
    links = replace(report.links, is_peer=np.zeros((4, 4), dtype=np.bool_))
    causes = {"away_j": np.zeros(4), **causes}
    return replace(report, flows=flows, links=links, causes=replace(report.causes, **causes))


def pairs(**joules: float) -> np.ndarray:
    """A table (n, n) with these entries, as j01=2.0."""
    table = np.zeros((4, 4))
    for name, value in joules.items():
        table[int(name[1]), int(name[2])] = value
    return table


# 0 sends 100 bytes to 1 in two messages and 50 to 2 by way of 1 and 3; 2 sends 3 what is lost.
TRAFFIC = traffic_of((0, 1, 60), (0, 1, 40), (0, 2, 50), (2, 3, 10))
REPORT = report_of(
    TRAFFIC,
    (60, 20, 50, 0),
    sender_j=pairs(j01=2.0, j02=4.0, j23=1.0),
    receiver_j=pairs(j01=1.6, j02=1.0),
    airtime_s=pairs(j01=0.5, j02=2.0, j23=0.1),
    forwarded_src=np.array([0, 0]),
    forwarded_dst=np.array([2, 2]),
    forwarded_by=np.array([1, 3]),
    forwarded_j=np.array([1.0, 0.5]),
    overheard_j=np.array([0.0, 0.25, 0.5, 1.0]),
)


def test_a_byte_costs_its_share_of_what_sender_receiver_and_relays_drew_for_the_pair() -> None:
    cost = measure(unmeasured(4), TRAFFIC, REPORT)
    assert cost.sender_j_per_byte[0, 1] == pytest.approx(2.0 / 100)
    assert cost.receiver_j_per_byte[0, 1] == pytest.approx(1.6 / 80)  # of those that came
    assert cost.acked_share[0, 1] == pytest.approx(0.8)
    assert cost.relay_j_per_byte[0, 1] == 0
    assert cost.relay_j_per_byte[0, 2] == pytest.approx((1.0 + 0.5) / 50)
    assert cost.airtime_s_per_byte[0, 2] == pytest.approx(2.0 / 50)
    # What was lost cost its sender too, and nothing is known of its receiver.
    assert cost.sender_j_per_byte[2, 3] == pytest.approx(1.0 / 10)
    assert np.isnan(cost.receiver_j_per_byte[2, 3])
    assert np.isnan(cost.sender_j_per_byte).sum() == 16 - 3
    assert cost.measured_bytes.sum() == 160
    # Over relays as well as at once.
    assert np.argwhere(cost.reachable).tolist() == [[0, 1], [0, 2]]


def test_an_old_cost_ages_and_stays_and_an_unmeasured_one_never_ages() -> None:
    other = traffic_of((3, 2, 7))
    quiet = report_of(other, (7,))
    cost, ages = unmeasured(4), []
    for traffic, report in ((other, quiet), (TRAFFIC, REPORT), (other, quiet), (other, quiet)):
        cost = measure(cost, traffic, report)
        ages.append(int(cost.age_rounds[0, 1]))
    assert ages == [0, 0, 1, 2]
    assert cost.age_rounds.sum() == 3 * 2
    assert cost.sender_j_per_byte[0, 1] == pytest.approx(2.0 / 100)
    assert cost.measured_bytes[0, 1] == 100


def last(cost: TransmissionCost | None = None) -> LastRound:
    expected = np.zeros((4, 4), dtype=np.int64)
    expected[0, 1], expected[0, 2], expected[2, 3] = 100, 50, 10
    state_j = np.full((4, 7), 1.0) * [[1], [2], [3], [4]]
    report = replace(REPORT, energy=replace(REPORT.energy, state_j=state_j))
    measured = cost or measure(unmeasured(4), TRAFFIC, report)
    return last_round(measured, TRAFFIC, report, expected, np.full(4, 16.0))


def test_the_same_messages_again_are_forecast_to_take_the_same_joules_to_the_last_bit() -> None:
    known = last()
    same = forecast_j(known, known.offered_bytes, known.expected_bytes, USUAL_W, USUAL_W)
    assert same.tolist() == known.communication_j.tolist() == [7.0, 14.0, 21.0, 28.0]


def test_fewer_bytes_are_forecast_to_save_what_each_of_them_costs_this_device() -> None:
    known = last()
    fewer = known.offered_bytes.copy()
    fewer[0, 1] = 30  # where 100 were
    forecast = forecast_j(known, fewer, np.minimum(known.expected_bytes, fewer), USUAL_W, USUAL_W)
    # Device 0 sends 70 bytes fewer at 0.02 J; it forwards and overhears nothing.
    assert forecast[0] == pytest.approx(7.0 - 70 * 0.02)
    # Device 1 gets 30 where 80 came, at 0.02 J; what it forwards and overhears shrinks likewise.
    assert forecast[1] == pytest.approx(14.0 - 50 * 0.02 + (1.0 + 0.25) * (30 / 80 - 1))
    assert forecast[2:].tolist() == [21.0, 28.0]


def test_more_bytes_than_a_pair_could_carry_are_not_forecast_to_be_carried() -> None:
    known = last()
    twice = forecast_j(known, 2 * known.offered_bytes, 2 * known.expected_bytes, USUAL_W, USUAL_W)
    # 0 handed all over and may do so again; to 1 only 80 of 100 came, and so no more are expected.
    assert twice[0] == pytest.approx(7.0 + 100 * 0.02 + 50 * 0.08)
    assert twice[1] == 14.0


def test_a_new_neighbour_is_forecast_at_the_mean_of_those_that_are_known() -> None:
    known = last()
    more = known.offered_bytes.copy()
    more[0, 3] = 10
    forecast = forecast_j(known, more, known.expected_bytes, USUAL_W, USUAL_W)
    assert forecast[0] == pytest.approx(7.0 + 10 * (0.02 + 0.08) / 2)
    # Who has sent nothing yet knows no cost at all.
    more = known.offered_bytes.copy()
    more[3, 0] = 10
    assert forecast_j(known, more, known.expected_bytes, USUAL_W, USUAL_W)[3] == 28.0


def test_other_beliefs_go_by_shannon_and_by_nothing() -> None:
    scenario = make_scenario(CONFIG)
    known = last()
    usual_w, awake = np.full(4, 3 * 0.380), np.zeros(4, dtype=np.bool_)
    offered = known.offered_bytes, known.expected_bytes
    coming = Coming(known, *offered, 3.0, usual_w, usual_w, awake)
    assert BELIEFS["ideal"].foresee(scenario, coming).tolist() == [0.0] * 4
    analytic = BELIEFS["analytic"].foresee(scenario, coming)
    rate_bps = capacity_bps(scenario)
    # Idle at 3 V x 0.273 A for 3 s; sending draws 0.107 A more, receiving 0.040 A.
    idle_j = 3 * 0.273 * 3
    sent_s = 8 * 100 / rate_bps[0, 1] + 8 * 50 / rate_bps[0, 2]
    assert analytic[0] == pytest.approx(idle_j + sent_s * 3 * 0.107, rel=1e-12)
    assert analytic[1] == pytest.approx(idle_j + 8 * 100 / rate_bps[0, 1] * 3 * 0.040, rel=1e-12)
    packet = BELIEFS["packet"].foresee(scenario, coming)
    assert packet.tolist() == known.communication_j.tolist()


def test_who_sends_at_another_power_or_sleeps_is_foreseen_to_draw_that() -> None:
    scenario, known = make_scenario(CONFIG), last()
    offered = known.offered_bytes, known.expected_bytes
    usual_w, asleep = np.full(4, 3 * 0.380), np.array([False, False, False, True])
    half_w = usual_w * np.array([0.5, 1.0, 1.0, 1.0])
    coming = Coming(known, *offered, 3.0, half_w, usual_w, asleep)
    # Row k has k + 1 joules in each state: device 0 drew 1 J sending, and will draw half of it.
    sleeping_j = 3 * 0.033 * 3.0
    packet = BELIEFS["packet"].foresee(scenario, coming)
    assert packet.tolist() == pytest.approx([6.5, 14.0, 21.0, sleeping_j])
    # Who sends nothing draws nothing more for it, at whichever power.
    silent = forecast_j(known, 0 * offered[0], offered[1], usual_w, half_w)
    assert silent[0] == pytest.approx(7.0 - 100 * 0.02 - 50 * 0.08)
    analytic = BELIEFS["analytic"].foresee(scenario, coming)
    assert analytic[3] == pytest.approx(sleeping_j)
    sent_s = 8 * 100 / capacity_bps(scenario)[0, 1] + 8 * 50 / capacity_bps(scenario)[0, 2]
    assert analytic[0] == pytest.approx(3 * 0.273 * 3 + sent_s * (half_w[0] - 3 * 0.273))


def test_a_radio_that_was_off_the_air_and_is_back_draws_what_that_saved() -> None:
    known = last()
    slept = np.array([False, True, False, False])
    back = replace(known, was_away=slept, back_j=np.where(slept, 2.0, 0.0))
    same = forecast_j(back, back.offered_bytes, back.expected_bytes, USUAL_W, USUAL_W)
    # It had 80 of 100 bytes of device 0 and is not held to that: 20 more at 0.02 J, and what it
    # forwards and overhears grows as its bytes do.
    assert same[1] == pytest.approx(14.0 + 2.0 + 20 * 0.02 + (1.0 + 0.25) * 20 / 80)
    assert same[[0, 2, 3]].tolist() == [7.0, 21.0, 28.0]
