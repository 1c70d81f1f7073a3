"""Cases for the iteration optimizer, and plans for them by other ways."""

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from cosim.planning import plan as optimizer
from cosim.planning.budget import Budget, Cost
from cosim.planning.horizon import Horizon
from cosim.planning.plan import IterationPlan
from cosim.planning.rules import Known, find_rule

Case = dict[str, Any]


def plan(**case: Any) -> IterationPlan:
    """The plan for a case, whose numbers stand side by side."""
    joules, seconds = (
        Cost(*(case[f"{part}_{unit}"] for part in ("iteration", "head", "kd"))) for unit in "js"
    )
    names = ("rounds_per_training", "compute_limit_s", "max_iterations")
    limits = {name: case[name] for name in names}
    alive = case["alive"]
    share_j = np.array([[budget_of(case, k) if alive[k] else 0.0] for k in range(len(alive))])
    ones = np.ones(len(alive), dtype=np.int64)
    nothing_j, trains = np.zeros_like(share_j), alive[:, np.newaxis]
    budget = Budget(
        horizon=Horizon(share_j, nothing_j, nothing_j, trains, ones, np.arange(2)),
        radio_j=case["communication_j"] + case["idle_j"],
        **limits,
    )
    known = Known(*(case[n] for n in ("speed", "contribution", "available", "alive", "rng")))
    rule = find_rule(case["rule"])
    return optimizer.plan(known, joules, seconds, budget, rule, case["short_rule"])


def made_case(rng: np.random.Generator, devices: int, modalities: int, **changes: Any) -> Case:
    """Random speeds and costs; a third of the modalities missing, a tenth of the devices dead."""
    available = rng.random((devices, modalities)) > 0.33
    available[np.arange(devices), rng.integers(modalities, size=devices)] = True
    speed = np.where(available, rng.lognormal(-4.0, 1.0, (devices, modalities)), np.nan)
    case: Case = {
        "speed": speed,
        "contribution": np.where(available, rng.normal(0.5, 0.5, speed.shape), np.nan),
        "available": available,
        "alive": rng.random(devices) > 0.1,
        "iteration_j": rng.uniform(0.1, 1.0, (devices, modalities)),
        "head_j": rng.uniform(0.0, 0.3, devices),
        "kd_j": rng.uniform(0.0, 0.5, devices),
        "iteration_s": rng.uniform(0.1, 1.0, (devices, modalities)),
        "head_s": rng.uniform(0.0, 0.3, devices),
        "kd_s": rng.uniform(0.0, 0.5, devices),
        "communication_j": rng.uniform(0.0, 1.0, devices),
        "idle_j": rng.uniform(0.0, 1.0, devices),
        "remaining_energy_j": rng.uniform(0.0, 60.0, devices),
        "reserve_j": 2.0,
        "trainings_left": 4,
        "rounds_per_training": 1.0,
        "compute_limit_s": 6.0,
        "max_iterations": 6,
        "rule": "balance",
        "short_rule": "best_modality",
        "rng": np.random.default_rng(5),
    }
    return case | changes


def one_device(**changes: Any) -> Case:
    """One living device with two equal, free-running modalities at 1 J and 1 s an iteration."""
    case: Case = {
        "speed": np.array([[1.0, 1.0]]),
        "contribution": np.array([[1.0, 1.0]]),
        "available": np.array([[True, True]]),
        "alive": np.array([True]),
        "iteration_j": np.ones((1, 2)),
        "iteration_s": np.ones((1, 2)),
        "remaining_energy_j": np.array([1e9]),
        "reserve_j": 0.0,
        "trainings_left": 1,
        "rounds_per_training": 1.0,
        "compute_limit_s": 1e9,
        "max_iterations": 50,
        "rule": "balance",
        "short_rule": "idle",
        "rng": np.random.default_rng(0),
    }
    nothing = ("head_j", "kd_j", "head_s", "kd_s", "communication_j", "idle_j")
    return case | {name: np.zeros(1) for name in nothing} | changes


