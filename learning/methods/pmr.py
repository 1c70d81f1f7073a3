"""Prototypical modal rebalance, on DMML: slow modalities are pulled to their class prototypes.

CE(fused) + alpha sum_m clip(max_j s_j / s_m - 1, 0, 1) PCE_m
PCE_m = -log softmax_c(-||z_m - prototype_m,c||)[y], s_m the batch's sum of these probabilities;
prototypes: moving means of z_m per class over a device's own data, renewed each round. Samples of
a class that has no prototype yet count zero in both.
Source: Fan et al., CVPR 2023, equations 8 to 12. Left out: its entropy regularisation in the
first epochs; prototypes are of the batches seen, not of a subset passed anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from learning.method import ExtraFlop, Method, Round, Rules
from learning.methods.names import METHODS
from learning.methods.parts.generator import add_features, empty_sums, gaussians, renew
from learning.model.encoders import Stack
from learning.model.losses import fused_loss
from learning.model.stack import Forward, Model
from learning.root import root

if TYPE_CHECKING:
    from learning.settings import LearningSetup

_DECAY = 0.5


def _part(modality: str) -> str:
    return f"prototypes-{modality}"


def extra_state(setup: LearningSetup, model: Model) -> Stack:
    """Start with no prototypes."""
    dim = model.common_dim + model.specific_dim
    state: Stack = {}
    for m in model.encoders:
        state |= empty_sums(_part(m), setup.num_devices, model.num_classes, dim)
    return state


def begin(round_: Round) -> Rules:
    """Apply the loss above, with the prototypes of the last round."""
    prototypes = {m: gaussians(round_.state, _part(m)) for m in round_.model.encoders}
    fresh = extra_state(round_.setup, round_.model)
    alpha = round_.options["prototype_weight"]

    def objective(passed: Forward, label: Tensor, step: int) -> Tensor:
        log_share, known = {}, {}
        for m, rows in passed.rows.items():
            mean, _, seen = prototypes[m]
            log_share[m] = _log_share(passed, m, mean, seen, label)
            known[m] = seen[passed.devices[rows]].gather(1, label[rows])
        score = torch.zeros(len(passed.devices), len(log_share))
        for column, (m, share) in enumerate(log_share.items()):
            score[passed.rows[m], column] = (share.detach().exp() * known[m]).sum(1)
        best = score.max(1).values
        loss = fused_loss(passed, label)
        for column, (m, share) in enumerate(log_share.items()):
            rows = passed.rows[m]
            slow = (best[rows] / score[rows, column].clamp(min=1e-12) - 1).clamp(0, 1)
            loss = loss.index_add(0, rows, -alpha * slow * share.mean(1))
        return loss

    def after_step(passed: Forward, label: Tensor, step: int) -> None:
        for m, rows in passed.rows.items():
            z = torch.cat([passed.common[m], passed.specific[m]], 2).detach()
            add_features(fresh, _part(m), passed.devices[rows], z, label[rows])

    def finish(trained: Tensor) -> Stack:
        return renew(round_.state, fresh, trained, _DECAY)

    return Rules(objective, after_step=after_step, finish=finish)


def _log_share(
    passed: Forward, modality: str, mean: Tensor, known: Tensor, label: Tensor
) -> Tensor:
    """Log softmax_c(-||z - prototype_c||)[y] over known classes, 0 where y is unknown: (a_m, B)."""
    rows = passed.rows[modality]
    who = passed.devices[rows]
    z = torch.cat([passed.common[modality], passed.specific[modality]], 2)
    squared = (z[:, :, None, :] - mean[who][:, None]).square().sum(3)
    logits = -root(squared + 1e-12).masked_fill(~known[who][:, None, :], torch.inf)
    # A device that knows no class yet has nothing to be pulled to.
    logits = torch.where(known[who].any(1)[:, None, None], logits, 0.0)
    own = logits.log_softmax(2).gather(2, label[rows][..., None]).squeeze(2)
    return torch.where(known[who].gather(1, label[rows]), own, 0.0)


def flop(setup: LearningSetup, model: Model) -> ExtraFlop:
    """Charge distances forward and backward (3 and 3 per entry), and the sums."""
    dim, C, B = model.common_dim + model.specific_dim, model.num_classes, setup.batch_size
    return ExtraFlop(
        per_iteration=6.0 * B * C * dim + 4.0 * B * C * dim,
        per_round=len(model.encoders) * 7.0 * C * dim,
    )


METHOD = Method(begin, extra_state, flop=flop, options=METHODS["pmr"])
