"""Sharing of prototypes instead of models (FedProto-style): a few hundred bytes a message.

CE(fused) + lambda sum_m mean_d (z_m(x_i) - prototype_{y_i})^2: class means of all modalities'
features, kept as decaying sums that neighbours mix. Models never travel.
Source: Tan et al., AAAI 2022, equation 8, without its server; our sums take the place of averages
over clients that hold a class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from learning.method import ExtraFlop, Method, Round, Rules
from learning.methods.names import METHODS
from learning.methods.parts.generator import add_features, empty_sums, gaussians, renew
from learning.model.encoders import Stack
from learning.model.losses import alignment, fused_loss
from learning.model.stack import GENERATOR_PART, Forward, Model

if TYPE_CHECKING:
    from learning.settings import LearningSetup


def extra_state(setup: LearningSetup, model: Model) -> Stack:
    """Start with no prototypes."""
    return empty_sums(GENERATOR_PART, setup.num_devices, model.num_classes, model.common_dim)


def begin(round_: Round) -> Rules:
    """Apply the loss above."""
    mean, _, known = gaussians(round_.state, GENERATOR_PART)
    fresh = extra_state(round_.setup, round_.model)
    weight = round_.options["prototype_weight"]

    def objective(passed: Forward, label: Tensor, step: int) -> Tensor:
        loss = fused_loss(passed, label)
        for m, rows in passed.rows.items():
            who = passed.devices[rows]
            away = alignment(passed.common[m], label[rows], mean[who], known[who])
            loss = loss.index_add(0, rows, weight * away)
        return loss

    def after_step(passed: Forward, label: Tensor, step: int) -> None:
        for m, rows in passed.rows.items():
            c = passed.common[m].detach()
            add_features(fresh, GENERATOR_PART, passed.devices[rows], c, label[rows])

    def finish(trained: Tensor) -> Stack:
        return renew(round_.state, fresh, trained, round_.setup.generator_decay)

    return Rules(objective, after_step=after_step, finish=finish)


def flop(setup: LearningSetup, model: Model) -> ExtraFlop:
    """Charge the pull (6 per entry), the sums, and reading them."""
    C, d, B = model.num_classes, model.common_dim, setup.batch_size
    return ExtraFlop(per_iteration=6.0 * B * d + 4.0 * B * C * d, per_round=7.0 * C * d)


METHOD = Method(
    begin,
    extra_state,
    lambda setup, model: (GENERATOR_PART,),
    shares_model=False,
    specific_share=0.0,
    flop=flop,
    options=METHODS["fedproto"],
)
