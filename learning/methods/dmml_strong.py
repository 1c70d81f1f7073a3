"""DMML with what needs no decomposition: a loss for each modality alone, and logit adjustment.

CE(fused + a_k) + l_u sum_m CE(modality m alone + a_k), a_k = log(p_k + 1e-3) the device's own
class prior (logit adjustment: Menon et al., ICLR 2021), in training only.
"""

from __future__ import annotations

from torch import Tensor

from learning.method import Method, Round, Rules
from learning.model.losses import log_prior, strong_loss


def adjustment(round_: Round) -> Tensor | None:
    """Return the log priors (n, C) that training logits are adjusted by, if any."""
    return log_prior(round_.class_prior) if round_.setup.logit_adjustment else None


def begin(round_: Round) -> Rules:
    """Apply the loss above."""
    prior, weight = adjustment(round_), round_.setup.unimodal_weight
    return Rules(lambda passed, label, step: strong_loss(passed, label, prior, weight))


METHOD = Method(begin)
