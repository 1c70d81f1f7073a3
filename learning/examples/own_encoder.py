"""An encoder of your own: two convolutions with group norm, and the mean over time or area.

Copy this file, change it, and name it:

    python cosim/run.py --learning.model results/my_encoder.py

`encoder` is called once a modality and returns a torch.nn.Module that maps (B, *shape) to
(B, out_features); a ReLU follows it. All devices start with the parameters that it draws here.
"""

from __future__ import annotations

import torch
from torch import nn


class MeanOverPlaces(nn.Module):
    """(B, channels, *extent) -> (B, channels)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Average over all places."""
        return x.flatten(2).mean(2)


def encoder(modality: str, shape: tuple[int, ...], out_features: int) -> nn.Module:
    """Choose by the kind of sample: (features,), (channels, length) or (channels, h, w)."""
    if len(shape) == 1:
        return nn.Sequential(
            nn.Linear(shape[0], 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, out_features)
        )
    convolution = nn.Conv1d if len(shape) == 2 else nn.Conv2d
    return nn.Sequential(
        convolution(shape[0], 16, 5, stride=2, padding=2),
        nn.GroupNorm(4, 16),
        nn.ReLU(),
        convolution(16, 32, 5, stride=2, padding=2),
        nn.GroupNorm(4, 32),
        nn.ReLU(),
        MeanOverPlaces(),
        nn.Linear(32, out_features),
    )
