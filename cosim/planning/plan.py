"""How many local iterations each device spends on each modality, within its battery.

speed u, costs e, budget B  ->  weights w (the rule)  ->  walk up the breakpoints  ->  plan
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosim.planning.budget import Budget, Cost
from cosim.planning.horizon import Horizon
from cosim.planning.rules import Known, Rule
from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray

SHORT_RULES = ("best_modality", "idle")

# Two products w tau closer than this are one breakpoint: 3 * 0.1 and 1 * 0.3 differ by a rounding.
TIE = 1e-9


@dataclass(frozen=True)
class IterationPlan:
    """The local iterations of one round, with what bounds them.

    Shapes: n devices, m modalities.

    - iterations (n, m): tau; 0 where a modality is missing or the device does not train.
    - active (n,): the device trains in this round.
    - horizon: of which this is the first period.
    - budget_j (n,): B [J]; 0 for the dead.
    - round_budget_j (n,): of these, what is not for the radio of the rounds until the next
      training, which stars have [J].
    - predicted_compute_j (n,): joules of the planned work [J].
    - predicted_j (n,): the same with radio and idle joules [J]. At most budget_j where active,
      but of what a policy chose; an inactive device that lives still pays for its radio, budget or
      not.
    - objective (n,): min over m of w tau in the weights of the rule; 0 unless all of a device's
      modalities train.
    - optimality_gap (n,): 1 - objective / bound, the bound being the optimum over real tau
      (water filling). It certifies the plan without trusting the walk: no plan is better by
      more. It holds the loss of rounding, so it is above 0 for most exact plans.
    - binding: what kept each plan from going on: "energy" (also where time binds as well),
      "time", "iterations_max", "short" (not even one iteration of each: the short rule acted),
      "waiting" (the horizon leaves this round out, so that others are paid), "no_work" (no modality
      to train, as the server of a star), "dead"; "policy": the device chose its iterations itself,
      whatever they cost.
    """

    iterations: IntArray
    active: BoolArray
    horizon: Horizon
    budget_j: FloatArray
    round_budget_j: FloatArray
    predicted_compute_j: FloatArray
    predicted_j: FloatArray
    objective: FloatArray
    optimality_gap: FloatArray
    binding: tuple[str, ...]


@dataclass(frozen=True)
class _Resource:
    """One linear limit: cost of the iterations <= limit (n,)."""

    cost: Cost
    limit: FloatArray


def plan(
    known: Known, joules: Cost, seconds: Cost, budget: Budget, rule: Rule, short_rule: str
) -> IterationPlan:
    """Choose the local iterations that move the slowest modality furthest within each budget.

    Per device, over integers:

        maximise    min_m w_m tau_m
        subject to  joules of tau + radio_j rounds_per_training <= B = budget_j
                    seconds of tau <= compute_limit_s
                    1 <= tau_m <= max_iterations

    with the weights w of the rule. Exact: every objective that can be reached
    is a breakpoint t w_m, and the least tau that reaches the next one adds an iteration to the
    modalities at the minimum and to no other. The walk goes up until a step does not fit, or the
    slowest modality is at its maximum: what is left then is saved, not spent.

    If one iteration of each does not fit, ``short_rule`` "best_modality" trains one iteration of
    the modality with the most measured speed per joule among those that fit, under every rule;
    "idle" trains nothing.

    Dead devices get no iterations and no budget. Raises ValueError for an unknown short rule, or a
    speed or cost [J, s] of a usable modality that is negative or not finite.

    Leaves out: the error of the forecasts, and gains that are not linear in tau.
    Source: Yin, Chen, Tao, arXiv 2311.06500, for balance under an energy limit; the max-min form
    and its exact solution are ours.
    """
    usable, alive, budget_j = known.usable, known.alive, budget.budget_j
    _check(known, joules, seconds, short_rule)
    joules, seconds = _of_usable(joules, usable), _of_usable(seconds, usable)
    energy = _Resource(_plus(joules, budget.fixed_j), budget_j)
    time = _Resource(seconds, np.full(len(alive), budget.compute_limit_s))

    weight = rule.weigh(known) if usable.size else np.ones(usable.shape)  # of no modalities
    iterations, binding = _walk(weight, usable, energy, time, budget.max_iterations)
    full: BoolArray = np.any(iterations > 0, axis=1)
    objective = np.where(full, _slowest(weight * iterations, usable), 0.0)
    bound = _relaxed_bound(weight, usable, energy, time, budget.max_iterations)
    gap = np.where(full, 1.0 - objective / bound, 0.0).clip(min=0.0)

    if short_rule == "best_modality":
        fallback = _best_modality(known.speed, usable, energy, time, joules)
        iterations = np.where(full[:, np.newaxis], iterations, fallback)
    without = np.where(usable.any(axis=1), np.where(budget.waits, "waiting", "short"), "no_work")
    binding = np.where(alive, np.where(full, binding, without), "dead")
    active: BoolArray = np.any(iterations > 0, axis=1)
    of_round_j = _plus(joules, budget.radio_j).of(iterations)
    return IterationPlan(
        iterations=iterations,
        active=active,
        horizon=budget.horizon,
        budget_j=budget_j,
        round_budget_j=np.maximum(budget_j - (budget.fixed_j - budget.radio_j), 0.0),
        predicted_compute_j=np.where(active, joules.of(iterations), 0.0),
        predicted_j=np.where(active, of_round_j, np.where(alive, budget.radio_j, 0.0)),
        objective=objective,
        optimality_gap=gap,
        binding=tuple(str(word) for word in binding),
    )


def least_training_j(
    joules: Cost, usable: BoolArray, fixed_j: FloatArray, short_rule: str
) -> FloatArray:
    """Return what the cheapest training takes with fixed_j, (n) [J]; where there is none, that.

    One iteration of each usable modality or, as "best_modality" has it, of the cheapest one.
    """
    joules = _plus(_of_usable(joules, usable), fixed_j)
    least_j = joules.of(usable.astype(np.int64))
    if short_rule == "best_modality":
        only = np.eye(usable.shape[1], dtype=np.int64)
        alone_j = [
            np.where(usable[:, m], joules.of(usable * only[m]), np.inf) for m in range(len(only))
        ]
        least_j = np.min(alone_j, axis=0, initial=np.inf)
    return np.where(usable.any(axis=1), least_j, fixed_j)


def _plus(cost: Cost, per_round: FloatArray) -> Cost:
    return replace(cost, per_round=cost.per_round + per_round)


def _of_usable(cost: Cost, usable: BoolArray) -> Cost:
    return replace(cost, per_iteration=np.where(usable, cost.per_iteration, 0.0))


def _check(known: Known, joules: Cost, seconds: Cost, short_rule: str) -> None:
    if short_rule not in SHORT_RULES:
        rules = ", ".join(SHORT_RULES)
        raise ValueError(f"short_rule: expected one of {rules}; got {short_rule!r}")
    checked = {
        "speed": known.speed,
        "iteration_j": joules.per_iteration,
        "iteration_s": seconds.per_iteration,
    }
    for name, values in checked.items():
        wrong = known.usable & ~(np.isfinite(values) & (values >= 0.0))
        if wrong.any():
            device, modality = np.argwhere(wrong)[0]
            raise ValueError(
                f"{name}: expected finite values >= 0 for each modality of a living device; got "
                f"{values[device, modality]} at device {device}, modality {modality} "
                f"({int(wrong.sum())} in all). Give unmeasured speeds one common value."
            )


def _fits(iterations: FloatArray | IntArray, *resources: _Resource) -> BoolArray:
    fits = np.ones(len(iterations), dtype=np.bool_)
    for each in resources:
        fits &= each.cost.of(iterations) <= each.limit
    return fits


def _slowest(progress: FloatArray, usable: BoolArray) -> FloatArray:
    """Least progress w tau over a device's modalities (n,); inf for a device that has none."""
    least: FloatArray = np.where(usable, progress, np.inf).min(axis=1, initial=np.inf)
    return least


