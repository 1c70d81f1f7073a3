"""DMML-KD: knowledge distillation over a decomposition into common and specific features.

The loss of a device in one local step, with the terms in the order of the code:

    CE(fused) + l_u sum_m CE(modality m alone)                    learn the task, also alone
    + l_o sum_m ||C_m^T S_m||_F^2 / d                             common and specific differ
    + l_a sum_m mean_d (c_m(x_i) - mu_{y_i})^2                    common features agree globally
    + l_g w_k CE(W_c g + b, y~),  g ~ G(y~), y~ ~ q_k             the head learns missing classes

Source of the idea: Yin, Chen, Tao, "Knowledge Distillation and Training Balance for Heterogeneous
Decentralized Multi-Modal Learning over Wireless Networks", IEEE TMC 2024, arXiv 2311.06500. The
forms of the terms, the statistics generator, the warm-up and logit adjustment are our reading.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from learning.baselines import strong_loss
from learning.data.batches import GeneratorNoise
from learning.generator import ClassGaussians, Distillation, generate
from learning.losses import alignment, cross_entropy, orthogonality
from learning.models import Forward


@dataclass(frozen=True)
class LossWeights:
    """l_u, l_o, l_g, l_a in force this round (the last two after the warm-up)."""

    unimodal: float
    orthogonality: float
    distillation: float
    alignment: float


@dataclass(frozen=True)
class Knowledge:
    """What devices know in a round, all of them at once, fixed while they train.

    log_prior (n, C): their own label prior, or none without logit adjustment; classes: their
    generator; distillation: what they ask of it.
    """

    log_prior: Tensor | None
    classes: ClassGaussians
    distillation: Distillation


def warmup(round_index: int, warmup_rounds: int, ramp_rounds: int) -> float:
    """Share of the generator terms in a round: 0 while its features are noise, then a ramp to 1.

    min(1, (round - warmup + 1) / (ramp + 1)) from round number `warmup` on, rounds counted from 0.
    """
    if round_index < warmup_rounds:
        return 0.0
    return min(1.0, (round_index - warmup_rounds + 1) / (ramp_rounds + 1))


def dmml_kd_loss(
    forward: Forward,
    label: Tensor,
    knowledge: Knowledge,
    noise: GeneratorNoise,
    weights: LossWeights,
) -> Tensor:
    """Sum the terms above for the `a` devices of a step: (a,).

    label (a, B); noise of all n devices. Gradients reach neither the generator nor its samples.
    """
    own = forward.devices
    loss = strong_loss(forward, label, knowledge.log_prior, weights.unimodal)
    classes = ClassGaussians(
        knowledge.classes.mean[own], knowledge.classes.std[own], knowledge.classes.known[own]
    )

    for m, rows in forward.rows.items():
        c, s = forward.common[m], forward.specific[m]
        apart = orthogonality(c, s)
        away = alignment(c, label[rows], classes.mean[rows], classes.known[rows])
        loss = loss.index_add(0, rows, weights.orthogonality * apart + weights.alignment * away)

    q, w = knowledge.distillation.class_probability[own], knowledge.distillation.weight[own]
    own_noise = GeneratorNoise(noise.uniform[own], noise.normal[own])
    g, y, usable = generate(classes, q, own_noise)
    generated_logits = g @ forward.common_weight.transpose(1, 2) + forward.bias[:, None, :]
    distilled = cross_entropy(generated_logits, y)
    return loss + weights.distillation * w * usable * distilled