def many_unbounded(speed: list[float], devices: int, **changes: Any) -> Case:
    """Devices alike, with all modalities, that only the most iterations, 40, hold back."""
    return made_case(
        np.random.default_rng(9),
        devices,
        len(speed),
        speed=np.tile(speed, (devices, 1)),
        available=np.ones((devices, len(speed)), dtype=bool),
        alive=np.ones(devices, dtype=bool),
        remaining_energy_j=np.full(devices, 1e9),
        compute_limit_s=1e9,
        max_iterations=40,
        **changes,
    )


def budget_of(case: Case, k: int) -> float:
    spare = max(0.0, case["remaining_energy_j"][k] - case["reserve_j"])
    return float(spare / case["trainings_left"])


def joules_of(case: Case, k: int, tau: tuple[int, ...]) -> float:
    """Compute, radio and idle joules of device k, written out term by term."""
    have = np.flatnonzero(case["available"][k])
    work = sum(case["iteration_j"][k, m] * t for m, t in zip(have, tau, strict=True))
    radio = case["communication_j"][k] + case["idle_j"][k]
    return float(work + case["head_j"][k] * max(tau) + case["kd_j"][k] + radio)


def seconds_of(case: Case, k: int, tau: tuple[int, ...]) -> float:
    have = np.flatnonzero(case["available"][k])
    work = sum(case["iteration_s"][k, m] * t for m, t in zip(have, tau, strict=True))
    return float(work + case["head_s"][k] * max(tau) + case["kd_s"][k])


def best_by_brute_force(case: Case, k: int) -> float:
    """Largest min u tau over every integer tau; 0 where nothing fits."""
    have = np.flatnonzero(case["available"][k])
    best = 0.0
    for tau in itertools.product(range(1, case["max_iterations"] + 1), repeat=len(have)):
        too_long = seconds_of(case, k, tau) > case["compute_limit_s"]
        if joules_of(case, k, tau) > budget_of(case, k) or too_long:
            continue
        best = max(best, min(case["speed"][k, m] * t for m, t in zip(have, tau, strict=True)))
    return best


def best_by_milp(case: Case, k: int) -> float:
    """The same optimum from HiGHS: variables tau (integer), h >= max tau, z <= u_m tau_m."""
    have = np.flatnonzero(case["available"][k])
    m = len(have)
    progress = np.hstack([np.diag(case["speed"][k, have]), np.zeros((m, 1)), -np.ones((m, 1))])
    head = np.hstack([-np.eye(m), np.ones((m, 1)), np.zeros((m, 1))])
    joules = np.concatenate([case["iteration_j"][k, have], [case["head_j"][k], 0.0]])
    seconds = np.concatenate([case["iteration_s"][k, have], [case["head_s"][k], 0.0]])
    fixed_j = case["kd_j"][k] + case["communication_j"][k] + case["idle_j"][k]
    solution = milp(
        c=np.concatenate([np.zeros(m + 1), [-1.0]]),
        integrality=np.concatenate([np.ones(m), [0, 0]]),
        bounds=Bounds(
            np.concatenate([np.ones(m + 1), [0.0]]),
            np.concatenate([np.full(m + 1, float(case["max_iterations"])), [np.inf]]),
        ),
        constraints=[
            LinearConstraint(progress, lb=0.0),
            LinearConstraint(head, lb=0.0),
            LinearConstraint(joules, ub=budget_of(case, k) - fixed_j),
            LinearConstraint(seconds, ub=case["compute_limit_s"] - case["kd_s"][k]),
        ],
        options={"mip_rel_gap": 0.0},
    )
    return -float(solution.fun) if solution.success else 0.0


def assert_nothing_overspent(case: Case, result: IterationPlan) -> None:
    for k in range(len(case["alive"])):
        have = np.flatnonzero(case["available"][k])
        tau = tuple(int(t) for t in result.iterations[k, have])
        assert result.active[k] == any(tau)
        assert not result.iterations[k, ~case["available"][k]].any()
        if result.active[k]:
            assert result.predicted_j[k] <= result.budget_j[k]
            assert result.predicted_j[k] == pytest.approx(joules_of(case, k, tau))
            assert seconds_of(case, k, tau) <= case["compute_limit_s"] * (1 + 1e-12)
            assert max(tau) <= case["max_iterations"]
        else:
            radio = case["communication_j"][k] + case["idle_j"][k]
            assert result.predicted_j[k] == pytest.approx(radio if case["alive"][k] else 0.0)