def _walk(
    weight: FloatArray, usable: BoolArray, energy: _Resource, time: _Resource, max_iterations: int
) -> tuple[IntArray, NDArray[np.str_]]:
    """Walk all devices up their breakpoints together; all zeros where the first does not fit."""
    iterations = np.zeros(usable.shape, dtype=np.int64)
    binding = np.full(len(usable), "", dtype="<U14")
    candidate = usable.astype(np.int64)
    walking = usable.any(axis=1)
    while walking.any():
        fits_time, fits_energy = _fits(candidate, time), _fits(candidate, energy)
        binding[walking & ~fits_time] = "time"
        binding[walking & ~fits_energy] = "energy"
        walking &= fits_time & fits_energy
        iterations[walking] = candidate[walking]

        progress = weight * iterations
        least = _slowest(progress, usable)[:, np.newaxis]
        bottleneck = usable & (progress <= least * (1.0 + TIE))
        capped = (bottleneck & (iterations >= max_iterations)).any(axis=1)
        binding[walking & capped] = "iterations_max"
        walking &= ~capped
        candidate = iterations + bottleneck
    return iterations, binding


def _relaxed_bound(
    weight: FloatArray, usable: BoolArray, energy: _Resource, time: _Resource, max_iterations: int
) -> FloatArray:
    """Upper bound (n,) on the objective: tau_m = clip(z / w_m, 1, max) real, z by bisection."""
    low = _slowest(weight, usable)
    high = low * max_iterations
    for _ in range(60):  # more halvings than a double has bits: high ends one rounding above
        middle = 0.5 * (low + high)
        level = np.clip(middle[:, np.newaxis] / weight, 1.0, float(max_iterations))
        fits = _fits(np.where(usable, level, 0.0), energy, time)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return high


def _best_modality(
    speed: FloatArray, usable: BoolArray, energy: _Resource, time: _Resource, joules: Cost
) -> IntArray:
    """One iteration (n, m) of the modality with the most speed per joule that fits alone."""
    devices, modalities = usable.shape
    value = np.full((devices, modalities), -np.inf)
    for modality in range(modalities):
        alone = np.zeros((devices, modalities), dtype=np.int64)
        alone[:, modality] = usable[:, modality]
        compute_j = joules.per_iteration[:, modality] + joules.per_step + joules.per_round
        per_joule = speed[:, modality] / np.maximum(compute_j, np.finfo(np.float64).tiny)
        fits = usable[:, modality] & _fits(alone, energy, time)
        value[fits, modality] = per_joule[fits]
    chosen = np.zeros((devices, modalities), dtype=np.int64)
    some = np.isfinite(value).any(axis=1)
    if some.any():
        chosen[some, value[some].argmax(axis=1)] = 1
    return chosen
