"""FedGen without a server: a generator of features, and no decomposition of them.

CE(fused) + w_k CE(W g + b, y~), g = G(y~): the head learns the classes that a device lacks. All of
z_m is common; the generator is the network, its weights mixed by neighbours.
Source: Zhu, Hong, Zhou, ICML 2021; there the server trains the generator on the clients' heads,
here each device trains its own on its own head and features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from learning.method import ExtraFlop, Method, Objective, Round, Rules
from learning.methods.parts.generator import NETWORK, Generator, Teacher, generate, what_to_distil
from learning.methods.parts.warmup import warmup
from learning.model.encoders import Stack
from learning.model.losses import distillation, fused_loss
from learning.model.stack import GENERATOR_PART, Forward, Model

if TYPE_CHECKING:
    from learning.settings import LearningSetup


def begin(round_: Round) -> Rules:
    """Apply the loss above."""
    return teach(
        round_,
        NETWORK,
        NETWORK.teacher(round_),
        lambda passed, label, step: fused_loss(passed, label),
        adjusted=False,
    )


def teach(
    round_: Round, kind: Generator, teacher: Teacher, objective: Objective, *, adjusted: bool
) -> Rules:
    """Add distillation from a generator to a loss, and let the generator follow."""
    setup = round_.setup
    asked = what_to_distil(round_.class_prior, adjusted)
    share = setup.distillation_weight * warmup(round_.index, setup.warmup_rounds, setup.ramp_rounds)

    def with_generator(passed: Forward, label: Tensor, step: int) -> Tensor:
        g, y, weight = generate(teacher, passed.devices, asked, round_.noise(step))
        return objective(passed, label, step) + share * distillation(passed, g, y, weight)

    after_step, finish = kind.follow(round_)
    return Rules(with_generator, after_step=after_step, finish=finish)


def teaching_flop(setup: LearningSetup, model: Model, kind: Generator) -> ExtraFlop:
    """Charge the generator's work, and W g: a product forward, one for the weight's gradient."""
    own = kind.flop(setup, model)
    product = 4.0 * setup.generator_samples * model.common_dim * model.num_classes
    return ExtraFlop(own.per_iteration, own.per_step + product, own.per_round)


def extra_state(setup: LearningSetup, model: Model) -> Stack:
    """Start with an untrained generator."""
    return NETWORK.state(setup, model)


METHOD = Method(
    begin,
    extra_state,
    lambda setup, model: (GENERATOR_PART,),
    specific_share=0.0,
    flop=lambda setup, model: teaching_flop(setup, model, NETWORK),
)
