"""How devices scale what they measure, and how each then sees samples that all share.

fixed    units that the loader names, the same for all
local    by a device's own mean and deviation
gossip   by those of all devices, as far as it has heard of them: neighbours mix sums like weights,
         sum over samples of 1, x and x^2, from which mean and deviation follow
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learning.errors import LearningError
from learning.root import root

# In units of the loader, which are near the spread: a channel that hardly varies on a device is
# no more than ten times magnified.
LEAST_DEVIATION = 0.1
# Sums of squares in float32 then keep a deviation to 0.1 %.
MOST_DEVIATIONS_FROM_0 = 100.0
SCALE_PREFIX = "scale_"


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of one modality on each device.

    Both (n, 1, channels, 1, ...), or (n, 1, features) for a vector: they broadcast over (n, B,
    *shape).
    """

    mean: Tensor
    deviation: Tensor

    def of(self, x: Tensor, devices: Tensor) -> Tensor:
        """Scale x (a, B, *shape) as the a devices do: (x - mean_k) / deviation_k."""
        return (x - self.mean[devices]) / self.deviation[devices]


def local_scale(
    x: NDArray[np.float32],
    device: NDArray[np.int64],
    num_devices: int,
    least_deviation: float,
) -> Scale:
    """Take mean and deviation over each device's own training samples, channel by channel.

    x (N, *shape); device (N,): the owner. For a vector, feature by feature. A deviation below
    least_deviation counts as that; a device that owns nothing scales nothing.
    """
    mean, deviation = [], []
    across = (0, *range(2, x.ndim))
    for k in range(num_devices):
        mine = x[device == k].astype(np.float64)
        if len(mine) == 0:
            mean.append(np.zeros((1, x.shape[1], *[1] * (x.ndim - 2))))
            deviation.append(np.ones_like(mean[-1]))
            continue
        mean.append(mine.mean(across, keepdims=True))
        deviation.append(np.maximum(mine.std(across, keepdims=True), least_deviation))
    return Scale(*(torch.from_numpy(np.stack(s).astype(np.float32)) for s in (mean, deviation)))


def scale_part(modality: str) -> str:
    """Name the part that holds a modality's sums."""
    return f"{SCALE_PREFIX}{modality}"


def own_sums(modality: str, scale: Scale, count: NDArray[np.int64]) -> dict[str, Tensor]:
    """Return sums over each device's own samples, by name: n, n mean and n (deviation^2 + mean^2).

    scale: by local_scale, as it is; count (n,): samples. The first is (n, 1), the others as the
    mean. Raises LearningError for values so far from 0 that float32 loses their deviation.
    """
    near = MOST_DEVIATIONS_FROM_0 * scale.deviation.clamp(min=LEAST_DEVIATION)
    if bool((scale.mean.abs() > near).any()):
        expected = f"means within {MOST_DEVIATIONS_FROM_0:g} deviations of 0"
        remedy = "subtract an offset that all devices know, or use fixed or local"
        raise LearningError(f"normalisation gossip of {modality}", expected, "larger ones", remedy)
    n = torch.from_numpy(count).float().view(-1, *[1] * (scale.mean.dim() - 1))
    part = scale_part(modality)
    return {
        f"{part}/count": n.flatten(1),
        f"{part}/sum": n * scale.mean,
        f"{part}/square": n * (scale.deviation.square() + scale.mean.square()),
    }


def scale_of_sums(modality: str, state: dict[str, Tensor]) -> Scale:
    """Return mean and deviation by the sums that each device holds; 0 and 1 where it has none."""
    part = scale_part(modality)
    count, total, square = (state[f"{part}/{name}"] for name in ("count", "sum", "square"))
    n = count.view(-1, *[1] * (total.dim() - 1))
    mean = total / n
    deviation = root((square / n - mean.square()).clamp(min=0)).clamp(min=LEAST_DEVIATION)
    return Scale(torch.where(n > 0, mean, 0.0), torch.where(n > 0, deviation, 1.0))


def seen_by(x: Tensor, devices: Tensor, scale: Scale | None) -> Tensor:
    """Show samples (B, *shape) to `a` devices, each in its own scaling: (a, B, *shape)."""
    same = x.expand(len(devices), *x.shape)
    return same if scale is None else scale.of(same, devices)
