"""FedProx without a server: DMML that holds on to where the round began.

CE(fused) + mu / 2 ||theta - theta_0||^2, theta_0 the mixed model with which the round began.
Source: Li et al., MLSys 2020, equation 2. Left out: its inexact local solutions (all do the
iterations of the plan).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from learning.method import ExtraFlop, Gradient, Method, Round, Rules
from learning.methods.names import METHODS
from learning.model.losses import fused_loss
from learning.model.stack import Forward, Model

if TYPE_CHECKING:
    from learning.settings import LearningSetup


def begin(round_: Round) -> Rules:
    """Add mu (theta - theta_0) to the gradient."""
    weight = round_.options["proximal_weight"]

    def adjust(
        gradients: Mapping[str, Gradient], passed: Forward, label: Tensor, step: int
    ) -> dict[str, Tensor]:
        return {
            name: g.gradient + weight * (g.value - round_.state[name][g.devices])
            for name, g in gradients.items()
        }

    return Rules(lambda passed, label, step: fused_loss(passed, label), adjust)


def flop(setup: LearningSetup, model: Model) -> ExtraFlop:
    """Charge a difference, a product and a sum per parameter and step."""
    encoders = [v.numel() for name, v in model.initial.items() if not name.startswith("head/")]
    head = sum(v.numel() for v in model.initial.values()) - sum(encoders)
    return ExtraFlop(per_iteration=3.0 * sum(encoders) / len(model.encoders), per_step=3.0 * head)


METHOD = Method(begin, flop=flop, options=METHODS["fedprox"])
