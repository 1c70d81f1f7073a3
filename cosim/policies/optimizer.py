"""The iteration optimizer, for policies that set the budget themselves."""

from __future__ import annotations

import numpy as np

from cosim.planning import plan as optimizer
from cosim.planning.budget import Budget
from cosim.planning.horizon import Horizon
from cosim.planning.rules import Known, find_rule
from cosim.policies.policy import View
from ns3_scenarios.arrays import IntArray


def best_iterations(view: View, budget_j: float, rule: str = "balance") -> IntArray:
    """Return the iterations (m) that move the slowest modality furthest for so many joules of work.

    Exact, as cosim/planning/plan.py says, within compute_limit_s and max_iterations; one iteration
    of the modality with most speed a joule where one of each is too much, zeros where that is, too.
    budget_j: of training alone, without the radio. rule: a name of iteration.rule.
    """
    none, one = np.zeros((1, 1)), np.ones((1, 1), dtype=np.bool_)
    horizon = Horizon(np.array([[budget_j]]), none, none, one, np.array([1]), np.arange(2))
    plan = optimizer.plan(
        Known(
            view.speed[np.newaxis],
            view.contribution[np.newaxis],
            view.available[np.newaxis],
            np.array([True]),
            view.rng,
        ),
        view.work_j,
        view.work_s,
        Budget(horizon, np.zeros(1), 1.0, view.compute_limit_s, view.max_iterations),
        find_rule(rule),
        "best_modality",
    )
    iterations: IntArray = plan.iterations[0]
    return iterations
