"""How many local iterations each device spends on each modality, within its battery.

speed u, costs e, budget B  ->  weights w (the rule)  ->  walk up the breakpoints  ->  plan
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

RULES = (
    "balance",
    "contribution",
    "uniform",
    "inverse",
    "static",
    "permuted",
    "random",
    "dropout",
)
SHORT_RULES = ("best_modality", "idle")

# A modality that takes nothing off the loss counts as this much of the one that takes most.
LEAST_CONTRIBUTION = 0.1

# Two products w tau closer than this are one breakpoint: 3 * 0.1 and 1 * 0.3 differ by a rounding.
TIE = 1e-9


@dataclass(frozen=True)
class IterationPlan:
    """The local iterations of one round, with what bounds them.

    Shapes: n devices, m modalities.

    - iterations (n, m): tau; 0 where a modality is missing or the device does not train.
    - active (n,): the device trains in this round.
    - budget_j (n,): B [J]; 0 for the dead.
    - predicted_compute_j (n,): joules of the planned work [J].
    - predicted_j (n,): the same with radio and idle joules [J]. At most budget_j where active;
      an inactive device that lives still pays for its radio, budget or not.
    - objective (n,): min over m of w tau in the weights of the rule; 0 unless all of a device's
      modalities train.
    - optimality_gap (n,): 1 - objective / bound, the bound being the optimum over real tau
      (water filling). It certifies the plan without trusting the walk: no plan is better by
      more. It holds the loss of rounding, so it is above 0 for most exact plans.
    - binding: what kept each plan from going on: "energy" (also where time binds as well),
      "time", "iterations_max", "short" (not even one iteration of each: the short rule acted),
      "no_work" (no modality to train, as the server of a star), "dead".
    """

    iterations: Ints
    active: Bools
    budget_j: Floats
    predicted_compute_j: Floats
    predicted_j: Floats
    objective: Floats
    optimality_gap: Floats
    binding: tuple[str, ...]


@dataclass(frozen=True)
class _Resource:
    """One linear limit: sum_m per_iteration_m tau_m + head max_m tau_m + fixed <= limit."""

    per_iteration: Floats  # (n, m)
    head: Floats  # (n,)
    fixed: Floats  # (n,)
    limit: Floats  # (n,)


def plan(
    speed: Floats,
    contribution: Floats,
    available: Bools,
    alive: Bools,
    *,
    iteration_j: Floats,
    head_j: Floats,
    kd_j: Floats,
    iteration_s: Floats,
    head_s: Floats,
    kd_s: Floats,
    communication_j: Floats,
    idle_j: Floats,
    remaining_energy_j: Floats,
    reserve_j: float,
    trainings_left: float,
    rounds_per_training: float,
    compute_limit_s: float,
    max_iterations: int,
    rule: str,
    short_rule: str,
    rng: np.random.Generator,
) -> IterationPlan:
    """Choose the local iterations that move the slowest modality furthest within each budget.

    Per device, over integers:

        maximise    min_m w_m tau_m
        subject to  sum_m e_m tau_m + e_head max_m tau_m + e_kd + e_comm + e_idle <= B
                    sum_m s_m tau_m + s_head max_m tau_m + s_kd <= compute_limit_s
                    1 <= tau_m <= max_iterations
        B = max(0, remaining - reserve) / trainings_left

    Exact: every objective that can be reached is a breakpoint t w_m, and the least tau that
    reaches the next one adds an iteration to the modalities at the minimum and to no other. The
    walk goes up until a step does not fit, or the slowest modality is at its maximum: what is left
    then is saved, not spent.

    Weights w by rule: "balance": the speeds u, so that fast modalities get fewer iterations;
    "contribution": u / c with c the contribution, at least a tenth of the device's largest, so
    that slow modalities that matter get most;
    "static": as balance, the caller gives speeds that stay;
    "uniform": 1; "inverse": 1 / u; "permuted": the speed of the device's next modality; "random":
    the speeds of the device, dealt anew among its modalities in each call (both the same spread
    as "balance", without knowing who is slow); "dropout": 2^U(-1, 1) anew in each call, blind to
    speeds.

    If one iteration of each does not fit, ``short_rule`` "best_modality" trains one iteration of
    the modality with the most measured speed per joule among those that fit, under every rule;
    "idle" trains nothing.

    Args:
        speed: u (n, m), relative parameter change per iteration, >= 0; nan where unavailable. A
            speed of 0 counts as 1e-9 of the device's fastest, and all 0 as all equal.
        contribution: c (n, m) [nats], any sign; none of a device's above 0: alike.
        available: (n, m) the modalities that a device has.
        alive: (n,) devices with energy left.
        iteration_j: e (n, m) [J] of a local iteration of a modality.
        head_j: (n,) [J] per local step, of which there are max_m tau_m.
        kd_j: (n,) [J] of the distillation, per round.
        iteration_s: s (n, m) [s], as iteration_j.
        head_s: (n,) [s], as head_j.
        kd_s: (n,) [s], as kd_j.
        communication_j: (n,) [J] forecast of the coming round's radio.
        idle_j: (n,) [J] forecast of what a device draws whatever it does, besides its radio.
        remaining_energy_j: (n,) [J] left in the battery.
        reserve_j: [J] never planned with.
        trainings_left: rounds of training that share the rest, with the coming one; >= 1.
        rounds_per_training: rounds whose radio a training's budget has to pay for; >= 1.
        compute_limit_s: [s] after which messages would be late.
        max_iterations: tau_max >= 1.
        rule: one of RULES.
        short_rule: one of SHORT_RULES.
        rng: used by "random" and "dropout" only: n m draws a call, whoever is alive.

    Returns:
        The plan; dead devices get no iterations and no budget.

    Raises:
        ValueError: an unknown rule, a count below 1, or a speed or cost of a usable modality that
            is negative or not finite.

    Leaves out: the error of the forecasts, and gains that are not linear in tau.

    Source: Yin, Chen, Tao, arXiv 2311.06500, for balance under an energy limit; the max-min form
    and its exact solution are ours.
    """
    usable = available & alive[:, np.newaxis]
    _check_choices(rule, short_rule, trainings_left, max_iterations)
    _check_usable(usable, speed=speed, iteration_j=iteration_j, iteration_s=iteration_s)
    radio_j = communication_j + idle_j
    budget_j = np.where(
        alive, np.maximum(0.0, remaining_energy_j - reserve_j) / trainings_left, 0.0
    )
    held_j = kd_j + radio_j * rounds_per_training
    energy = _Resource(np.where(usable, iteration_j, 0.0), head_j, held_j, budget_j)
    limit_s = np.full(len(alive), compute_limit_s)
    time = _Resource(np.where(usable, iteration_s, 0.0), head_s, kd_s, limit_s)

    weight = _weights(rule, speed, contribution, usable, rng)
    iterations, binding = _walk(weight, usable, energy, time, max_iterations)
    full: Bools = np.any(iterations > 0, axis=1)
    objective = np.where(full, _slowest(weight * iterations, usable), 0.0)
    bound = _relaxed_bound(weight, usable, energy, time, max_iterations)
    gap = np.where(full, 1.0 - objective / bound, 0.0).clip(min=0.0)

    if short_rule == "best_modality":
        fallback = _best_modality(speed, usable, energy, time, kd_j)
        iterations = np.where(full[:, np.newaxis], iterations, fallback)
    without = np.where(usable.any(axis=1), "short", "no_work")
    binding = np.where(alive, np.where(full, binding, without), "dead")
    active: Bools = np.any(iterations > 0, axis=1)
    compute_only = _Resource(energy.per_iteration, head_j, kd_j, budget_j)
    one_round = _Resource(energy.per_iteration, head_j, kd_j + radio_j, budget_j)
    return IterationPlan(
        iterations=iterations,
        active=active,
        budget_j=budget_j,
        predicted_compute_j=np.where(active, _spent(compute_only, iterations), 0.0),
        predicted_j=np.where(active, _spent(one_round, iterations), np.where(alive, radio_j, 0.0)),
        objective=objective,
        optimality_gap=gap,
        binding=tuple(str(word) for word in binding),
    )


def _check_choices(rule: str, short_rule: str, trainings_left: float, max_iterations: int) -> None:
    for name, word, known in (("rule", rule, RULES), ("short_rule", short_rule, SHORT_RULES)):
        if word not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}; got {word!r}")
    for name, count in (("trainings_left", trainings_left), ("max_iterations", max_iterations)):
        if count < 1:
            raise ValueError(f"{name}: expected at least 1; got {count}")


def _check_usable(usable: Bools, **arrays: Floats) -> None:
    for name, values in arrays.items():
        wrong = usable & ~(np.isfinite(values) & (values >= 0.0))
        if wrong.any():
            device, modality = np.argwhere(wrong)[0]
            raise ValueError(
                f"{name}: expected finite values >= 0 for each modality of a living device; got "
                f"{values[device, modality]} at device {device}, modality {modality} "
                f"({int(wrong.sum())} in all). Give unmeasured speeds one common value."
            )


def _weights(
    rule: str, speed: Floats, contribution: Floats, usable: Bools, rng: np.random.Generator
) -> Floats:
    """Weights w > 0 (n, m) that the rule puts on an iteration; 1 where unusable."""
    known = np.where(usable, speed, 0.0)
    fastest = known.max(axis=1, keepdims=True)
    # The floor keeps w positive, and a still modality slower than any that moves.
    u = np.where(usable & (fastest > 0.0), np.maximum(known, 1e-9 * fastest), 1.0)
    if rule == "uniform":
        return np.ones_like(u)
    if rule == "inverse":
        return 1.0 / u
    if rule == "dropout":
        return 2.0 ** rng.uniform(-1.0, 1.0, u.shape)
    if rule == "contribution":
        return u / _share(contribution, usable)
    if rule == "permuted":
        for device, have in enumerate(usable):
            u[device, have] = np.roll(u[device, have], 1)
    if rule == "random":
        for device, order in enumerate(rng.random(u.shape).argsort(axis=1)):
            have = usable[device]
            u[device, have] = u[device, order[have[order]]]
    return u


def _share(contribution: Floats, usable: Bools) -> Floats:
    """Contribution over the device's largest (n, m), within LEAST_CONTRIBUTION and 1."""
    largest = np.where(usable, contribution, 0.0).max(axis=1, keepdims=True)
    share = contribution / np.where(largest > 0, largest, 1.0)
    return np.where(usable & (largest > 0), share.clip(LEAST_CONTRIBUTION, 1.0), 1.0)


