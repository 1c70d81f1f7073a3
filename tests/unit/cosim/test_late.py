"""Messages that come late in part: their rest goes in the next round, in place of a new one."""

from dataclasses import replace

import numpy as np
import pytest
from made_config import make_config

from cosim.bridge import advertised_degree, left_unfinished, to_delivery, to_traffic
from cosim.config.model import RunConfig
from cosim.config.to_scenario import make_scenario
from cosim.feedback import Feedback, Unfinished, initial_feedback
from learning.messages import Payload
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.ideal import IdealNetwork
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.traffic import RoundTraffic

# Three devices of the 2 x 2 grid: 0 exchanges with 1 and 2, two parts each way.
CONFIG = make_config("--learning.late_weight=0.5")
PAYLOAD = Payload(("a", "b"), np.array([[100, 40]] * 3))
Message = tuple[int, int, int]


def offer(feedback: Feedback, round_index: int = 0, config: RunConfig = CONFIG) -> RoundTraffic:
    n = len(PAYLOAD.part_bytes)
    zeros = np.zeros(n)
    sends = np.ones(n, dtype=np.bool_)
    return to_traffic(round_index, PAYLOAD, feedback, sends, zeros, zeros, config)


def size_of(traffic: RoundTraffic) -> dict[Message, int]:
    rows = zip(traffic.src, traffic.dst, traffic.part, traffic.payload_bytes, strict=True)
    return {(int(i), int(j), int(p)): int(size) for i, j, p, size in rows}


def reported(traffic: RoundTraffic, late: dict[Message, int]) -> RoundReport:
    """All delivered but some messages that came late, of which so many bytes are acknowledged."""
    report = IdealNetwork(make_scenario(CONFIG)).run_round(traffic)
    outcome, acked = report.flows.outcome.copy(), report.flows.acked_bytes.copy()
    for row, message in enumerate(size_of(traffic)):
        if message in late:
            outcome[row], acked[row] = OUTCOMES.index("late"), late[message]
    return replace(report, flows=replace(report.flows, outcome=outcome, acked_bytes=acked))


def go_on(feedback: Feedback, traffic: RoundTraffic, report: RoundReport) -> Feedback:
    degree = advertised_degree(PAYLOAD, feedback.neighbourhood)
    return replace(feedback, unfinished=left_unfinished(traffic, report, PAYLOAD, degree))


def arrived_in(
    traffic: RoundTraffic, report: RoundReport, unfinished: Unfinished | None
) -> tuple[set[Message], set[Message]]:
    """Fresh messages that arrived, and late ones."""
    degree = np.zeros((3, 2), dtype=np.int64)
    delivery = to_delivery(traffic, report, PAYLOAD, degree, make_scenario(CONFIG), unfinished)
    late = np.zeros_like(delivery.arrived) if delivery.late is None else delivery.late.arrived
    fresh, come_late = (
        {(int(i), int(j), int(p)) for i, j, p in np.argwhere(each)}
        for each in (delivery.arrived, late)
    )
    return fresh, come_late


def test_the_rest_takes_the_place_of_one_new_message_and_arrives_as_a_late_one() -> None:
    feedback = initial_feedback(CONFIG, make_scenario(CONFIG))
    first = offer(feedback)
    assert set(size_of(first).values()) == {100, 40}
    # (0, 1, 0) got 70 of 100 bytes through, (0, 2, 1) none of its 40.
    feedback = go_on(feedback, first, reported(first, {(0, 1, 0): 70, (0, 2, 1): 0}))
    second = offer(feedback, 1)
    changed = {m for m, size in size_of(second).items() if size != size_of(first)[m]}
    assert changed == {(0, 1, 0)}
    assert size_of(second)[0, 1, 0] == 30
    report = reported(second, {(2, 0, 0): 10})
    fresh, late = arrived_in(second, report, feedback.unfinished)
    assert late == {(0, 1, 0)}
    assert fresh == set(size_of(second)) - {(0, 1, 0), (2, 0, 0)}


def test_a_rest_that_comes_too_late_again_is_given_up_for_a_new_message() -> None:
    feedback = initial_feedback(CONFIG, make_scenario(CONFIG))
    for acked_bytes, next_bytes in ((70, 30), (20, 100)):
        traffic = offer(feedback)
        feedback = go_on(feedback, traffic, reported(traffic, {(0, 1, 0): acked_bytes}))
        assert size_of(offer(feedback))[0, 1, 0] == next_bytes


def test_a_sender_that_misses_the_last_acknowledgements_sends_in_vain_what_is_there() -> None:
    feedback = initial_feedback(CONFIG, make_scenario(CONFIG))
    traffic = offer(feedback)
    report = reported(traffic, {(0, 1, 0): 70})
    delivered = np.full_like(report.flows.outcome, OUTCOMES.index("delivered"))
    report = replace(report, flows=replace(report.flows, outcome=delivered))
    assert (0, 1, 0) in arrived_in(traffic, report, feedback.unfinished)[0]
    feedback = go_on(feedback, traffic, report)
    second = offer(feedback)
    assert size_of(second)[0, 1, 0] == 30
    fresh, late = arrived_in(second, reported(second, {}), feedback.unfinished)
    assert late == set()
    assert fresh == set(size_of(second)) - {(0, 1, 0)}


@pytest.mark.parametrize("dead", [0, 1])
def test_who_was_dead_has_forgotten_what_it_sent_and_what_it_had_received(dead: int) -> None:
    feedback = initial_feedback(CONFIG, make_scenario(CONFIG))
    traffic = offer(feedback)
    report = reported(traffic, {(0, 1, 0): 70})
    outcome = np.where(
        report.flows.outcome == OUTCOMES.index("late"),
        OUTCOMES.index("dead"),
        report.flows.outcome,
    )
    report = replace(report, flows=replace(report.flows, outcome=outcome))
    revived_at_s = np.where(np.arange(3) == dead, report.start_s + 0.5, np.nan)
    report = replace(report, energy=replace(report.energy, revived_at_s=revived_at_s))
    feedback = go_on(feedback, traffic, report)
    second = offer(feedback)
    if dead == 0:
        assert size_of(second) == size_of(traffic)
    else:
        # The sender does not know, and sends the rest in vain.
        assert size_of(second)[0, 1, 0] == 30
        fresh, late = arrived_in(second, reported(second, {}), feedback.unfinished)
        assert late == set()
        assert (0, 1, 0) not in fresh


def test_the_degree_of_a_late_message_is_that_of_its_own_round() -> None:
    feedback = initial_feedback(CONFIG, make_scenario(CONFIG))
    traffic = offer(feedback)
    degree = np.array([[2, 2], [1, 1], [1, 1]])
    unfinished = left_unfinished(traffic, reported(traffic, {(0, 1, 0): 70}), PAYLOAD, degree)
    delivery = to_delivery(
        traffic, reported(traffic, {}), PAYLOAD, 0 * degree, make_scenario(CONFIG), unfinished
    )
    assert delivery.late is not None
    np.testing.assert_array_equal(delivery.late.advertised_degree, degree)
    assert not delivery.advertised_degree.any()


def test_late_messages_need_a_transport_whose_senders_know_what_is_missing() -> None:
    for transport in ("udp", "tcp"):
        config = make_config("--learning.late_weight=0.5", f"--network.transport={transport}")
        words = rf"learning\.late_weight: expected 0 with transport {transport}"
        with pytest.raises(ScenarioError, match=words):
            make_scenario(config)
