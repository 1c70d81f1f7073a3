"""A device's own scaling of what it measures, and how it then sees samples that all share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# In units of the loader, which are near the spread: a channel that hardly varies on a device is
# no more than ten times magnified.
LEAST_DEVIATION = 0.1


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


def local_scale(x: NDArray[np.float32], device: NDArray[np.int64], num_devices: int) -> Scale:
    """Take mean and deviation over each device's own training samples, channel by channel.

    x (N, *shape); device (N,): the owner. For a vector, feature by feature. A deviation below
    LEAST_DEVIATION counts as that; a device that owns nothing scales nothing.
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
        deviation.append(np.maximum(mine.std(across, keepdims=True), LEAST_DEVIATION))
    return Scale(*(torch.from_numpy(np.stack(s).astype(np.float32)) for s in (mean, deviation)))


def seen_by(x: Tensor, devices: Tensor, scale: Scale | None) -> Tensor:
    """Show samples (B, *shape) to `a` devices, each in its own scaling: (a, B, *shape)."""
    same = x.expand(len(devices), *x.shape)
    return same if scale is None else scale.of(same, devices)
