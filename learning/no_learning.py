"""A learning side without learning: devices send messages of given lengths, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learning.messages import Delivery, Payload, TrainResult
from learning.model.evaluate import Evaluation, no_evaluation
from learning.training.work_cost import WorkCost

if TYPE_CHECKING:
    from torch import Tensor

PART = "message"
CODEC = "none"


class NoLearning:
    """n devices without data, model and modalities (m = 0) that send one part; a LearningSide.

    link_bytes: round, from 0 -> length of the message from each device to each other (n, n)
    [sender, receiver], 0 where there is none. most_bytes (n,): the longest of each sender.
    Nothing of a round depends on the one before, so there is no state.
    """

    def __init__(
        self,
        link_bytes: Callable[[int], NDArray[np.int64]],
        most_bytes: NDArray[np.int64],
    ) -> None:
        n = len(most_bytes)
        self._link_bytes = link_bytes
        self.modality_names: tuple[str, ...] = ()
        self.available = np.zeros((n, 0), dtype=np.bool_)
        self.samples_per_device = np.zeros(n, dtype=np.int64)
        self.holder = np.zeros(0, dtype=np.int64)
        self.part_bytes = {CODEC: most_bytes[:, None]}

    def warnings(self) -> list[str]:
        """Nothing can be other than it seems."""
        return []

    def work_cost(self) -> WorkCost:
        """No work at all."""
        nothing = np.zeros(len(self.available))
        return WorkCost(np.zeros(self.available.shape), nothing, nothing)

    def roles(self, round_index: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Nobody trains, everybody may send."""
        n = len(self.available)
        return np.zeros(n, dtype=np.bool_), np.ones(n, dtype=np.bool_)

    def trainings_left(self, round_index: int, rounds: int) -> float:
        """Let each round stand for itself, so that budgets are shares of a round."""
        return float(rounds - round_index)

    def payload(self, codecs: tuple[str, ...] | None = None, round_index: int = 0) -> Payload:
        """Return the messages of a round."""
        n = len(self.available)
        (most_bytes,) = self.part_bytes.values()
        link_bytes = self._link_bytes(round_index)[:, :, None]
        return Payload((PART,), most_bytes, codecs or (CODEC,) * n, link_bytes)

    def train(
        self, round_index: int, iterations: NDArray[np.int64], active: NDArray[np.bool_]
    ) -> TrainResult:
        """Train nothing: no loss, no iterations, no work."""
        nothing = np.zeros(self.available.shape)
        n = len(self.available)
        return TrainResult(np.full(n, np.nan), iterations, nothing, nothing, np.zeros(n))

    def speed(self, metric: str = "step") -> NDArray[np.float64]:
        """Return the speeds of no modalities, (n, 0)."""
        return np.zeros(self.available.shape)

    def contribution(self) -> NDArray[np.float64]:
        """Return the contributions of no modalities, (n, 0)."""
        return np.zeros(self.available.shape)

    def mix(self, delivery: Delivery, alive: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Mix nothing: all weights are 0."""
        return np.zeros(delivery.arrived.shape)

    def evaluate(self) -> Evaluation:
        """There is nothing to score."""
        return self.not_evaluated()

    def not_evaluated(self) -> Evaluation:
        """Return NaN for every score."""
        return no_evaluation(self.available, self.modality_names)

    def state(self) -> dict[str, Tensor]:
        """Nothing that the next round depends on."""
        return {}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from nothing."""

    def undo(self, state: dict[str, Tensor], devices: NDArray[np.bool_]) -> None:
        """Take back nothing."""
