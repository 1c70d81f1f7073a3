"""The floating-point work of local training, by layer formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learning.models import CONV_CHANNELS, KERNEL, POOL, ModelShape

if TYPE_CHECKING:
    from learning.setup import LearningSetup

# Additions, exponentials, divisions of a softmax cross entropy and its gradient, per logit.
_FLOP_PER_LOGIT = 8


@dataclass(frozen=True)
class WorkCost:
    """FLOP of local training, forward and backward; a multiply-add counts 2.

    per_iteration_flop (n, m): one local iteration of modality m, with its encoder, its logits and
    its own loss terms, 0 where unavailable; head_flop (n,): per local step whatever the
    modalities, with the fused loss and, in dmml_kd, the generated samples; kd_flop (n,): per
    round, renewing and reading the generator's sums, 0 without a generator.
    flop_k = sum_m per_iteration_km tau_km + head_k max_m tau_km + kd_k, for a device that trains.
    Left out: pooling, ReLU, bias and SGD's own additions (below 1 %), mixing, evaluation.
    """

    per_iteration_flop: NDArray[np.float64]
    head_flop: NDArray[np.float64]
    kd_flop: NDArray[np.float64]

    def of(self, iterations: NDArray[np.int64]) -> NDArray[np.float64]:
        """FLOP of one round, (n,), for iterations (n, m); 0 for a device without any."""
        most = iterations.max(1)
        flop = (self.per_iteration_flop * iterations).sum(1) + self.head_flop * most
        total: NDArray[np.float64] = flop + self.kd_flop * (most > 0)
        return total


def work_cost(setup: LearningSetup, shape: ModelShape, available: NDArray[np.bool_]) -> WorkCost:
    """Count the work of a setup; available (n, m)."""
    B, G, d, C = setup.batch_size, setup.generator_samples, shape.feature_dim, shape.num_classes
    kd = setup.method == "dmml_kd"
    per_modality = np.array(
        [
            B * (encoder_flop_per_window(shape, m) + logits_flop_per_window(shape))
            + (decomposition_flop(shape, B) if kd else 0)
            for m in shape.modalities
        ],
        dtype=np.float64,
    )
    n = len(available)
    # Generated features need no gradient: one product forward, one for the weight's gradient.
    head = _FLOP_PER_LOGIT * B * C + (4 * G * d * C if kd else 0)
    # Sums: one multiply-add each. Reading: two divisions, square, difference, root.
    statistics = 2 * C * (1 + 2 * d) + 5 * C * d if kd else 0
    return WorkCost(
        available * per_modality, np.full(n, float(head)), np.full(n, float(statistics))
    )


def encoder_flop_per_window(shape: ModelShape, modality: str) -> int:
    """Forward and backward work of f_m on one window.

    A convolution: 2 c_out c_in k L; a linear layer: 2 in out. The backward pass does as much for
    the weights and as much for the input, except that the first layer's input needs no gradient.
    """
    channels, length = shape.modalities[modality]
    first, second = CONV_CHANNELS
    conv1 = 2 * first * channels * KERNEL * length
    conv2 = 2 * second * first * KERNEL * (length // POOL)
    linear = 2 * shape.flat_size(modality) * 2 * shape.feature_dim
    return 2 * conv1 + 3 * conv2 + 3 * linear


def logits_flop_per_window(shape: ModelShape) -> int:
    """Forward and backward work of W_c c_m and W_m s_m on one window."""
    return 3 * 2 * (2 * shape.feature_dim * shape.num_classes)


def decomposition_flop(shape: ModelShape, batch_size: int) -> int:
    """Work per modality and step of C^T S with its gradient, and of the generator's sums."""
    d, C = shape.feature_dim, shape.num_classes
    return 3 * 2 * batch_size * d * d + 2 * 2 * batch_size * C * d
