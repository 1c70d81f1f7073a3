"""Cases for the horizon of one device, and its battery and its plans by other ways."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from cosim.planning.horizon import Horizon, Outlook, look_ahead

Case = dict[str, Any]


def one(schedule: str = "even", short_rounds: str = "spread", **changes: Any) -> Horizon:
    """The horizon of one device with 10 J of 100 J and 4 rounds at 1 J, or 2 J with a training."""
    case: Case = {"start": 10.0, "capacity": 100.0, "reserve": 0.0, "harvest": [0.0] * 4}
    case |= {"fixed": 1.0, "training": 2.0, "level": 10.0, "rested": np.inf}
    return plan(case | changes, schedule, short_rounds)


def plan(case: Case, schedule: str = "even", short_rounds: str = "spread") -> Horizon:
    harvest = np.array([case["harvest"]], dtype=float)
    values = ("start", "capacity", "level", "fixed", "training", "rested")
    start, capacity, level, fixed, training, rested = (np.array([float(case[n])]) for n in values)
    length = np.asarray(case.get("length", np.ones(harvest.shape[1])))
    energy = (start, capacity, level, case["reserve"], harvest, fixed, training)
    outlook = Outlook(*energy, length, case.get("rounds", 1.0), rested, np.array([True]))
    return look_ahead(outlook, schedule, short_rounds)


def made_horizon(rng: np.random.Generator, periods: int) -> Case:
    """A small battery, harvest that varies, costs of its order."""
    capacity = rng.uniform(2.0, 12.0)
    harvest = rng.uniform(0.0, 2.5, periods) * (rng.random(periods) < 0.6) * rng.choice([0, 1, 1])
    fixed = rng.uniform(0.0, 1.5)
    return {
        "start": rng.uniform(0.2, 1.0) * capacity,
        "capacity": capacity,
        "reserve": rng.choice([0.0, 0.3]),
        "harvest": harvest,
        "fixed": fixed,
        "training": fixed + rng.uniform(0.05, 2.5) * rng.choice([0.1, 1.0]),
        "level": capacity,
        "rested": rng.choice([0.0, 1.0, 3.0, np.inf]),
    }


def follow(case: Case, budget: Any, moments: int = 8) -> Iterator[tuple[float, float]]:
    """Live through the budgets, training first: the least battery of each period, and the last."""
    left = case["start"]
    for harvest, spent in zip(case["harvest"], budget, strict=True):
        left -= spent - case["fixed"]
        lowest = left
        for _ in range(moments):
            left += (harvest - case["fixed"]) / moments
            lowest = min(lowest, left)
        left = min(left, case["capacity"])
        yield lowest, left


def is_payable(case: Case, budget: Any) -> bool:
    return all(low >= case["reserve"] - 1e-9 for low, _ in follow(case, budget))


def best_choices(case: Case) -> list[tuple[int, ...]]:
    """By trying all: the choices of periods to train in, all paid, that have the most of them."""
    choices = [
        choice
        for choice in itertools.product([1, 0], repeat=len(case["harvest"]))
        if is_payable(case, np.where(choice, case["training"], case["fixed"]))
    ]
    return [choice for choice in choices if sum(choice) == max(map(sum, choices))]


def best_by_milp(case: Case) -> tuple[int, float, float]:
    """Most trainings by HiGHS, -1 if not even fixed costs are paid; of trainings in all periods the
    largest least budget, and the least that overflows then.

    Variables of p periods: trains x (integer), budget b, battery after E, overflow o; and z <= b.
    """
    h, p = np.asarray(case["harvest"], dtype=float), len(case["harvest"])
    f, c, large = case["fixed"], case["training"], 100.0
    x, b, after, over = (np.eye(p, 4 * p + 1, k) for k in (0, p, 2 * p, 3 * p))
    z = np.zeros((p, 4 * p + 1))
    z[:, -1] = 1.0
    before = np.eye(p, 4 * p + 1, 2 * p - 1) * (np.arange(p) > 0)[:, None]
    start = np.where(np.arange(p) == 0, case["start"], 0.0)
    rules = [
        LinearConstraint(after - before + b + over, start + h, start + h),
        LinearConstraint(b - before, ub=start - case["reserve"] + np.minimum(h, f)),
        LinearConstraint(b - (c - f) * x, lb=f),
        LinearConstraint(b - large * x, ub=f),
        LinearConstraint(z - b + large * x, ub=large),
    ]
    low = np.concatenate([np.zeros(2 * p), np.full(p, case["reserve"]), np.zeros(p + 1)])
    high = np.concatenate([np.ones(p), np.full(p, large), np.full(p, case["capacity"])])
    high = np.concatenate([high, np.full(p, np.inf), [large]])
    whole = np.arange(4 * p + 1) < p

    def solve(cost: Any, *also: LinearConstraint) -> Any:
        found = milp(
            cost,
            integrality=whole,
            bounds=Bounds(low, high),
            constraints=[*rules, *also],
            options={"mip_rel_gap": 0.0},
        )
        return found if found.success else None

    trainings = solve(-x.sum(0))
    if trainings is None:
        return -1, np.nan, np.nan
    count = round(-trainings.fun)
    if count < p:
        return count, np.nan, np.nan
    as_many = LinearConstraint(x.sum(0), lb=count)
    level = solve(-z[0], as_many)
    least = -level.fun
    equal = LinearConstraint(z[0], lb=least - 1e-7)
    return count, least, solve(over.sum(0), as_many, equal).fun
