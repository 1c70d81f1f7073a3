"""From what is known before a round to its plan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim import bridge
from cosim.bridge import Feedback
from cosim.config.model import RunConfig
from cosim.planning import plan as optimizer
from cosim.planning.budget import Budget, Cost
from cosim.planning.compute import compute_j, compute_s
from cosim.planning.forecast import BELIEFS, Coming
from cosim.planning.horizon import Horizon, Outlook, look_ahead, periods
from cosim.planning.plan import IterationPlan, least_training_j
from cosim.planning.rules import Known, Rule
from cosim.seeds import stream
from learning.learner import Learner
from learning.messages import Payload
from learning.own_file import is_own
from learning.training.work_cost import WorkCost
from ns3_scenarios.description.scenario import NetworkScenario


def radio_forecast_j(
    config: RunConfig,
    scenario: NetworkScenario,
    feedback: Feedback,
    payload: Payload,
    round_index: int,
    sends: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Forecast the radio's joules of a round, (n), by what the plan is to believe."""
    offered = bridge.offered_bytes(round_index, payload, feedback, sends, config)
    expected = bridge.expected_bytes(payload, feedback, sends)
    period_s = config.network.round_period_s
    coming = Coming(feedback.last, offered.sum(axis=2), expected, period_s)
    return BELIEFS[config.iteration.costs].foresee(scenario, coming)


def make_plan(
    config: RunConfig,
    scenario: NetworkScenario,
    learner: Learner,
    work: WorkCost,
    rule: Rule,
    feedback: Feedback,
    foreseen_j: NDArray[np.float64],
    round_index: int,
    rng: np.random.Generator,
    trains: NDArray[np.bool_],
) -> IterationPlan:
    """Ask the iteration optimizer, in joules and seconds of the device profile.

    foreseen_j (n): of the round's radio.
    A training pays for the radio of all rounds until the next one: with a star, of two or more.
    """
    if is_own(config.iteration.rule):  # which may draw as it likes
        rng = stream(config.seed, f"own rule, round {round_index}")
    rounds_left = config.learning.rounds - round_index
    trainings_left = learner.trainings_left(round_index, config.learning.rounds)
    rounds_per_training = rounds_left / trainings_left
    profile = config.energy.work_profile
    parts = (work.per_iteration_flop, work.per_step_flop, work.per_round_flop)
    joules = Cost(*(compute_j(flop, profile) for flop in parts))
    radio_j = foreseen_j + config.energy.board_idle_w * config.network.round_period_s
    could_train = learner.available & feedback.alive[:, None]
    horizon = _horizon(
        config, scenario, feedback, joules, could_train, radio_j, trainings_left, rounds_left
    )
    return optimizer.plan(
        Known(
            learner.speed("first" if rule.first_speeds else config.iteration.speed_metric),
            learner.contribution(),
            learner.available & trains[:, None],
            feedback.alive,
            rng,
        ),
        joules,
        Cost(*(compute_s(flop, profile) for flop in parts)),
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
