"""The floating-point work of local training, by layer formulas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learning.method import ExtraFlop
from learning.model.stack import Model

# Additions, exponentials, divisions of a softmax cross entropy and its gradient, per logit.
_FLOP_PER_LOGIT = 8


@dataclass(frozen=True)
class WorkCost:
    """FLOP of local training, forward and backward; a multiply-add counts 2.

    per_iteration_flop (n, m): one local iteration of modality m, with its encoder, its logits and
    its own loss terms, 0 where unavailable; per_step_flop (n,): per local step whatever the
    modalities, with the fused loss and, say, generated samples; per_round_flop (n,): per round, as
    for renewing and reading a generator's sums.
    flop_k = sum_m per_iteration_km tau_km + per_step_k max_m tau_km + per_round_k, for a device
    that trains.
    Left out: pooling, ReLU, bias and SGD's own additions (below 1 %), mixing, evaluation.
    """

    per_iteration_flop: NDArray[np.float64]
    per_step_flop: NDArray[np.float64]
    per_round_flop: NDArray[np.float64]

    def of(self, iterations: NDArray[np.int64]) -> NDArray[np.float64]:
        """FLOP of one round, (n,), for iterations (n, m); 0 for a device without any."""
        most = iterations.max(1, initial=0)
        flop = (self.per_iteration_flop * iterations).sum(1) + self.per_step_flop * most
        total: NDArray[np.float64] = flop + self.per_round_flop * (most > 0)
        return total


def work_cost(
    model: Model, extra: ExtraFlop, batch_size: int, available: NDArray[np.bool_]
) -> WorkCost:
    """Count the work of a model; extra: that of the method; available (n, m)."""
    C, B = model.num_classes, batch_size
    # W_c c_m and W_m s_m, forward and backward.
    logits = 3 * 2 * (model.common_dim + model.specific_dim) * C
    per_modality = np.array(
        [B * (e.flop_per_sample + logits) + extra.per_iteration for e in model.encoders.values()],
        dtype=np.float64,
    )
    n = len(available)
    return WorkCost(
        available * per_modality,
        np.full(n, float(_FLOP_PER_LOGIT * B * C + extra.per_step)),
        np.full(n, float(extra.per_round)),
    )
