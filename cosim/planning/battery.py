"""The budgets of one device: which periods train, and how they share its battery and harvest.

What is planned, and why, says `look_ahead` of horizon.py, which asks for all devices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cosim.planning.taut import taut_shares
from ns3_scenarios.arrays import BoolArray, FloatArray


@dataclass(frozen=True)
class Battery:
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

    def first(self, periods: int) -> Battery:
        """Return the same with fewer periods, at whose end the reserve is left."""
        parts = ("harvest_j", "fixed_j", "least_j", "length")
        fewer = {name: getattr(self, name)[:periods] for name in parts}
        return replace(self, end_j=self.reserve_j, **fewer)

    def weight(self, falling: bool) -> FloatArray:
        """Return in which proportion periods share: alike, or falling to the end."""
        return self.length * np.arange(len(self.length), 0.0, -1.0) if falling else self.length


def plan_battery(
    battery: Battery, level_j: float | None, falling: bool, short_rounds: str, rested: float
) -> tuple[FloatArray, BoolArray]:
    """Return the budgets of one device, and in which periods it trains; level_j: to be kept."""
    spending = battery
    if level_j is not None:
        battery = _keeping(battery, level_j)
    every = np.ones(len(battery.length), dtype=np.bool_)
    even_j = _share(battery, every, np.zeros(len(every)), battery.length)
    if (even_j >= battery.least_j).all():
        if not falling:
            return even_j, every
        extra_j = _share(battery, every, battery.least_j, battery.weight(falling))
        return battery.least_j + extra_j, every
    if not _lives(spending):
        return _fade(battery, 0 if level_j is not None else _payable(battery), falling)
    trains = _choose(battery, short_rounds, rested)
    paid_j = np.where(trains, battery.least_j, battery.fixed_j)
    return paid_j + _share(battery, trains, paid_j, battery.weight(falling)), trains


def _lives(battery: Battery) -> bool:
    """Tell whether the battery pays the fixed costs of all periods."""
    needed_j = _lasting_j(battery)
    return bool(needed_j[0] <= battery.start_j and needed_j.max() <= battery.capacity_j)


def _keeping(battery: Battery, level_j: float) -> Battery:
    """Return a battery that ends at the level, or at what it would have without training."""
    left_j = battery.start_j
    for gain_j in battery.harvest_j - battery.fixed_j:
        left_j = min(battery.capacity_j, left_j + gain_j)
    end_j = max(battery.reserve_j, min(level_j, left_j))
    return replace(battery, end_j=end_j)


def _lasting_j(battery: Battery) -> FloatArray:
    """Return the battery that pays the fixed costs from each period's start to the end, (p + 1)."""
    within_j = battery.reserve_j + battery.fixed_j - battery.in_time_j
    net_j = battery.fixed_j - battery.harvest_j
    needed_j = [battery.end_j]
    for within, net in zip(within_j[::-1].tolist(), net_j[::-1].tolist(), strict=True):
        needed_j.append(max(within, needed_j[-1] + net))
    return np.array(needed_j[::-1])


def _payable(battery: Battery) -> int:
    """Count the periods from now on that a training can be paid in, each one of them."""
    left_j = battery.start_j - battery.reserve_j
    for t, least_j in enumerate(battery.least_j):
        if least_j > left_j + battery.in_time_j[t]:
            return t
        left_j += battery.harvest_j[t] - least_j
        left_j = min(left_j, battery.capacity_j - battery.reserve_j)
    return len(battery.least_j)


def _fade(battery: Battery, trained: int, falling: bool) -> tuple[FloatArray, BoolArray]:
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


def _choose(battery: Battery, short_rounds: str, rested: float) -> BoolArray:
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


def _walk(battery: Battery, needed_j: FloatArray, due: FloatArray) -> BoolArray:
    """Train from each due period on as soon as the battery pays for it and for what comes after."""
    left_j, count = battery.start_j, 0
    trains = np.zeros(len(battery.length), dtype=np.bool_)
    columns = (battery.harvest_j, battery.fixed_j, battery.least_j, battery.in_time_j, needed_j[1:])
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for t, (harvest_j, fixed_j, least_j, in_time_j, later_j) in enumerate(rows):
        overflows = left_j + harvest_j - fixed_j > battery.capacity_j
        wanted = count < len(due) and (t >= due[count] or overflows)
        after_j = min(battery.capacity_j, left_j + harvest_j - least_j)
        pays = least_j <= left_j - battery.reserve_j + in_time_j and after_j >= later_j
        trains[t] = wanted and pays
        count += trains[t]
        spent_j = least_j if trains[t] else fixed_j
        left_j = min(battery.capacity_j, left_j + harvest_j - spent_j)
    return trains


def _share(
    battery: Battery, trains: BoolArray, paid_j: FloatArray, weight: FloatArray
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
    battery: Battery, trains: BoolArray, paid_j: FloatArray
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
