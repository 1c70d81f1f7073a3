"""What a round of training costs a device, and what there is to spend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.planning.horizon import Horizon
from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Cost:
    """What training takes of something, in its unit (J or s).

        of(tau) = sum_m per_iteration_m tau_m + per_step max_m tau_m + per_round

    per_iteration (n, m): a local iteration of a modality; per_step (n,): a local step whatever the
    modalities, of which there are max_m tau_m; per_round (n,): once, as for distillation.
    """

    per_iteration: FloatArray
    per_step: FloatArray
    per_round: FloatArray

    def of(self, iterations: FloatArray | IntArray) -> FloatArray:
        """Return what iterations (n, m) take, (n,)."""
        work = (self.per_iteration * iterations).sum(axis=1)
        most = iterations.max(axis=1, initial=0)
        total: FloatArray = work + self.per_step * most + self.per_round
        return total


@dataclass(frozen=True)
class Budget:
    """What a training may spend, and what else has to be paid of it.

    horizon: whose first period is the coming round's; radio_j (n): forecast of the coming round's
    radio, and of what a device draws whatever it does; rounds_per_training >= 1: rounds whose radio
    a training pays for; compute_limit_s: after which messages would be late; max_iterations >= 1:
    of a modality.
    Raises ValueError for max_iterations below 1.
    """

    horizon: Horizon
    radio_j: FloatArray
    rounds_per_training: float
    compute_limit_s: float
    max_iterations: int

    def __post_init__(self) -> None:
        """Check the count."""
        if self.max_iterations < 1:
            raise ValueError(f"max_iterations: expected at least 1; got {self.max_iterations}")

    @property
    def budget_j(self) -> FloatArray:
        """Return B, 0 for the dead, (n) [J]."""
        return self.horizon.budget_j[:, 0]

    @property
    def waits(self) -> BoolArray:
        """Say whose horizon leaves the coming round out, so that others are paid, (n)."""
        trains = self.horizon.trains
        return np.asarray(~trains[:, 0] & trains.any(axis=1))

    @property
    def fixed_j(self) -> FloatArray:
        """What a training pays besides its work, (n) [J]."""
        return self.radio_j * self.rounds_per_training
