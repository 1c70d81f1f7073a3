"""The whole method on one screen: plan, train, traffic, ns-3, mix, record; feedback goes back.

Training and ns-3 work at the same time: how long the messages of a round are, and how long its
devices compute, follows from the plan, so the traffic goes out before the training is done. What is
evaluated and recorded of a round, is so while ns-3 is at the next one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cosim import bridge
from cosim.ask_policy import Asker, Memory, make_asker
from cosim.config.devices import machines
from cosim.config.model import RunConfig
from cosim.feedback import Feedback, initial_feedback
from cosim.plan_round import Work, make_plan, radio_forecast_j, to_traffic, work_of
from cosim.planning.compute import compute_s
from cosim.planning.costs import TransmissionCost
from cosim.planning.plan import IterationPlan
from cosim.planning.rules import find_rule
from cosim.policies.policy import Policy
from cosim.seeds import stream
from learning.messages import Delivery, Payload, TrainResult
from learning.model.evaluate import Evaluation
from learning.side import LearningSide
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.network import Network
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic


@dataclass(frozen=True)
class RoundRecord:
    """All that a round came to; the recorder makes rows of it.

    alive_at_start (n): devices that could act in it. memory: what devices remember for their
    policy, once asked for this round. ns3_s, learning_s: wall seconds of each side,
    which work at the same time; waited_s: learning had nothing left to do but wait for ns-3.
    """

    round_index: int
    alive_at_start: NDArray[np.bool_]
    communication_forecast_j: NDArray[np.float64]
    payload: Payload
    plan: IterationPlan
    trained: TrainResult
    traffic: RoundTraffic
    report: RoundReport
    cost: TransmissionCost
    evaluation: Evaluation
    memory: Memory
    ns3_s: float
    waited_s: float
    learning_s: float


@dataclass(frozen=True)
class Exchanged:
    """What became of a round's messages, and what is known after it; wall_s: of the network."""

    payload: Payload
    traffic: RoundTraffic
    report: RoundReport
    delivery: Delivery
    after: Feedback
    wall_s: float


@dataclass(frozen=True)
class Begun:
    """A round under way.

    communication_forecast_j (n): what its plan believes of the radio; memory: what devices
    remember for their policy, once asked for this round.
    """

    plan: IterationPlan
    communication_forecast_j: NDArray[np.float64]
    exchanged: Future[Exchanged]
    memory: Memory


@dataclass(frozen=True)
class Standing:
    """Where a run goes on: the round to come, the feedback of the one before, policy's memory."""

    first_round: int = 0
    feedback: Feedback | None = None
    memory: Memory | None = None


@dataclass(frozen=True)
class Starter:
    """Plans rounds and lets their messages go; rng: of plans; air: the thread of the network.

    ahead: a round begins before the one before it has been looked at.
    """

    ahead: bool
    config: RunConfig
    scenario: NetworkScenario
    work: Work
    learner: LearningSide
    network: Network
    asker: Asker
    rng: np.random.Generator
    air: ThreadPoolExecutor

    def begin(self, index: int, known: Feedback) -> Begun:
        """Ask the devices, plan a round, and let its messages go."""
        config, scenario, learner = self.config, self.scenario, self.learner
        work, rule = self.work, find_rule(config.iteration.rule)
        (trains, sends), payload = learner.roles(index), learner.payload(round_index=index)
        expected = _expected_bytes(learner, index, known, sends)
        decided = self.asker.ask(index, known, payload, trains, sends)
        payload = payload if decided is None else learner.payload(decided.codecs, index)
        asked = config, scenario, known, payload, index, sends, decided
        foreseen_j = radio_forecast_j(*asked, expected)
        known_of = config, scenario, learner, work, rule, known
        plan = make_plan(*known_of, foreseen_j, index, self.rng, trains, decided)
        busy_s = compute_s(work.flop.of(plan.iterations), work.machines)
        told = config, scenario, self.network, known, payload, expected
        exchanged = self.air.submit(exchange, *told, to_traffic(*asked, busy_s, work.machines))
        return Begun(plan, foreseen_j, exchanged, self.asker.remembered())

    def try_to_begin(self, index: int, known: Feedback) -> tuple[list[Begun], Exception | None]:
        """Begin a round, or say why not: a rule or policy that fails must not take the last one."""
        if not self.ahead or index == self.config.learning.rounds:
            return [], None
        try:
            return [self.begin(index, known)], None
        except Exception as error:
            return [], error


