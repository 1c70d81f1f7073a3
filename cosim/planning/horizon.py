"""What each device may spend in the rounds to come, seen ahead and replanned each round.

battery, harvest, fixed costs -> which rounds train -> as equal as battery and harvest allow

The budget of the coming round goes to the iteration optimizer (plan.py); the others show what the
device expects. Idea: energy-neutral operation, Kansal, Hsu, Zahedi, Srivastava, Power management in
energy harvesting sensor networks, ACM TECS 6(4), 2007; the form below is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.planning.battery import Battery, plan_battery
from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray

SCHEDULES = {
    "even": "the same in every round, as far as the battery's floor and ceiling allow",
    "front_loaded": "above a least training for each round, falling shares R, R - 1, ..., 1",
    "neutral": "as even, but the battery ends the run as it began it: only harvest is spent",
}
SHORT_ROUNDS = {
    "spread": "evenly spaced, from the first to the last",
    "early": "as soon as the battery pays for it",
    "late": "as late as possible",
}


@dataclass(frozen=True)
class Outlook:
    """What n devices expect of p periods to come: rounds, with a star the rounds of a training.

    remaining_energy_j, capacity_j, level_j (n) [J]: in the battery now, at most, and when the run
    began; reserve_j: never planned with. harvest_j (n, p): forecast. fixed_j (n): what a living
    device pays in a whole period, trained or not; training_j (n): the same with the least training;
    length (p): of each period, 1, the last one less where only a part of a training is expected;
    rounds: of a whole period.
    rested (n): periods since the last training, 0 for the one just over, inf if there was none.
    """

    remaining_energy_j: FloatArray
    capacity_j: FloatArray
    level_j: FloatArray
    reserve_j: float
    harvest_j: FloatArray
    fixed_j: FloatArray
    training_j: FloatArray
    length: FloatArray
    rounds: float
    rested: FloatArray
    alive: BoolArray


@dataclass(frozen=True)
class Horizon:
    """The plan of n devices for p periods.

    budget_j (n, p): what a period may take, its fixed costs included, 0 for the dead; battery_j
    (n, p): what this leaves at its end, if all comes as forecast; harvest_j (n, p); trains (n, p).
    paid (n): for how many periods from now on fixed costs are paid without touching the reserve:
    fewer than p where a device cannot live to the end on what it may spend. begins (p + 1): in how
    many rounds each begins; the last: in how many all are over.
    """

    budget_j: FloatArray
    battery_j: FloatArray
    harvest_j: FloatArray
    trains: BoolArray
    paid: IntArray
    begins: IntArray

    @property
    def paid_rounds(self) -> IntArray:
        """Return paid in rounds, (n)."""
        return self.begins[self.paid]


def periods(trainings_left: float) -> FloatArray:
    """Return the lengths of periods that make up the trainings left: 3.4 -> 1, 1, 1, 0.4.

    Raises ValueError below 1.
    """
    if trainings_left < 1:
        raise ValueError(f"trainings_left: expected at least 1; got {trainings_left}")
    whole = int(trainings_left)
    rest = trainings_left - whole
    return np.array([1.0] * whole + ([rest] if rest > 0 else []))


def look_ahead(outlook: Outlook, schedule: str, short_rounds: str) -> Horizon:
    """Plan the budgets b of all periods of each device.

    With E the battery, h the harvest, f the fixed and c the least cost of a period that trains:

        E_{t+1} = min(capacity, E_t + h_t - b_t)
        b_t <= E_t - reserve + min(h_t, f)     so that no moment of a period is below the reserve
        b_t >= c where the device trains in t, and b_t = f where it does not

    Training comes first in a round and harvest all along it, so harvest pays for fixed costs of its
    own period, and for training from the next one on. What would overflow is spent, as far as the
    second line allows.

    Where even budgets pay for a training in each period, `schedule` says how they differ:
    front_loaded is c and a share in proportion to R, R - 1, ..., 1, which replanning leaves as it
    is; neutral keeps E at the end at level_j, or at what it would be without training. Without
    harvest even is max(0, E - reserve) / periods. Else the device trains in as many periods as it
    can and still pay f in all; `short_rounds` says in which. Where E does not pay f in all, it pays
    c in as many as it can, at once (neutral: trains no more); then it lives on the reserve.

    Leaves out: the error of forecasts, which replanning each round sees; the leakage of batteries.
    """
    n, p = outlook.harvest_j.shape
    budget_j, trains = np.zeros((n, p)), np.zeros((n, p), dtype=np.bool_)
    for k in np.flatnonzero(outlook.alive):
        battery = Battery(
            float(outlook.remaining_energy_j[k]),
            float(outlook.capacity_j[k]),
            outlook.reserve_j,
            outlook.reserve_j,
            outlook.harvest_j[k],
            outlook.fixed_j[k] * outlook.length,
            outlook.training_j[k] * outlook.length,
            outlook.length,
        )
        level_j = float(outlook.level_j[k]) if schedule == "neutral" else None
        falling, rested = schedule == "front_loaded", float(outlook.rested[k])
        budget_j[k], trains[k] = plan_battery(battery, level_j, falling, short_rounds, rested)
    fixed_j = outlook.fixed_j[:, np.newaxis] * outlook.length
    unpaid = (budget_j < fixed_j) & outlook.alive[:, np.newaxis]
    return Horizon(
        budget_j=budget_j,
        battery_j=_left_j(outlook, np.maximum(budget_j, fixed_j)),
        harvest_j=outlook.harvest_j,
        trains=trains,
        paid=np.where(outlook.alive, np.where(unpaid.any(1), unpaid.argmax(1), p), 0),
        begins=_whole(np.append(0.0, np.cumsum(outlook.length)) * outlook.rounds),
    )


def _whole(rounds: FloatArray) -> IntArray:
    """Round down, but for what a rounding left below a whole number."""
    return np.floor(rounds + 1e-6).astype(np.int64)


def _left_j(outlook: Outlook, spent_j: FloatArray) -> FloatArray:
    """Return the batteries at the end of each period, (n, p), if all comes as forecast."""
    left_j, after_j = outlook.remaining_energy_j, np.empty_like(spent_j)
    for t in range(spent_j.shape[1]):
        left_j = left_j + outlook.harvest_j[:, t] - np.where(outlook.alive, spent_j[:, t], 0.0)
        left_j = np.clip(left_j, 0.0, outlook.capacity_j)
        after_j[:, t] = left_j
    return after_j
