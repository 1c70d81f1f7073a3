"""Loss terms, each for all devices of a step at once: one number per device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from learning.model.stack import Forward
from learning.root import root

# Keeps the logarithm of a class that the device has never seen finite.
PRIOR_FLOOR = 1e-3
# A feature whose deviation over a batch is below this is asked to vary more.
LEAST_DEVIATION = 0.5
_VARIANCE_FLOOR = 1e-4


def sample_losses(logits: Tensor, label: Tensor) -> Tensor:
    """-log softmax(logits)[label] of each sample: (a, B, C), (a, B) -> (a, B)."""
    each = functional.cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="none")
    return each.view(label.shape)


def cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Mean of them over the batch: (a, B, C), (a, B) -> (a,)."""
    return sample_losses(logits, label).mean(1)


def log_prior(class_prior: Tensor) -> Tensor:
    """Logit adjustment: log(p_k + 1e-3), added to training logits only; (n, C) -> (n, C).

    Source: Menon et al., ICLR 2021, with the local prior of each device.
    """
    return torch.log(class_prior + PRIOR_FLOOR)


def decorrelation(common: Tensor, specific: Tensor) -> Tensor:
    """How much common and specific features repeat each other, and how many say little: (a,).

    ||cov(C, S)||_F^2 / d_C + mean_d max(0, 1/2 - std(C)) + mean_d max(0, 1/2 - std(S)), over the
    batch; common (a, B, d_C), specific (a, B, d_S). Without the two last terms its optimum would
    be features that never change.
    Source: variance and covariance of VICReg (Bardes, Ponce, LeCun, ICLR 2022), there within one
    embedding.
    """
    c, s = (features - features.mean(1, keepdim=True) for features in (common, specific))
    covariance = c.transpose(1, 2) @ s / c.shape[1]
    loss = covariance.square().sum((1, 2)) / c.shape[2]
    for centred in (c, s):
        # Not the root of a variance alone: its slope at a dead ReLU feature would be NaN.
        deviation = root(centred.square().mean(1) + _VARIANCE_FLOOR)
        loss = loss + (LEAST_DEVIATION - deviation).clamp(min=0).mean(1)
    return loss


def alignment(common: Tensor, label: Tensor, class_mean: Tensor, known: Tensor) -> Tensor:
    """Squared distance of common features to the global mean of their class, mean over d.

    Mean over the batch of known_y mean_d (c - mu_y)^2; classes without statistics count as zero.
    common (a, B, d), label (a, B), class_mean (a, C, d), known (a, C) bool -> (a,).
    """
    target = class_mean.gather(1, label[..., None].expand_as(common))
    distance = (common - target).square().mean(-1)
    return (distance * known.gather(1, label)).mean(1)


def fused_loss(forward: Forward, label: Tensor) -> Tensor:
    """CE of the fused logits: (a,)."""
    return cross_entropy(forward.fused_logits, label)


def strong_loss(
    forward: Forward, label: Tensor, adjustment: Tensor | None, unimodal_weight: float
) -> Tensor:
    """CE(fused) + l_u sum_m CE(modality m alone), each with logit adjustment if given: (a,).

    label (a, B); adjustment (n, C): log priors of all devices, or none.
    """
    adjust = torch.zeros(()) if adjustment is None else adjustment[forward.devices][:, None, :]
    loss = cross_entropy(forward.fused_logits + adjust, label)
    for m, rows in forward.rows.items():
        logits = forward.modality_logits[m] + (adjust if adjustment is None else adjust[rows])
        loss = loss.index_add(0, rows, unimodal_weight * cross_entropy(logits, label[rows]))
    return loss


def distillation(forward: Forward, generated: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Teach the shared head on generated common features: w_k CE(W_c g + b, y~), (a,).

    generated (a, G, d), label (a, G), weight (a,). Gradients reach the head only.
    """
    logits = generated @ forward.common_weight.transpose(1, 2) + forward.bias[:, None, :]
    return weight * cross_entropy(logits, label)
