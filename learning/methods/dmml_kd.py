"""DMML-KD: knowledge distillation over a decomposition into common and specific features.

The loss of a device in one local step:

    CE(fused) + l_u sum_m CE(modality m alone)                    learn the task, also alone
    + l_d sum_m decorrelation(c_m, s_m)                           common and specific differ
    + l_a sum_m mean_d (c_m(x_i) - mu_{y_i})^2                    common features agree globally
    + l_g w_k mean_m CE(W_c g + W_m h_m + b, y~)                  the head learns missing classes
          g ~ G(y~), h_m ~ G_m(y~), y~ ~ q_k

The generator G knows the common features of each class over all modalities, the sums G_m the
specific ones of modality m, which travel as a part of their own among the devices that have it.

Each ingredient switches off alone: specific_share, generator = none, l_u, l_d, l_a, l_g = 0,
logit_adjustment; balance is the iteration optimizer's rule. Without specific features there is
nothing to decorrelate, h_m is nothing, and its term is FedGen's.

Source of the idea: Yin, Chen, Tao, "Knowledge Distillation and Training Balance for Heterogeneous
Decentralized Multi-Modal Learning over Wireless Networks", IEEE TMC 2024, arXiv 2311.06500. The
forms of the terms, the generators, the warm-up and logit adjustment are our reading; h_m is ours,
and so is the decorrelation (losses.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from learning.data.batches import GeneratorNoise
from learning.method import ExtraFlop, Method, Objective, Round, Rules
from learning.methods.dmml_strong import adjustment
from learning.methods.fedgen import teaching_flop
from learning.methods.parts.generator import (
    GENERATORS,
    Teacher,
    add_features,
    empty_sums,
    gaussian_teacher,
    generate,
    renew,
    what_to_distil,
)
from learning.methods.parts.warmup import warmup
from learning.model.encoders import Stack
from learning.model.losses import alignment, decorrelation, distillation, sample_losses, strong_loss
from learning.model.stack import GENERATOR_PART, Forward, Model, specific_part

if TYPE_CHECKING:
    from learning.settings import LearningSetup


def begin(round_: Round) -> Rules:
    """Apply the loss above."""
    kind = GENERATORS.get(round_.setup.generator)
    if kind is None:
        return Rules(_without_generator(round_))
    objective = _with_generator(round_, kind.teacher(round_))
    follow, finish = kind.follow(round_)
    if round_.model.specific_dim == 0:
        return Rules(objective, after_step=follow, finish=finish)
    fresh = _specific_state(round_.setup, round_.model)

    def after_step(passed: Forward, label: Tensor, step: int) -> None:
        follow(passed, label, step)
        for m, rows in passed.rows.items():
            s = passed.specific[m].detach()
            add_features(fresh, specific_part(m), passed.devices[rows], s, label[rows])

    def finish_both(trained: Tensor) -> Stack:
        renewed = renew(round_.state, fresh, trained, round_.setup.generator_decay)
        return finish(trained) | renewed

    return Rules(objective, after_step=after_step, finish=finish_both)


def _without_generator(round_: Round) -> Objective:
    setup, prior = round_.setup, adjustment(round_)

    def objective(passed: Forward, label: Tensor, step: int) -> Tensor:
        loss = strong_loss(passed, label, prior, setup.unimodal_weight)
        for m, rows in passed.rows.items():
            if round_.model.specific_dim > 0:
                apart = decorrelation(passed.common[m], passed.specific[m])
                loss = loss.index_add(0, rows, setup.decorrelation_weight * apart)
        return loss

    return objective


def _with_generator(round_: Round, teacher: Teacher) -> Objective:
    setup, alone = round_.setup, _without_generator(round_)
    asked = what_to_distil(round_.class_prior, setup.logit_adjustment)
    ramp = warmup(round_.index, setup.warmup_rounds, setup.ramp_rounds)
    specific = {
        m: gaussian_teacher(round_.state, specific_part(m))
        for m in round_.model.encoders
        if round_.model.specific_dim > 0
    }

    def objective(passed: Forward, label: Tensor, step: int) -> Tensor:
        noise, share = round_.noise(step), ramp * setup.distillation_weight
        g, y, weight = generate(teacher, passed.devices, asked, noise)
        loss = alone(passed, label, step)
        if specific:
            loss = loss + share * weight * _teach_head(passed, g, y, specific, noise)
        else:
            loss = loss + share * distillation(passed, g, y, weight)
        if setup.alignment_weight == 0:  # as by default: no work for nothing
            return loss
        for m, rows in passed.rows.items():
            c, who = passed.common[m], passed.devices[rows]
            away = alignment(c, label[rows], teacher.mean[who], teacher.known[who])
            loss = loss.index_add(0, rows, ramp * setup.alignment_weight * away)
        return loss

    return objective


def _teach_head(
    passed: Forward, g: Tensor, y: Tensor, specific: dict[str, Teacher], noise: GeneratorNoise
) -> Tensor:
    """Mean over the modalities used of CE(W_c g + W_m h_m + b, y~): (a,).

    g (a, G, d) and y (a, G) of all devices of the step. The mean is over the samples whose h_m is
    known too.
    """
    total, used = torch.zeros(len(passed.devices)), torch.zeros(len(passed.devices))
    for m, rows in passed.rows.items():
        who, label = passed.devices[rows], y[rows]
        weight = passed.specific_weight[m]
        h = specific[m].sample(who, label, noise.specific[who, ..., : weight.shape[-1]])
        logits = g[rows] @ passed.common_weight[rows].transpose(1, 2)
        logits = logits + h @ weight.transpose(1, 2) + passed.bias[rows][:, None, :]
        known = specific[m].known[who].gather(1, label)
        total = total.index_add(0, rows, (sample_losses(logits, label) * known).mean(1))
        used[rows] += 1
    return total / used


def _specific_state(setup: LearningSetup, model: Model) -> Stack:
    """Start with sums of no specific features."""
    state: Stack = {}
    for m in model.encoders:
        part = specific_part(m)
        state |= empty_sums(part, setup.num_devices, model.num_classes, model.specific_dim)
    return state


def extra_state(setup: LearningSetup, model: Model) -> Stack:
    """Start with an untrained generator, if any."""
    kind = GENERATORS.get(setup.generator)
    if kind is None:
        return {}
    own = kind.state(setup, model)
    return own | _specific_state(setup, model) if model.specific_dim > 0 else own


def shared_parts(setup: LearningSetup, model: Model) -> tuple[str, ...]:
    """Send the generator, and the sums of specific features."""
    if setup.generator not in GENERATORS:
        return ()
    own = tuple(specific_part(m) for m in model.encoders) if model.specific_dim > 0 else ()
    return (GENERATOR_PART, *own)


def flop(setup: LearningSetup, model: Model) -> ExtraFlop:
    """Charge C^T S with its gradient, the generator's work, the sums, and W_c g + W_m h_m."""
    C, B, G = model.num_classes, setup.batch_size, setup.generator_samples
    common, specific = model.common_dim, model.specific_dim
    kind, apart = GENERATORS.get(setup.generator), 6.0 * B * common * specific
    if kind is None:
        return ExtraFlop(apart)
    if specific == 0:
        return teaching_flop(setup, model, kind)
    own = kind.flop(setup, model)
    sums, taught = 4.0 * B * C * specific, 4.0 * G * C * (common + specific)
    read = len(model.encoders) * (2.0 * C * (1 + 2 * specific) + 5.0 * C * specific)
    return ExtraFlop(own.per_iteration + apart + sums + taught, own.per_step, own.per_round + read)


METHOD = Method(begin, extra_state, shared_parts, specific_share=0.25, flop=flop)
