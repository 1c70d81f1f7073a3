"""DMML-KD with wide common features, and distillation of the whole head.

Of the 2 feature_dim features of a modality a quarter of feature_dim is specific, the rest common.
The generator knows the common features of each class over all modalities, and the specific ones of
each modality, by the same sums; both parts of the head learn the classes that a device lacks:

    CE(fused) + l_u sum_m CE(modality m alone)
    + l_o sum_m ||C_m^T S_m||_F^2 / d + l_a sum_m mean_d (c_m(x_i) - mu_{y_i})^2
    + l_g w_k mean_m CE(W_c g + W_m h_m + b, y~),  g ~ G(y~), h_m ~ G_m(y~), y~ ~ q_k

Ours; dmml_kd.py is the reading of Yin, Chen, Tao, arXiv 2311.06500, from which it starts. Sums of
specific features travel as a part of their own among the devices that have the modality.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from learning.encoders import Stack
from learning.generator import (
    STATISTICS,
    Teacher,
    add_features,
    empty_sums,
    gaussian_teacher,
    generate,
    renew,
    what_to_distil,
)
from learning.losses import alignment, orthogonality, strong_loss
from learning.methods.dmml_strong import adjustment
from learning.methods.interface import ExtraFlop, Method, Round, Rules
from learning.methods.warmup import warmup
from learning.models import GENERATOR_PART, Forward, Model, specific_part

if TYPE_CHECKING:
    from learning.setup import LearningSetup


def begin(round_: Round) -> Rules:
    """Apply the loss above."""
    setup, prior = round_.setup, adjustment(round_)
    teacher = STATISTICS.teacher(round_)
    specific = {m: gaussian_teacher(round_.state, specific_part(m)) for m in round_.model.encoders}
    asked = what_to_distil(round_.class_prior, setup.logit_adjustment)
    ramp = warmup(round_.index, setup.warmup_rounds, setup.ramp_rounds)

    def objective(passed: Forward, label: Tensor, step: int) -> Tensor:
        loss = strong_loss(passed, label, prior, setup.unimodal_weight)
        noise = round_.noise(step)
        g, y, weight = generate(teacher, passed.devices, asked, noise)
        used = torch.zeros(len(passed.devices))
        for rows in passed.rows.values():
            used[rows] += 1
        for m, rows in passed.rows.items():
            c, who = passed.common[m], passed.devices[rows]
            apart = orthogonality(c, passed.specific[m])
            away = alignment(c, label[rows], teacher.mean[who], teacher.known[who])
            # Of the same draw, but of other samples, so independent of g.
            normal = noise.normal[who].flip(1)[..., : round_.model.specific_dim]
            taught = teach_head(passed, m, g, y, specific[m], normal)
            share = ramp * setup.distillation_weight * weight[rows] / used[rows]
            term = setup.orthogonality_weight * apart + ramp * setup.alignment_weight * away
            loss = loss.index_add(0, rows, term + share * taught)
        return loss

    follow, finish = STATISTICS.follow(round_)
    fresh = specific_state(setup, round_.model)

    def after_step(passed: Forward, label: Tensor, step: int) -> None:
        follow(passed, label, step)
        for m, rows in passed.rows.items():
            s = passed.specific[m].detach()
            add_features(fresh, specific_part(m), passed.devices[rows], s, label[rows])

    def finish_both(trained: Tensor) -> Stack:
        return finish(trained) | renew(round_.state, fresh, trained, setup.generator_decay)

    return Rules(objective, after_step=after_step, finish=finish_both)


def teach_head(
    passed: Forward, modality: str, g: Tensor, y: Tensor, specific: Teacher, normal: Tensor
) -> Tensor:
    """CE(W_c g + W_m h + b, y~), averaged over the classes whose h is known too: (a_m,).

    g (a, G, d) and y (a, G) of all devices of the step; normal (a_m, G, d_s).
    """
    rows = passed.rows[modality]
    who, label = passed.devices[rows], y[rows]
    h = specific.sample(who, label, normal)
    logits = g[rows] @ passed.common_weight[rows].transpose(1, 2)
    logits = logits + h @ passed.specific_weight[modality].transpose(1, 2)
    logits = logits + passed.bias[rows][:, None, :]
    known = specific.known[who].gather(1, label)
    each = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), label.flatten(), reduction="none"
    )
    return (each.view(label.shape) * known).mean(1)


def specific_state(setup: LearningSetup, model: Model) -> Stack:
    """Start with sums of no specific features."""
    state: Stack = {}
    for m in model.encoders:
        part = specific_part(m)
        state |= empty_sums(part, setup.num_devices, model.num_classes, model.specific_dim)
    return state


def flop(setup: LearningSetup, model: Model) -> ExtraFlop:
    """Charge both sums, C^T S with its gradient, and W_c g + W_m h for each modality."""
    C, B, G = model.num_classes, setup.batch_size, setup.generator_samples
    common, specific = model.common_dim, model.specific_dim
    own = STATISTICS.flop(setup, model)
    return ExtraFlop(
        per_iteration=own.per_iteration
        + 4.0 * B * C * specific
        + 6.0 * B * common * specific
        + 4.0 * G * C * (common + specific),
        per_step=own.per_step,
        per_round=own.per_round
        + len(model.encoders) * (2.0 * C * (1 + 2 * specific) + 5.0 * C * specific),
    )


METHOD = Method(
    begin,
    lambda setup, model: STATISTICS.state(setup, model) | specific_state(setup, model),
    lambda setup, model: (GENERATOR_PART, *(specific_part(m) for m in model.encoders)),
    specific_dim=lambda setup: max(1, setup.feature_dim // 4),
    flop=flop,
)