def _spent(resource: _Resource, iterations: Floats | Ints) -> Floats:
    """Sum up what iterations (n, m) take of a resource, in its unit (n,)."""
    work = (resource.per_iteration * iterations).sum(axis=1)
    total: Floats = work + resource.head * iterations.max(axis=1) + resource.fixed
    return total


def _fits(iterations: Floats | Ints, *resources: _Resource) -> Bools:
    fits = np.ones(len(iterations), dtype=np.bool_)
    for each in resources:
        fits &= _spent(each, iterations) <= each.limit
    return fits


def _slowest(progress: Floats, usable: Bools) -> Floats:
    """Least progress w tau over a device's modalities (n,); inf for a device that has none."""
    least: Floats = np.where(usable, progress, np.inf).min(axis=1)
    return least


def _walk(
    weight: Floats, usable: Bools, energy: _Resource, time: _Resource, max_iterations: int
) -> tuple[Ints, NDArray[np.str_]]:
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
    weight: Floats, usable: Bools, energy: _Resource, time: _Resource, max_iterations: int
) -> Floats:
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
    speed: Floats, usable: Bools, energy: _Resource, time: _Resource, kd_j: Floats
) -> Ints:
    """One iteration (n, m) of the modality with the most speed per joule that fits alone."""
    devices, modalities = usable.shape
    value = np.full((devices, modalities), -np.inf)
    for modality in range(modalities):
        alone = np.zeros((devices, modalities), dtype=np.int64)
        alone[:, modality] = usable[:, modality]
        compute_j = energy.per_iteration[:, modality] + energy.head + kd_j
        per_joule = speed[:, modality] / np.maximum(compute_j, np.finfo(np.float64).tiny)
        fits = usable[:, modality] & _fits(alone, energy, time)
        value[fits, modality] = per_joule[fits]
    chosen = np.zeros((devices, modalities), dtype=np.int64)
    some = np.isfinite(value).any(axis=1)
    chosen[some, value[some].argmax(axis=1)] = 1
    return chosen
