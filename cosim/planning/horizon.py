"""What each device may spend in the rounds to come, seen ahead and replanned each round.

battery, harvest, fixed costs -> which rounds train -> as equal as battery and harvest allow

The budget of the coming round goes to the iteration optimizer (plan.py); the others show what the
device expects. Idea: energy-neutral operation, Kansal, Hsu, Zahedi, Srivastava, Power management in
energy harvesting sensor networks, ACM TECS 6(4), 2007; the form below is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cosim.planning.taut import taut_shares
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


@dataclass(frozen=True)
class _Battery:
    """One device's battery and the costs of its periods, (p) each [J]."""

    start_j: float
    capacity_j: float
    reserve_j: float
    end_j: float
    harvest_j: FloatArray
    fixed_j: FloatArray
    least_j: FloatArray
    length: FloatArray

    @property
    def in_time_j(self) -> FloatArray:
        """Harvest that can be spent in its own period: fixed costs run beside it, training not."""
        return np.minimum(self.harvest_j, self.fixed_j)

    def first(self, periods: int) -> _Battery:
        """Return the same with fewer periods, at whose end the reserve is left."""
        parts = ("harvest_j", "fixed_j", "least_j", "length")
        fewer = {name: getattr(self, name)[:periods] for name in parts}
        return replace(self, end_j=self.reserve_j, **fewer)

    def weight(self, falling: bool) -> FloatArray:
        """Return in which proportion periods share: alike, or falling to the end."""
        return self.length * np.arange(len(self.length), 0.0, -1.0) if falling else self.length


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
        battery = _Battery(
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
        budget_j[k], trains[k] = _plan(battery, level_j, falling, short_rounds, rested)
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


def _plan(
    battery: _Battery, level_j: float | None, falling: bool, short_rounds: str, rested: float
) -> tuple[FloatArray, BoolArray]:
    """Return the budgets of one device, and in which periods it trains; level_j: to be kept."""
    needed_j = _lasting_j(battery)
    lives = needed_j[0] <= battery.start_j and needed_j.max() <= battery.capacity_j
    if level_j is not None:
        battery = _keeping(battery, level_j)
    every = np.ones(len(battery.length), dtype=np.bool_)
    even_j = _share(battery, every, np.zeros(len(every)), battery.length)
    if (even_j >= battery.least_j).all():
        if not falling:
            return even_j, every
        extra_j = _share(battery, every, battery.least_j, battery.weight(falling))
        return battery.least_j + extra_j, every
    if not lives:
        return _fade(battery, 0 if level_j is not None else _payable(battery), falling)
    trains = _choose(battery, short_rounds, rested)
    paid_j = np.where(trains, battery.least_j, battery.fixed_j)
    return paid_j + _share(battery, trains, paid_j, battery.weight(falling)), trains


def _keeping(battery: _Battery, level_j: float) -> _Battery:
    """Return a battery that ends at the level, or at what it would have without training."""
    left_j = battery.start_j
    for gain_j in battery.harvest_j - battery.fixed_j:
        left_j = min(battery.capacity_j, left_j + gain_j)
    end_j = max(battery.reserve_j, min(level_j, left_j))
    return replace(battery, end_j=end_j)


def _lasting_j(battery: _Battery) -> FloatArray:
    """Return the battery that pays the fixed costs from each period's start to the end, (p + 1)."""
    needed = np.append(battery.reserve_j + battery.fixed_j - battery.in_time_j, battery.end_j)
    for t in range(len(battery.length) - 1, -1, -1):
        later_j = needed[t + 1] + battery.fixed_j[t] - battery.harvest_j[t]
        needed[t] = max(needed[t], later_j)
    return needed


def _payable(battery: _Battery) -> int:
    """Count the periods from now on that a training can be paid in, each one of them."""
    left_j = battery.start_j - battery.reserve_j
    for t, least_j in enumerate(battery.least_j):
        if least_j > left_j + battery.in_time_j[t]:
            return t
        left_j += battery.harvest_j[t] - least_j
        left_j = min(left_j, battery.capacity_j - battery.reserve_j)
    return len(battery.least_j)


def _fade(battery: _Battery, trained: int, falling: bool) -> tuple[FloatArray, BoolArray]:
    """Share what there is over the first periods; later ones get what is left for fixed costs."""
    budget_j = np.zeros(len(battery.length))
    trains = np.arange(len(budget_j)) < trained
    if trained:
        first, every = battery.first(trained), np.ones(trained, dtype=np.bool_)
        extra_j = _share(first, every, first.least_j, first.weight(falling))
        budget_j[:trained] = first.least_j + extra_j
    left_j = battery.start_j
    for t in range(len(budget_j)):
        if not trains[t]:
            spare_j = left_j - battery.reserve_j + battery.in_time_j[t]
            budget_j[t] = min(max(0.0, spare_j), battery.fixed_j[t])
        spent_j = max(budget_j[t], battery.fixed_j[t])
        left_j = min(battery.capacity_j, left_j + battery.harvest_j[t] - spent_j)
    return budget_j, trains


def _choose(battery: _Battery, short_rounds: str, rested: float) -> BoolArray:
    """Say in which periods to train: as many as there can be, placed as short_rounds has it.

    Training as early as possible reaches the most, since what is spent does not overflow. Later
    ones are placed no earlier than these, and at once where waiting would overflow.
    """
    needed_j = _lasting_j(battery)
    p = len(battery.length)
    early = _walk(battery, needed_j, np.zeros(p))
    first = np.flatnonzero(early)
    if short_rounds == "early" or len(first) == 0:
        return early
    number = np.arange(float(len(first)))
    if short_rounds == "late":
        due = p - len(first) + number
    elif np.isinf(rested):
        due = np.ceil(number * (p - 1) / max(len(first) - 1, 1))
    else:  # the same gap since the last one, however often this is planned anew
        due = np.ceil((number + 1) * (p + rested) / len(first) - rested) - 1
    due = np.maximum(due, first)
    due = np.maximum.accumulate(due - number) + number  # one a period
    placed = _walk(battery, needed_j, due)
    return placed if placed.sum() == early.sum() else early


def _walk(battery: _Battery, needed_j: FloatArray, due: FloatArray) -> BoolArray:
    """Train from each due period on as soon as the battery pays for it and for what comes after."""
    left_j, count = battery.start_j, 0
    trains = np.zeros(len(battery.length), dtype=np.bool_)
    rows = zip(battery.harvest_j, battery.fixed_j, battery.least_j, battery.in_time_j, strict=True)
    for t, (harvest_j, fixed_j, least_j, in_time_j) in enumerate(rows):
        overflows = left_j + harvest_j - fixed_j > battery.capacity_j
        wanted = count < len(due) and (t >= due[count] or overflows)
        after_j = min(battery.capacity_j, left_j + harvest_j - least_j)
        pays = least_j <= left_j - battery.reserve_j + in_time_j and after_j >= needed_j[t + 1]
        trains[t] = wanted and pays
        count += trains[t]
        spent_j = least_j if trains[t] else fixed_j
        left_j = min(battery.capacity_j, left_j + harvest_j - spent_j)
    return trains


def _share(
    battery: _Battery, trains: BoolArray, paid_j: FloatArray, weight: FloatArray
) -> FloatArray:
    """Share what is left above paid_j (p) among the periods that train, in proportion to weight.

    As near to proportion as the battery's floor and ceiling allow: the taut string between the
    most that can be spent by the end of each period, and the least that keeps it from overflowing.
    """
    extra_j = np.zeros(len(trains))
    at = np.flatnonzero(trains)
    if len(at) == 0:
        return extra_j
    most_j, lost_j = _most_j(battery, trains, paid_j)
    gained_j = np.cumsum(battery.harvest_j - paid_j)
    least_j = battery.start_j + gained_j - lost_j - battery.capacity_j
    # Until the next period that trains nothing more can be spent.
    least_j = np.minimum(np.maximum.reduceat(least_j, at), most_j[at])
    extra_j[at] = taut_shares(weight[at], least_j, most_j[at])
    return extra_j


def _most_j(
    battery: _Battery, trains: BoolArray, paid_j: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the most that can be spent above paid_j by each period's end, (p), and what overflows.

    Both count from now on; the overflow is that of a device which spends all as soon as it can.
    """
    net_j = battery.harvest_j - paid_j
    gained_j = np.cumsum(net_j)
    spare_j = battery.start_j - battery.reserve_j
    most_j = spare_j + (gained_j - net_j) + (battery.in_time_j - paid_j)
    most_j[-1] = min(most_j[-1], battery.start_j - battery.end_j + gained_j[-1])
    most_j = np.maximum(np.minimum.accumulate(most_j[::-1])[::-1], 0.0)
    lost_j, spent, lost = np.zeros(len(trains)), 0.0, 0.0
    held_j = np.maximum.accumulate(np.where(trains, most_j, 0.0))
    if (battery.start_j + gained_j - held_j <= battery.capacity_j).all():
        return held_j, lost_j
    for t, can in enumerate(trains):
        spent = max(spent, most_j[t] - lost) if can else spent
        most_j[t] = spent
        lost += max(0.0, battery.start_j + gained_j[t] - lost - spent - battery.capacity_j)
        lost_j[t] = lost
    return most_j, lost_j


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
