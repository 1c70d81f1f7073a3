"""What a method of learning together is: functions of the devices' state, without one of its own.

The learner trains, sends and mixes; a method says by which loss, what besides the model travels,
and what else a device keeps. Per round:

    rules = method.begin(round)         what is fixed while devices train
    each local step: loss -> gradients -> rules.adjust -> clipped step -> rules.after_step
    state |= rules.finish(trained)      once a device has trained
    mixing of all parts that travel
    state |= method.after_mixing(...)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from learning.data.batches import GeneratorNoise
from learning.errors import LearningError
from learning.model.encoders import Stack
from learning.model.stack import Forward, Model

if TYPE_CHECKING:
    from learning.settings import LearningSetup

# (forward pass, label (a, B), step) -> loss (a,)
Objective = Callable[[Forward, Tensor, int], Tensor]
# after each step: (forward pass, label (a, B), step)
AfterStep = Callable[[Forward, Tensor, int], None]


@dataclass(frozen=True)
class Round:
    """What devices know when a round begins, all n of them at once.

    state: all parameters and whatever else the method keeps, by name, (n, ...), not to be changed;
    class_prior (n, C): each device's own share of each class; noise: step -> random numbers of
    generated features, the same for whatever schedule; options: the method's own numbers.
    """

    setup: LearningSetup
    model: Model
    index: int
    state: Stack
    class_prior: Tensor
    noise: Callable[[int], GeneratorNoise]
    options: Mapping[str, float]

    def rng_key(self, step: int) -> list[int]:
        """Key of a numpy generator for what a method draws in a step."""
        return [self.setup.seed, 0x4D657468, self.index, step]


@dataclass(frozen=True)
class Gradient:
    """The gradient of one parameter: devices (a,), their values and gradients (a, ...)."""

    devices: Tensor
    value: Tensor
    gradient: Tensor


# (gradients by parameter, forward pass, label, step) -> new gradients by parameter
Adjust = Callable[[Mapping[str, Gradient], Forward, Tensor, int], dict[str, Tensor]]


@dataclass(frozen=True)
class Rules:
    """How devices train in a round.

    finish: which devices trained (n,) bool -> renewed extra state, before it is sent.
    """

    objective: Objective
    adjust: Adjust | None = None
    after_step: AfterStep | None = None
    finish: Callable[[Tensor], Stack] | None = None


@dataclass(frozen=True)
class ExtraFlop:
    """Work of a method besides encoders, logits and the fused loss; a multiply-add counts 2.

    per_iteration: a local iteration of one modality; per_step: a local step whatever the
    modalities; per_round: a round with any training.
    """

    per_iteration: float = 0.0
    per_step: float = 0.0
    per_round: float = 0.0


@dataclass(frozen=True)
class MixedRound:
    """A round from its end: the state before training, after it, and after mixing (n, ...).

    trained (n,) bool; steps (n,): local steps done.
    """

    before: Stack
    trained_state: Stack
    mixed: Stack
    trained: Tensor
    steps: Tensor


@dataclass(frozen=True)
class Method:
    """One method.

    begin: the rules of a round. extra_state: what devices keep besides the model, "<part>/<name>"
    -> (n, ...); shared_parts: which of these parts travel. shares_model: whether encoders and head
    travel. specific_share: how many of the features of a modality are specific if the setup does
    not say, 0 for a method without decomposition. after_mixing: renewed extra state. flop: work to
    charge. options: the method's own numbers with their defaults. topology: peers; none; star
    (device 0 is the server, it has no data); pooled (it has all of them). uses_one_modality: all
    but setup.only_modality is left out. in_threads: several threads may train groups of devices at
    once; never of a method of the user's own, which may keep what it likes.
    """

    begin: Callable[[Round], Rules]
    extra_state: Callable[[LearningSetup, Model], Stack] = lambda setup, model: {}
    shared_parts: Callable[[LearningSetup, Model], tuple[str, ...]] = lambda setup, model: ()
    shares_model: bool = True
    specific_share: float = 0.5
    after_mixing: Callable[[Round, MixedRound], Stack] | None = None
    flop: Callable[[LearningSetup, Model], ExtraFlop] = lambda setup, model: ExtraFlop()
    options: Mapping[str, float] = field(default_factory=dict)
    topology: str = "peers"
    uses_one_modality: bool = False
    in_threads: bool = True


def specific_dim(setup: LearningSetup, method: Method) -> int:
    """How many of the 2 feature_dim features of a modality are specific.

    Raises LearningError where a share is asked of a method that does not tell features apart.
    """
    share = setup.specific_share
    if share is None:
        share = method.specific_share
    elif method.specific_share == 0:
        raise LearningError(
            "specific_share", f"none with {setup.method}", f"{share:g}", "it has no decomposition"
        )
    return min(round(2 * setup.feature_dim * share), 2 * setup.feature_dim - 1)


def per_device(value: Tensor, like: Tensor) -> Tensor:
    """Shape one number per device (a,) so that it multiplies (a, ...)."""
    return value.view(-1, *[1] * (like.dim() - 1))


def keep_where(condition: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Take new on the devices where the condition (n,) holds, old elsewhere."""
    return torch.where(per_device(condition, new), new, old)
