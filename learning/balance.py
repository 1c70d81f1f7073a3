"""How fast each modality learns on each device: what the training balance is decided by."""

from __future__ import annotations

import torch
from torch import Tensor

from learning.encoders import Stack

INITIAL_SPEED = 1.0
# The newest round's share of the moving average.
SMOOTHING = 0.5


def parameter_variation(before: Stack, after: Stack, iterations: Tensor) -> Tensor:
    """Relative change of an encoder per local iteration: (||theta+ - theta|| / ||theta||) / tau.

    before, after: the encoder's stack around the local training, not the mixing; iterations (n,).
    Returns (n,), NaN where tau = 0. W_m travels with the encoder but is not part of this norm.
    """
    names = [name for name in before if not name.endswith("/specific_weight")]
    size = sum((before[name].square().flatten(1).sum(1) for name in names), torch.zeros(()))
    change = sum(
        ((after[name] - before[name]).square().flatten(1).sum(1) for name in names),
        torch.zeros(()),
    )
    return torch.where(iterations > 0, (change / size).sqrt() / iterations, torch.nan)


def update_speed(speed: Tensor, measured: Tensor, variation: Tensor) -> tuple[Tensor, Tensor]:
    """Move the average: u <- u/2 + variation/2, where there is a new variation (n, m).

    The first measurement replaces the initial 1, which is not a speed but a stand-in that treats
    modalities alike. measured (n, m) bool: whether there has been one. Returns both, renewed.
    """
    new = ~torch.isnan(variation)
    moved = (1 - SMOOTHING) * speed + SMOOTHING * variation
    speed = torch.where(new, torch.where(measured, moved, variation), speed)
    return speed, measured | new
