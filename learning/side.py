"""What the co-simulator asks of the learning side, whether anything is learnt there or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from learning.messages import Delivery, Payload, TrainResult

if TYPE_CHECKING:
    from torch import Tensor

    from learning.model.evaluate import Evaluation
    from learning.training.work_cost import WorkCost


class LearningSide(Protocol):
    """n devices with m modalities that train, send p parts each, and mix; see `learner.Learner`.

    modality_names: m names; available (n, m) bool; samples_per_device (n,); holder (N,): who has
    a sample, -1 for nobody; part_bytes: codec -> (n, p), by each codec by which a device may send.
    """

    modality_names: tuple[str, ...]
    available: NDArray[np.bool_]
    samples_per_device: NDArray[np.int64]
    holder: NDArray[np.int64]
    part_bytes: dict[str, NDArray[np.int64]]

    def warnings(self) -> list[str]:
        """Say what will run, but perhaps not as the user thinks."""

    def work_cost(self) -> WorkCost:
        """FLOP per iteration, step and round."""

    def roles(self, round_index: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Say who trains and who sends in a round, (n,) each."""

    def trainings_left(self, round_index: int, rounds: int) -> float:
        """Expect how often a device trains from a round on, of `rounds` in all; >= 1."""

    def payload(self, codecs: tuple[str, ...] | None = None, round_index: int = 0) -> Payload:
        """Name the parts that devices send in a round, and how long they are [bytes].

        codecs (n): by which each sends; none: by the configured one.
        """

    def train(
        self, round_index: int, iterations: NDArray[np.int64], active: NDArray[np.bool_]
    ) -> TrainResult:
        """Train the active devices (n,): iterations (n, m)."""

    def speed(self, metric: str = "step") -> NDArray[np.float64]:
        """How fast each modality learns (n, m), NaN where unavailable."""

    def contribution(self) -> NDArray[np.float64]:
        """Return what each modality takes off the loss (n, m)."""

    def mix(self, delivery: Delivery, alive: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Mix what arrived into the models of the living: weights (n, n, p)."""

    def evaluate(self) -> Evaluation:
        """Score every device."""

    def not_evaluated(self) -> Evaluation:
        """Return what stands in place of an evaluation in rounds without one."""

    def state(self) -> dict[str, Tensor]:
        """Everything that the next round depends on, as copies."""

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""

    def undo(self, state: dict[str, Tensor], devices: NDArray[np.bool_]) -> None:
        """Put back an earlier state for some devices (n,)."""
