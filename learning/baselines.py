"""The baselines' losses: the same model, batches, steps and clipping as the method.

local and dmml train the fused loss alone; dmml mixes (D-PSGD, Lian et al., NeurIPS 2017), local
does not. dmml_strong adds the parts of the method that need no decomposition.
"""

from __future__ import annotations

import torch
from torch import Tensor

from learning.losses import cross_entropy
from learning.models import Forward


def fused_loss(forward: Forward, label: Tensor) -> Tensor:
    """CE of the fused logits: (a,)."""
    return cross_entropy(forward.fused_logits, label)


def strong_loss(
    forward: Forward, label: Tensor, log_prior: Tensor | None, unimodal_weight: float
) -> Tensor:
    """CE(fused) + l_u sum_m CE(modality m alone), each with logit adjustment if given: (a,).

    label (a, B); log_prior (n, C) of all devices, or none.
    """
    adjust = torch.zeros(()) if log_prior is None else log_prior[forward.devices][:, None, :]
    loss = cross_entropy(forward.fused_logits + adjust, label)
    for m, rows in forward.rows.items():
        logits = forward.modality_logits[m] + (adjust if log_prior is None else adjust[rows])
        loss = loss.index_add(0, rows, unimodal_weight * cross_entropy(logits, label[rows]))
    return loss
