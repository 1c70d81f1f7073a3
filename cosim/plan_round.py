"""From what is known before a round to its plan."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosim import bridge
from cosim.config.model import RunConfig
from cosim.feedback import Decided, Feedback
from cosim.planning import plan as optimizer
from cosim.planning.budget import Budget, Cost
from cosim.planning.compute import Machines, compute_j, compute_s
from cosim.planning.forecast import BELIEFS, Coming
from cosim.planning.horizon import Horizon, Outlook, look_ahead, periods
from cosim.planning.plan import IterationPlan, least_training_j
from cosim.planning.rules import Known, Rule
from cosim.seeds import stream
from learning.messages import Payload
from learning.own_file import is_own
from learning.side import LearningSide
from learning.training.work_cost import WorkCost
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.traffic import RoundTraffic


@dataclass(frozen=True)
class Work:
    """What local training takes of each device: FLOP, joules and seconds, and machines (n)."""

    flop: WorkCost
    machines: Machines
    joules: Cost
    seconds: Cost


def work_of(flop: WorkCost, machines: Machines) -> Work:
    """Turn FLOP into joules and seconds of the devices at work."""
    parts = (flop.per_iteration_flop, flop.per_step_flop, flop.per_round_flop)
    joules = Cost(*(compute_j(each, machines) for each in parts))
    return Work(flop, machines, joules, Cost(*(compute_s(each, machines) for each in parts)))


def radio_forecast_j(
    config: RunConfig,
    scenario: NetworkScenario,
    feedback: Feedback,
    payload: Payload,
    round_index: int,
    sends: NDArray[np.bool_],
    decided: Decided | None,
    expected_bytes: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Forecast the radio's joules of a round, (n), by what the plan is to believe.

    expected_bytes (n, n): see bridge.expected_bytes.
    """
    n, last = scenario.num_devices, feedback.last
    transmitted_w = scenario.draws.transmit_w(last.tx_power_dbm)
    coming = Coming(
        last=last,
        offered_bytes=bridge.offered_bytes(
            round_index, payload, feedback, sends, config, decided
        ).sum(axis=2),
        expected_bytes=expected_bytes,
        period_s=config.network.round_period_s,
        transmit_w=transmitted_w if decided is None else decided.transmit.draw_w,
        transmitted_w=transmitted_w,
        asleep=np.zeros(n, dtype=np.bool_) if decided is None else decided.asleep,
    )
    return BELIEFS[config.iteration.costs].foresee(scenario, coming)


def to_traffic(
    config: RunConfig,
    scenario: NetworkScenario,
    feedback: Feedback,
    payload: Payload,
    round_index: int,
    sends: NDArray[np.bool_],
    decided: Decided | None,
    busy_s: NDArray[np.float64],
    machines: Machines,
) -> RoundTraffic:
    """Say what the network is asked, where devices compute for busy_s (n,)."""
    busy_j = machines.power_w * busy_s
    return bridge.to_traffic(round_index, payload, feedback, sends, busy_s, busy_j, config, decided)


def make_plan(
    config: RunConfig,
    scenario: NetworkScenario,
    learner: LearningSide,
    work: Work,
    rule: Rule,
    feedback: Feedback,
    foreseen_j: NDArray[np.float64],
    round_index: int,
    rng: np.random.Generator,
    trains: NDArray[np.bool_],
    decided: Decided | None,
) -> IterationPlan:
    """Ask the iteration optimizer, in joules and seconds of the devices at work.

    foreseen_j (n): of the round's radio.
    A training pays for the radio of all rounds until the next one: with a star, of two or more.
    """
    if is_own(config.iteration.rule):  # which may draw as it likes
        rng = stream(config.seed, f"own rule, round {round_index}")
    rounds_left = config.learning.rounds - round_index
    trainings_left = learner.trainings_left(round_index, config.learning.rounds)
    rounds_per_training = rounds_left / trainings_left
    radio_j = foreseen_j + scenario.draws.board_idle_w * config.network.round_period_s
    could_train = learner.available & feedback.alive[:, None]
    horizon = _horizon(
        config, scenario, feedback, work.joules, could_train, radio_j, trainings_left, rounds_left
    )
    plan = optimizer.plan(
        Known(
            learner.speed("first" if rule.first_speeds else config.iteration.speed_metric),
            learner.contribution(),
            learner.available & trains[:, None],
            feedback.alive,
            rng,
        ),
        work.joules,
        work.seconds,
        Budget(
            horizon=horizon,
            radio_j=radio_j,
            rounds_per_training=rounds_per_training,
            compute_limit_s=config.iteration.compute_share * config.network.round_period_s,
            max_iterations=config.iteration.max_iterations,
        ),
        rule,
        config.iteration.short_rule,
    )
    return plan if decided is None else _as_decided(plan, decided.iterations, work.joules, radio_j)


def _as_decided(
    plan: IterationPlan,
    iterations: NDArray[np.int64],
    joules: Cost,
    radio_j: NDArray[np.float64],
) -> IterationPlan:
    """Put the iterations that devices chose themselves, (n, m), in place of the optimizer's."""
    own: NDArray[np.bool_] = np.all(iterations >= 0, axis=1) & (iterations.shape[1] > 0)
    tau = np.where(own[:, None], iterations, plan.iterations)
    active: NDArray[np.bool_] = np.any(tau > 0, axis=1)
    work_j = np.where(active, joules.of(tau), 0.0)
    return replace(
        plan,
        iterations=tau,
        active=active,
        predicted_compute_j=np.where(own, work_j, plan.predicted_compute_j),
        predicted_j=np.where(own, work_j + radio_j, plan.predicted_j),
        objective=np.where(own, 0.0, plan.objective),
        optimality_gap=np.where(own, 0.0, plan.optimality_gap),
        binding=tuple("policy" if o else b for o, b in zip(own, plan.binding, strict=True)),
    )


def _horizon(
    config: RunConfig,
    scenario: NetworkScenario,
    feedback: Feedback,
    joules: Cost,
    could_train: NDArray[np.bool_],
    radio_j: NDArray[np.float64],
    trainings_left: float,
    rounds_left: int,
) -> Horizon:
    """Share out what is in the batteries, and the harvest to come, among the trainings left."""
    length, rounds_per_training = periods(trainings_left), rounds_left / trainings_left
    fixed_j = radio_j * rounds_per_training
    harvest_j = feedback.harvest_j * rounds_per_training
    least_j = least_training_j(joules, could_train, fixed_j, config.iteration.short_rule)
    outlook = Outlook(
        remaining_energy_j=feedback.remaining_energy_j,
        capacity_j=scenario.battery_capacity_j,
        level_j=scenario.initial_energy_j,
        reserve_j=config.energy.reserve_j,
        harvest_j=harvest_j[:, None] * length,
        fixed_j=fixed_j,
        training_j=least_j,
        length=length,
        rounds=rounds_per_training,
        rested=feedback.rested_rounds / rounds_per_training,
        alive=feedback.alive,
    )
    return look_ahead(outlook, config.iteration.schedule, config.iteration.short_rounds)
