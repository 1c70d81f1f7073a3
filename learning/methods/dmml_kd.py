"""DMML-KD: knowledge distillation over a decomposition into common and specific features.

The loss of a device in one local step:

    CE(fused) + l_u sum_m CE(modality m alone)                    learn the task, also alone
    + l_o sum_m ||C_m^T S_m||_F^2 / d                             common and specific differ
    + l_a sum_m mean_d (c_m(x_i) - mu_{y_i})^2                    common features agree globally
    + l_g w_k CE(W_c g + b, y~),  g ~ G(y~), y~ ~ q_k             the head learns missing classes

Each ingredient switches off alone: decomposition, generator = none, l_u, l_o, l_a, l_g = 0,
logit_adjustment; balance is the iteration optimizer's rule.

Source of the idea: Yin, Chen, Tao, "Knowledge Distillation and Training Balance for Heterogeneous
Decentralized Multi-Modal Learning over Wireless Networks", IEEE TMC 2024, arXiv 2311.06500. The
forms of the terms, the generators, the warm-up and logit adjustment are our reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from learning.encoders import Stack
from learning.generator import GENERATORS
from learning.losses import alignment, orthogonality, strong_loss
from learning.methods.dmml_strong import adjustment
from learning.methods.fedgen import teach, teaching_flop
from learning.methods.interface import ExtraFlop, Method, Round, Rules
from learning.methods.warmup import warmup
from learning.models import GENERATOR_PART, Forward, Model

if TYPE_CHECKING:
    from learning.setup import LearningSetup


def begin(round_: Round) -> Rules:
    """Apply the loss above."""
    setup, prior = round_.setup, adjustment(round_)
    kind = GENERATORS.get(setup.generator)
    teacher = kind.teacher(round_) if kind else None
    ramp = warmup(round_.index, setup.warmup_rounds, setup.ramp_rounds)

    def objective(passed: Forward, label: Tensor, step: int) -> Tensor:
        loss = strong_loss(passed, label, prior, setup.unimodal_weight)
        for m, rows in passed.rows.items():
            c, who = passed.common[m], passed.devices[rows]
            if setup.decomposition:
                apart = orthogonality(c, passed.specific[m])
                loss = loss.index_add(0, rows, setup.orthogonality_weight * apart)
            if teacher:
                away = alignment(c, label[rows], teacher.mean[who], teacher.known[who])
                loss = loss.index_add(0, rows, ramp * setup.alignment_weight * away)
        return loss

    if kind is None or teacher is None:
        return Rules(objective)
    return teach(round_, kind, teacher, objective, adjusted=setup.logit_adjustment)


def extra_state(setup: LearningSetup, model: Model) -> Stack:
    """Start with an untrained generator, if any."""
    kind = GENERATORS.get(setup.generator)
    return kind.state(setup, model) if kind else {}


def flop(setup: LearningSetup, model: Model) -> ExtraFlop:
    """Charge C^T S with its gradient, and the generator's work."""
    kind = GENERATORS.get(setup.generator)
    teaching = teaching_flop(setup, model, kind) if kind else ExtraFlop()
    apart = 3.0 * 2 * setup.batch_size * model.common_dim * model.specific_dim
    return ExtraFlop(teaching.per_iteration + apart, teaching.per_step, teaching.per_round)


METHOD = Method(
    begin,
    extra_state,
    lambda setup, model: (GENERATOR_PART,) if setup.generator in GENERATORS else (),
    specific_dim=lambda setup: setup.feature_dim if setup.decomposition else 0,
    flop=flop,
)