def run_rounds(
    config: RunConfig,
    scenario: NetworkScenario,
    learner: LearningSide,
    network: Network,
    standing: Standing = Standing(),
    policy: Policy | None = None,
    ahead: bool = True,
) -> Iterator[RoundRecord]:
    """Run the co-simulation and yield each round when it has ended.

    standing: to go on with a run, with a learner and a network that stand there (`repeat_rounds`).
    policy: in place of the configuration's. ahead: the next round is under way when one is yielded,
    so that its policy does not wait for what is made of this one.
    """
    first_round, feedback = standing.first_round, standing.feedback
    plan_rng = stream(config.seed, "iteration")
    plan_rng.random((first_round, *learner.available.shape))  # what earlier plans have drawn
    air = ThreadPoolExecutor(1, "network")  # waits for it, while this thread trains
    work = work_of(learner.work_cost(), machines(config))
    asker = make_asker(config, scenario.draws, work, learner, standing.memory, policy)
    starter = Starter(ahead, config, scenario, work, learner, network, asker, plan_rng, air)
    clock, feedback = time.perf_counter(), feedback or initial_feedback(config, scenario)
    rounds = range(first_round, config.learning.rounds)
    try:
        coming = [starter.begin(index, feedback) for index in rounds[:1]]
        for index in rounds:
            begun, before = coming.pop(), learner.state()
            trained = learner.train(index, begun.plan.iterations, begun.plan.active)
            waiting = time.perf_counter()
            done = begun.exchanged.result()
            waited_s = time.perf_counter() - waiting
            trained = undo_cut_off_training(learner, before, trained, done.traffic, done.report)
            # Who was dead for a while has lost what it had received; what it sent before is good.
            learner.mix(done.delivery, ~done.report.energy.dead_since(done.report.start_s))
            coming, odd = starter.try_to_begin(index + 1, done.after)
            yield RoundRecord(
                round_index=index,
                alive_at_start=feedback.alive,
                communication_forecast_j=begun.communication_forecast_j,
                payload=done.payload,
                plan=begun.plan,
                trained=trained,
                traffic=done.traffic,
                report=done.report,
                cost=done.after.last.cost,
                evaluation=_evaluate(config, learner, index),
                memory=begun.memory,
                ns3_s=done.wall_s,
                waited_s=waited_s,
                learning_s=time.perf_counter() - clock - waited_s,
            )
            clock, feedback = time.perf_counter(), done.after
            if odd is not None:
                raise odd
            if not ahead and index + 1 in rounds:
                coming = [starter.begin(index + 1, feedback)]
    finally:
        air.shutdown(wait=False, cancel_futures=True)


def _evaluate(config: RunConfig, learner: LearningSide, round_index: int) -> Evaluation:
    """Evaluate where it is due, and after the last round."""
    due = (round_index + 1) % config.learning.evaluate_every == 0
    is_last = round_index + 1 == config.learning.rounds
    return learner.evaluate() if due or is_last else learner.not_evaluated()


def _expected_bytes(
    learner: LearningSide, index: int, known: Feedback, sends: NDArray[np.bool_]
) -> NDArray[np.int64]:
    usual, before = (learner.payload(codecs, index) for codecs in (None, known.codecs))
    return bridge.expected_bytes(usual, before, known, sends)


def exchange(
    config: RunConfig,
    scenario: NetworkScenario,
    network: Network,
    feedback: Feedback,
    payload: Payload,
    expected: NDArray[np.int64],
    traffic: RoundTraffic,
) -> Exchanged:
    """Hand a round's traffic to the network, and take what becomes of it to both sides.

    expected (n, n): see bridge.expected_bytes.
    """
    degree = bridge.advertised_degree(payload, feedback.neighbourhood)
    network.wait_ready()  # its start is not the round's
    clock = time.perf_counter()
    report = network.run_round(traffic)
    wall_s = time.perf_counter() - clock
    unfinished = None
    if config.learning.late_weight > 0:
        unfinished = bridge.left_unfinished(traffic, report, payload, degree)
    after = bridge.to_feedback(feedback, traffic, report, expected, unfinished, payload.codecs)
    delivery = bridge.to_delivery(traffic, report, payload, degree, scenario, feedback.unfinished)
    return Exchanged(payload, traffic, report, delivery, after, wall_s)


def repeat_rounds(
    config: RunConfig,
    scenario: NetworkScenario,
    learner: LearningSide,
    network: Network,
    recorded: Iterable[tuple[RoundTraffic, tuple[str, ...]]],
) -> Iterator[Exchanged]:
    """Take a fresh network through rounds that are done, as it cannot be stored.

    recorded: what it was asked in each, and by which codecs devices sent. The learner neither
    trains nor mixes.
    """
    feedback = initial_feedback(config, scenario)
    for index, (traffic, codecs) in enumerate(recorded):
        _, sends = learner.roles(index)
        expected = _expected_bytes(learner, index, feedback, sends)
        payload = learner.payload(codecs, index)
        done = exchange(config, scenario, network, feedback, payload, expected, traffic)
        yield done
        feedback = done.after


def undo_cut_off_training(
    learner: LearningSide,
    before: dict[str, Tensor],
    trained: TrainResult,
    traffic: RoundTraffic,
    report: RoundReport,
) -> TrainResult:
    """Take back the training of devices whose batteries ran empty before it was done.

    The joules that they drew for it stay spent; flop is what these paid for.
    """
    lived_s = report.energy.died_at_s - report.start_s
    # Who came back and died again later in the round shows by the joules that it did not spend.
    short = report.energy.compute_j < (1 - 1e-6) * traffic.compute_j
    cut_off = (lived_s >= 0) & ((lived_s < traffic.compute_s) | short)
    if not cut_off.any():
        return trained
    learner.undo(before, cut_off)
    paid = report.energy.compute_j / np.where(traffic.compute_j > 0, traffic.compute_j, 1.0)
    return TrainResult(
        loss=np.where(cut_off, np.nan, trained.loss),
        iterations=np.where(cut_off[:, None], 0, trained.iterations),
        parameter_variation=np.where(cut_off[:, None], np.nan, trained.parameter_variation),
        contribution=np.where(cut_off[:, None], np.nan, trained.contribution),
        flop=np.where(cut_off, paid * trained.flop, trained.flop),
    )
