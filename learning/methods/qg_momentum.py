"""DMML with quasi-global momentum, which sees the drift of the mixed model and not the local one.

Local step: theta <- theta - lr (g + beta m), m fixed while the device trains; after mixing
m <- beta m + (1 - beta) (theta_before - theta_mixed) / (lr steps).
Source: Lin et al., ICML 2021, algorithm 1, with several local steps. The gradient's norm is
clipped with the momentum in it. m stays on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from learning.method import (
    ExtraFlop,
    Gradient,
    Method,
    MixedRound,
    Round,
    Rules,
    keep_where,
    per_device,
)
from learning.methods.names import METHODS
from learning.model.encoders import Stack
from learning.model.losses import fused_loss
from learning.model.stack import Forward, Model, init_parameters

if TYPE_CHECKING:
    from learning.settings import LearningSetup

PART = "momentum"


def begin(round_: Round) -> Rules:
    """Step along g + beta m."""
    beta = round_.options["momentum"]

    def adjust(
        gradients: Mapping[str, Gradient], passed: Forward, label: Tensor, step: int
    ) -> dict[str, Tensor]:
        return {
            name: g.gradient + beta * round_.state[f"{PART}/{name}"][g.devices]
            for name, g in gradients.items()
        }

    return Rules(lambda passed, label, step: fused_loss(passed, label), adjust)


def extra_state(setup: LearningSetup, model: Model) -> Stack:
    """Start without momentum."""
    zeros = init_parameters(model, setup.num_devices)
    return {f"{PART}/{name}": torch.zeros_like(value) for name, value in zeros.items()}


def after_mixing(round_: Round, mixed: MixedRound) -> Stack:
    """Renew m on the devices that trained."""
    beta, rate = round_.options["momentum"], round_.setup.learning_rate
    renewed = {}
    for name, m in round_.state.items():
        if not name.startswith(f"{PART}/"):
            continue
        parameter = name.removeprefix(f"{PART}/")
        moved = mixed.before[parameter] - mixed.mixed[parameter]
        drift = moved / (rate * per_device(mixed.steps.clamp(min=1), moved))
        renewed[name] = keep_where(mixed.trained, beta * m + (1 - beta) * drift, m)
    return renewed


def flop(setup: LearningSetup, model: Model) -> ExtraFlop:
    """Charge a multiply-add per parameter and step, and five operations per parameter and round."""
    encoders = [v.numel() for name, v in model.initial.items() if not name.startswith("head/")]
    whole = sum(v.numel() for v in model.initial.values())
    return ExtraFlop(
        per_iteration=2.0 * sum(encoders) / len(model.encoders),
        per_step=2.0 * (whole - sum(encoders)),
        per_round=5.0 * whole,
    )


METHOD = Method(
    begin, extra_state, after_mixing=after_mixing, flop=flop, options=METHODS["qg_momentum"]
)
