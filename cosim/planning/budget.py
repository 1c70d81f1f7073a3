"""What a round of training costs a device, and what there is to spend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ns3_scenarios.arrays import FloatArray, IntArray


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
        total: FloatArray = work + self.per_step * iterations.max(axis=1) + self.per_round
        return total


@dataclass(frozen=True)
class Budget:
    """What a training may spend, and what else has to be paid of it.

    B = max(0, remaining - reserve) / trainings_left [J] for each living device.
    remaining_energy_j (n,): in the battery; reserve_j: never planned with; radio_j (n,): forecast
    of the coming round's radio, and of what a device draws whatever it does; trainings_left >= 1:
    rounds of training that share the rest, with the coming one; rounds_per_training >= 1: rounds
    whose radio a training pays for; compute_limit_s: after which messages would be late;
    max_iterations >= 1: of a modality.
    Raises ValueError for a count below 1.
    """

    remaining_energy_j: FloatArray
    reserve_j: float
    radio_j: FloatArray
    trainings_left: float
    rounds_per_training: float
    compute_limit_s: float
    max_iterations: int

    def __post_init__(self) -> None:
        """Check the counts."""
        for name in ("trainings_left", "max_iterations"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1; got {getattr(self, name)}")

    def joules(self, alive: NDArray[np.bool_]) -> FloatArray:
        """Return B of each device, 0 for the dead, (n,) [J]."""
        spare_j = np.maximum(0.0, self.remaining_energy_j - self.reserve_j)
        return np.where(alive, spare_j / self.trainings_left, 0.0)
