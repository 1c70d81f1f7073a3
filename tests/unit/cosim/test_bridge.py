"""What crosses the border between learning and network, counted again by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_config import make_config

from cosim.bridge import advertised_degree, expected_bytes, to_delivery, to_feedback, to_traffic
from cosim.config.model import RunConfig
from cosim.config.to_scenario import make_scenario
from cosim.feedback import SILENT_ROUNDS, Feedback, Neighbourhood, initial_feedback
from learning.messages import Payload
from ns3_scenarios.ideal import IdealNetwork
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.traffic import RoundTraffic

# Three devices of the 2 x 2 grid, 30 m apart: 0 has 1 and 2 for neighbours, 1 and 2 have only 0.
CORNER = make_config()
NOTHING_EXPECTED = np.zeros((3, 3), dtype=np.int64)
CORNER_LINKS = {(0, 1), (1, 0), (0, 2), (2, 0)}


def start(config: RunConfig = CORNER) -> Feedback:
    return initial_feedback(config, make_scenario(config))


def silent(feedback: Feedback, rounds: dict[tuple[int, int], int]) -> Feedback:
    """The same feedback, with rounds of silence for some (device, other)."""
    silent_rounds = feedback.neighbourhood.silent_rounds.copy()
    for pair, count in rounds.items():
        silent_rounds[pair] = count
    neighbourhood = replace(feedback.neighbourhood, silent_rounds=silent_rounds)
    return replace(feedback, neighbourhood=neighbourhood)


def make_payload(rows: list[list[int]]) -> Payload:
    return Payload(tuple("abcdef"[: len(rows[0])]), np.array(rows, dtype=np.int64))


def offer(
    payload: Payload,
    feedback: Feedback | None = None,
    round_index: int = 0,
    config: RunConfig = CORNER,
    sends: tuple[bool, ...] | None = None,
) -> RoundTraffic:
    n = len(payload.part_bytes)
    given_feedback = start(config) if feedback is None else feedback
    return to_traffic(
        round_index,
        payload,
        given_feedback,
        np.ones(n, dtype=np.bool_) if sends is None else np.array(sends),
        np.full(n, 0.5),
        np.full(n, 2.0),
        config,
    )


def messages(traffic: RoundTraffic) -> list[tuple[int, int, int, int]]:
    columns = (traffic.src, traffic.dst, traffic.part, traffic.payload_bytes)
    return [tuple(int(x) for x in row) for row in zip(*columns, strict=True)]


def parts_in_order(traffic: RoundTraffic, src: int, dst: int) -> list[int]:
    return [part for s, d, part, _ in messages(traffic) if (s, d) == (src, dst)]


def test_the_planned_links_are_those_of_a_plain_loop_over_distances() -> None:
    assert {(int(i), int(j)) for i, j in np.argwhere(start().neighbourhood.planned)} == CORNER_LINKS
    config = make_config("--network.neighbour_distance_m=45", devices=9)
    planned = start(config).neighbourhood.planned
    for i in range(9):
        for j in range(9):
            apart_m = 30.0 * math.hypot(i % 3 - j % 3, i // 3 - j // 3)
            assert planned[i, j] == (i != j and apart_m <= 45.0)


def test_small_parts_go_first_on_every_link_and_in_every_round() -> None:
    payload = make_payload([[900, 20, 300]] * 3)
    for round_index in range(4):
        traffic = offer(payload, round_index=round_index)
        for src, dst in CORNER_LINKS:
            assert parts_in_order(traffic, src, dst) == [1, 2, 0]


def test_parts_of_one_size_take_turns_so_that_each_goes_first_equally_often() -> None:
    payload = make_payload([[500, 500, 10, 500]] * 3)
    first_large = []
    for round_index in range(12):
        order = parts_in_order(offer(payload, round_index=round_index), 0, 1)
        assert order[0] == 2
        assert sorted(order[1:]) == [0, 1, 3]
        first_large.append(order[1])
    assert set(first_large) == {0, 1, 3}
    two = make_payload([[500, 500]] * 3)
    firsts = [parts_in_order(offer(two, round_index=r), 1, 0)[0] for r in range(10)]
    assert firsts.count(0) == firsts.count(1) == 5


def test_a_neighbour_believed_gone_gets_the_smallest_part_and_others_get_all() -> None:
    payload = make_payload([[900, 20, 300]] * 3)
    traffic = offer(payload, silent(start(), {(0, 1): SILENT_ROUNDS}))
    assert parts_in_order(traffic, 0, 1) == [1]
    assert parts_in_order(traffic, 0, 2) == [1, 2, 0]
    # Belief is each device's own: 1 has heard from 0.
    assert parts_in_order(traffic, 1, 0) == [1, 2, 0]


def test_two_rounds_of_silence_cost_nothing_yet() -> None:
    payload = make_payload([[900, 20]] * 3)
    assert messages(offer(payload, silent(start(), {(0, 1): 2}))) == messages(offer(payload))


def test_a_modality_that_either_end_lacks_is_not_sent() -> None:
    # 0 has everything, 1 lacks part a, 2 lacks part b.
    traffic = offer(make_payload([[50, 60, 10], [0, 60, 10], [50, 0, 10]]))
    carried = {pair: sorted(parts_in_order(traffic, *pair)) for pair in CORNER_LINKS}
    assert carried == {(0, 1): [1, 2], (1, 0): [1, 2], (0, 2): [0, 2], (2, 0): [0, 2]}


def test_a_dead_device_sends_nothing_and_is_still_sent_to_by_those_who_do_not_know() -> None:
    feedback = replace(start(), alive=np.array([False, True, True]))
    traffic = offer(make_payload([[50, 60]] * 3), feedback)
    assert set(traffic.src.tolist()) == {1, 2}
    assert traffic.dst.tolist() == [0, 0, 0, 0]


def test_without_parts_there_are_no_messages() -> None:
    traffic = offer(Payload((), np.zeros((3, 0), dtype=np.int64)))
    assert len(traffic.src) == len(traffic.payload_bytes) == 0
    assert traffic.compute_s.tolist() == [0.5] * 3


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(1, 5), st.integers(0, 50), st.integers(0, 10_000))
def test_offered_bytes_are_those_of_a_plain_loop_over_pairs_and_parts(
    n: int, num_parts: int, round_index: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    size = rng.permutation(np.arange(1, num_parts + 1)) * 100  # no two alike
    smallest = int(size.argmin())
    has = rng.random((n, num_parts)) < 0.7
    has[0], has[:, smallest] = True, True  # every device has the smallest, as it has the head
    planned = (rng.random((n, n)) < 0.6) & ~np.eye(n, dtype=np.bool_)
    silent_rounds = rng.integers(0, 6, (n, n))
    alive = rng.random(n) < 0.8
    config = make_config(devices=n)
    feedback = replace(
        start(config), alive=alive, neighbourhood=Neighbourhood(planned, silent_rounds)
    )
    payload = make_payload((has * size).tolist())
    expected, expected_bytes = set(), 0
    for src in range(n):
        for dst in range(n):
            for part in range(num_parts):
                if not (alive[src] and planned[src, dst] and has[src, part] and has[dst, part]):
                    continue
                if silent_rounds[src, dst] < 3 or size[part] == 100:
                    expected.add((src, dst, part, int(size[part])))
                    expected_bytes += int(size[part])
    sent = messages(offer(payload, feedback, round_index, config))
    assert len(sent) == len(set(sent))
    assert set(sent) == expected
    assert sum(message[3] for message in sent) == expected_bytes


def test_computing_period_and_clock_rule_travel_with_the_messages() -> None:
    config = make_config("--network.round_period_s=7", "--network.sync=oracle")
    traffic = offer(make_payload([[5]] * 3), round_index=4, config=config)
    assert (traffic.round_index, traffic.period_s, traffic.stop_when_settled) == (4, 7.0, True)
    assert not offer(make_payload([[5]] * 3)).stop_when_settled
    assert traffic.compute_j.tolist() == [2.0] * 3


def report_of(traffic: RoundTraffic, config: RunConfig = CORNER) -> RoundReport:
    return IdealNetwork(make_scenario(config)).run_round(traffic)


def with_flows(report: RoundReport, **columns: object) -> RoundReport:
    return replace(report, flows=replace(report.flows, **columns))


def test_only_what_was_delivered_arrives_whatever_bytes_came() -> None:
    payload = make_payload([[40, 10]] * 3)
    traffic = offer(payload)
    for first in range(len(OUTCOMES)):
        outcome = (np.arange(len(traffic.src)) + first) % len(OUTCOMES)
        report = with_flows(report_of(traffic), outcome=outcome)
        degree = advertised_degree(payload, start().neighbourhood)
        delivery = to_delivery(traffic, report, payload, degree, make_scenario(CORNER))
        whole = {
            message[:3]
            for message, fate in zip(messages(traffic), outcome, strict=True)
            if OUTCOMES[fate] == "delivered"
        }
        assert 0 < len(whole) < len(traffic.src)
        assert {tuple(map(int, row)) for row in np.argwhere(delivery.arrived)} == whole
        assert delivery.advertised_degree is degree
        assert delivery.partial == ()
        sent = {message[:3] for message in messages(traffic)}
        assert {tuple(map(int, row)) for row in np.argwhere(delivery.offered)} == sent


@pytest.mark.parametrize("transport", ["udp", "arq"])
def test_chunks_of_a_broken_message_reach_the_learning_if_nobody_sends_them_again(
    transport: str,
) -> None:
    config = make_config("--network.transport", transport, "--network.segment_bytes", "100")
    payload = make_payload([[250, 100]] * 3)  # three chunks and one
    traffic = offer(payload)
    sent = messages(traffic)
    broken = next(i for i, message in enumerate(sent) if message[2] == 0)
    whole = report_of(traffic, config)
    first = sum(-(-message[3] // 100) for message in sent[:broken])
    gap = whole.chunk_arrived.copy()
    gap[first + 1] = False
    outcome = whole.flows.outcome.copy()
    outcome[broken] = OUTCOMES.index("partial")
    report = replace(with_flows(whole, outcome=outcome), chunk_arrived=gap)
    degree = advertised_degree(payload, start().neighbourhood)
    delivery = to_delivery(traffic, report, payload, degree, make_scenario(config))
    assert int(delivery.arrived.sum()) == len(sent) - 1
    found = [
        (m.sender, m.receiver, m.part, m.chunk_bytes, m.chunk_arrived.tolist())
        for m in delivery.partial
    ]
    src, dst, part, _ = sent[broken]
    expected = [(src, dst, part, 100, [True, False, True])]
    assert found == (expected if transport == "udp" else [])


def test_a_broadcast_offers_all_parts_to_neighbours_believed_gone_too() -> None:
    gone = silent(start(), {(0, 1): SILENT_ROUNDS})
    payload = make_payload([[40, 10]] * 3)
    counts = []
    for transport in ("arq", "broadcast"):
        flags = ("--scenario", "adhoc80211", "--network.transport", transport)
        traffic = offer(payload, gone, config=make_config(*flags))
        counts.append(len(parts_in_order(traffic, 0, 1)))
    assert counts == [1, 2]


def test_who_does_not_send_offers_nothing() -> None:
    traffic = offer(make_payload([[40, 10]] * 3), sends=(False, True, True))
    assert set(traffic.src.tolist()) == {1, 2}
    assert 0 in traffic.dst


def test_advertised_degree_counts_believed_neighbours_that_share_the_part() -> None:
    # 0 has a and b, 1 has b only, 2 has both; links 0-1 and 0-2.
    payload = make_payload([[9, 9], [0, 9], [9, 9]])
    assert advertised_degree(payload, start().neighbourhood).tolist() == [[1, 2], [0, 1], [1, 1]]
    lost = silent(start(), {(0, 2): SILENT_ROUNDS}).neighbourhood
    assert advertised_degree(payload, lost).tolist() == [[0, 1], [0, 1], [1, 1]]


def hear(
    before: Feedback, arrived: set[tuple[int, int]], acked: set[tuple[int, int]]
) -> tuple[Feedback, RoundTraffic]:
    """One round in which only some pairs had bytes delivered, or acknowledged to the sender."""
    traffic = offer(make_payload([[40, 10]] * 3), before)
    pairs = [(s, d) for s, d, _, _ in messages(traffic)]
    report = with_flows(
        report_of(traffic),
        delivered_bytes=np.array([5 if pair in arrived else 0 for pair in pairs]),
        acked_bytes=np.array([5 if pair in acked else 0 for pair in pairs]),
    )
    return to_feedback(before, traffic, report, NOTHING_EXPECTED), traffic


def test_data_tells_its_receiver_and_an_acknowledgement_its_sender() -> None:
    before = silent(start(), dict.fromkeys(CORNER_LINKS, 1))
    after, _ = hear(before, arrived={(0, 1)}, acked={(2, 0)})
    count = after.neighbourhood.silent_rounds
    # [device, other]: 1 got data of 0; 2 got an acknowledgement of 0; nobody reached 0.
    assert {pair: int(count[pair]) for pair in CORNER_LINKS} == {
        (1, 0): 0,
        (2, 0): 0,
        (0, 1): 2,
        (0, 2): 2,
    }
    # 1 and 2 are no neighbours: they never spoke, so there is no silence to count.
    assert count[1, 2] == count[2, 1] == 0


def test_belief_is_lost_after_three_silent_rounds_and_regained_by_one_packet() -> None:
    feedback = start()
    believed, messages_to_1 = [], []
    others = CORNER_LINKS - {(0, 1), (1, 0)}
    for round_index in range(6):
        back = {(1, 0)} if round_index == 4 else set()
        feedback, traffic = hear(feedback, others | back, others)
        believed.append(bool(feedback.neighbourhood.believed[0, 1]))
        messages_to_1.append(len(parts_in_order(traffic, 0, 1)))
        assert feedback.neighbourhood.believed[0, 2]
    assert believed == [True, True, False, False, True, True]
    # Two parts, then only the smallest, and both again in the round after the sign of life.
    assert messages_to_1 == [2, 2, 2, 1, 1, 2]


def test_batteries_and_deaths_are_those_of_the_last_report_and_so_is_the_radio_s_part() -> None:
    traffic = offer(make_payload([[10]] * 3))
    report = report_of(traffic)
    state_j = np.arange(21.0).reshape(3, 7)
    energy = replace(
        report.energy,
        state_j=state_j,
        remaining_energy_j=np.array([4.0, -1e-12, 2.0]),
        died_at_s=np.array([np.nan, 1.5, np.nan]),
    )
    after = to_feedback(start(), traffic, replace(report, energy=energy), NOTHING_EXPECTED)
    assert after.remaining_energy_j.tolist() == [4.0, 0.0, 2.0]
    assert after.alive.tolist() == [True, False, True]
    # 0 + ... + 6, 7 + ... + 13, 14 + ... + 20
    assert after.last.communication_j.tolist() == [21.0, 70.0, 119.0]


def test_harvest_is_forecast_by_halves_and_rounds_without_training_are_counted() -> None:
    config = make_config("--network.num_devices=3", "--energy.harvest_power_w=0.5")
    scenario, feedback = make_scenario(config), start(config)
    assert feedback.harvest_j.tolist() == [1.5] * 3
    assert np.isinf(feedback.rested_rounds).all()
    traffic, rested = offer(make_payload([[10]] * 3), start()), []
    for came_j, compute_s in ((0.5, 1.0), (2.0, 0.0), (0.0, 0.0), (1.0, 2.0)):
        report = report_of(traffic)
        energy = replace(report.energy, harvested_j=np.array([came_j, 1.5, 0.0]))
        worked_s = np.array([compute_s, 1.0, 0.0])
        worked = replace(traffic, compute_s=worked_s, compute_j=worked_s)
        feedback = to_feedback(feedback, worked, replace(report, energy=energy), scenario)
        rested.append(feedback.rested_rounds.tolist())
    # 1.5, (1.5 + 0.5) / 2, (1 + 2) / 2, (1.5 + 0) / 2, (0.75 + 1) / 2; and 1.5 halved four times.
    assert feedback.harvest_j.tolist() == [0.875, 1.5, 0.09375]
    assert rested == [[0, 0, np.inf], [1, 0, np.inf], [2, 0, np.inf], [0, 0, np.inf]]


def test_the_first_forecast_is_an_idle_radio_for_the_period_and_nothing_if_ideal() -> None:
    flags = ("--network.round_period_s=5", "--energy.supply_voltage_v=3.7")
    # 0.273 A idle at 3.7 V for 5 s
    for kind in ("ns3", "analytic"):
        forecast_j = start(make_config(*flags, f"--network.kind={kind}")).last.communication_j
        assert forecast_j == pytest.approx(0.273 * 3.7 * 5)
    free = start(make_config(*flags, "--network.kind=ideal")).last.communication_j
    assert free.tolist() == [0.0] * 3


def test_before_the_first_round_batteries_are_full_and_nothing_is_measured() -> None:
    feedback = start(make_config("--energy.battery_j=33"))
    assert feedback.remaining_energy_j.tolist() == [33.0] * 3
    assert feedback.alive.all()
    cost = feedback.last.cost
    assert np.isnan(cost.sender_j_per_byte).all()
    assert cost.measured_bytes.sum() == cost.reachable.sum() == 0


def test_a_device_expects_what_it_would_be_sent_of_those_that_it_believes_alive() -> None:
    # 0 has both parts, 1 only the first, 2 only the second; 2 has not been heard of by 0 for long.
    payload = make_payload([[10, 200], [10, 0], [0, 200]])
    feedback = silent(start(), {(0, 2): SILENT_ROUNDS})
    everybody = np.ones(3, dtype=np.bool_)
    assert expected_bytes(payload, payload, feedback, everybody).tolist() == [
        [0, 10, 200],
        [10, 0, 0],
        [0, 0, 0],
    ]
    # 1 has no turn to send in this round, and 2 is dead: it expects nothing.
    feedback = replace(feedback, alive=np.array([True, True, False]))
    assert expected_bytes(payload, payload, feedback, np.array([True, False, True])).tolist() == [
        [0, 10, 0],
        [0, 0, 0],
        [0, 0, 0],
    ]
