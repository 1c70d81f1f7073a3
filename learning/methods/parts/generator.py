"""Generators G(y): each device's estimate of the class-conditional common features of all devices.

**statistics** has no weights to train. It keeps three sums per class, which neighbours mix like
weights: n, n mu and n (sigma^2 + mu^2); G(y) = ReLU(mu_y + sigma_y eps). Sums mix where means
would not: a device without a class sends n = 0 for it, and what it receives becomes its own.

**network** is a perceptron of (one-hot y, eps) that follows the features by gradient steps, and
whose weights neighbours mix (after FedGen: Zhu, Hong, Zhou, ICML 2021, whose server trains it).

Both are our reading of the generator of Yin, Chen, Tao, arXiv 2311.06500.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from learning.data.batches import GeneratorNoise
from learning.method import AfterStep, ExtraFlop, Round, keep_where
from learning.model.encoders import Stack
from learning.model.losses import cross_entropy
from learning.model.stack import GENERATOR_PART, Forward, Model
from learning.root import root

if TYPE_CHECKING:
    from learning.settings import LearningSetup

# Below this mass a class is unknown: float32 sums of it would be noise.
_LEAST_MASS = 1e-6
_LARGEST_WEIGHT = 4.0
_HIDDEN = 64


@dataclass(frozen=True)
class Teacher:
    """A generator while devices train: mean (n, C, d), known (n, C) bool: whether it knows a class.

    sample: (devices (a,), label (a, G), normal noise (a, G, d)) -> common features (a, G, d).
    """

    mean: Tensor
    known: Tensor
    sample: Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Distillation:
    """What a device asks of its generator: class_probability q_k (n, C) and weight w_k (n,)."""

    class_probability: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Generator:
    """One kind of generator: its state, what it teaches in a round, and how it follows training.

    follow gives what to do after each local step, and which state that leaves.
    """

    state: Callable[[LearningSetup, Model], Stack]
    teacher: Callable[[Round], Teacher]
    follow: Callable[[Round], tuple[AfterStep, Callable[[Tensor], Stack]]]
    flop: Callable[[LearningSetup, Model], ExtraFlop]


def what_to_distil(class_prior: Tensor, adjusted: bool) -> Distillation:
    """Choose the classes to generate: the complement of what a device sees by itself.

    q_k(c) in proportion to max p_k - p_k(c), w_k = min(4, C max p_k - 1); both are zero for a
    uniform prior. With logit adjustment the prior is dealt with, so q_k is uniform and w_k = 1.
    class_prior (n, C), rows sum to one.
    """
    n, C = class_prior.shape
    if adjusted:
        return Distillation(torch.full((n, C), 1.0 / C), torch.ones(n))
    largest = class_prior.max(1).values
    missing = largest[:, None] - class_prior
    total = missing.sum(1, keepdim=True)
    probability = torch.where(total > 0, missing / total.clamp(min=1e-12), 1.0 / C)
    return Distillation(probability, (C * largest - 1).clamp(max=_LARGEST_WEIGHT))


def generate(
    teacher: Teacher, devices: Tensor, asked: Distillation, noise: GeneratorNoise
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw y~ ~ q_k over the classes that the generator knows, and G(y~), for some devices (a,).

    noise of all n devices. Returns g (a, G, d), y~ (a, G), and weight (a,): w_k, and 0 where q_k
    has no known class, so that g there means nothing.
    """
    cumulative = (asked.class_probability[devices] * teacher.known[devices]).cumsum(1)
    usable = cumulative[:, -1] > 0
    # Scaled by the total instead of normalised: the largest uniform still falls below it.
    threshold = noise.uniform[devices] * cumulative[:, -1:]
    label = torch.searchsorted(cumulative, threshold, right=True)
    label = label.clamp(max=cumulative.shape[1] - 1)
    g = teacher.sample(devices, label, noise.normal[devices])
    return g, label, asked.weight[devices] * usable


def of_class(values: Tensor, label: Tensor) -> Tensor:
    """Pick each sample's class: values (a, C, d), label (a, G) -> (a, G, d)."""
    return values.gather(1, label[..., None].expand(-1, -1, values.shape[-1]))


# --- statistics -----------------------------------------------------------------------------


def empty_sums(part: str, num_devices: int, num_classes: int, feature_dim: int) -> Stack:
    """Start with sums of no features: count (n, C), first and second (n, C, d)."""
    size = (num_devices, num_classes, feature_dim)
    return {
        f"{part}/count": torch.zeros(size[:2]),
        f"{part}/first": torch.zeros(size),
        f"{part}/second": torch.zeros(size),
    }


def add_features(sums: Stack, part: str, devices: Tensor, features: Tensor, label: Tensor) -> None:
    """Add a batch to the sums of some devices, in place: features (a, B, d), label (a, B)."""
    count = sums[f"{part}/count"]
    one_hot = functional.one_hot(label, count.shape[1]).to(features.dtype).transpose(1, 2)
    count.index_add_(0, devices, one_hot.sum(2))
    sums[f"{part}/first"].index_add_(0, devices, one_hot @ features)
    sums[f"{part}/second"].index_add_(0, devices, one_hot @ features.square())


def renew(old: Stack, fresh: Stack, trained: Tensor, decay: float) -> Stack:
    """Let the old mass decay and add this round's, on the devices that trained (n,) bool."""
    return {name: keep_where(trained, decay * old[name], old[name]) + fresh[name] for name in fresh}


def gaussians(sums: Stack, part: str) -> tuple[Tensor, Tensor, Tensor]:
    """Read the sums: mu = first / n, sigma = sqrt(second / n - mu^2), and which classes have any.

    Returns (n, C, d), (n, C, d), (n, C) bool.
    """
    count = sums[f"{part}/count"]
    known = count > _LEAST_MASS
    mass = torch.where(known, count, 1.0)[..., None]
    mean = sums[f"{part}/first"] / mass
    variance = (sums[f"{part}/second"] / mass - mean.square()).clamp(min=0)
    return mean, root(variance), known


def gaussian_teacher(sums: Stack, part: str) -> Teacher:
    """Teach ReLU(mu_y + sigma_y eps), with the sums of a part as they stand."""
    mean, std, known = gaussians(sums, part)

    def sample(devices: Tensor, label: Tensor, normal: Tensor) -> Tensor:
        spread = of_class(std[devices], label) * normal
        return functional.relu(of_class(mean[devices], label) + spread)

    return Teacher(mean, known, sample)


def _statistics_state(setup: LearningSetup, model: Model) -> Stack:
    return empty_sums(GENERATOR_PART, setup.num_devices, model.num_classes, model.common_dim)


def _collect(round_: Round) -> tuple[AfterStep, Callable[[Tensor], Stack]]:
    fresh = _statistics_state(round_.setup, round_.model)

    def after_step(passed: Forward, label: Tensor, step: int) -> None:
        for m, rows in passed.rows.items():
            c = passed.common[m].detach()
            add_features(fresh, GENERATOR_PART, passed.devices[rows], c, label[rows])

    def finish(trained: Tensor) -> Stack:
        return renew(round_.state, fresh, trained, round_.setup.generator_decay)

    return after_step, finish


def _statistics_flop(setup: LearningSetup, model: Model) -> ExtraFlop:
    """Charge the sums: one multiply-add each. Reading: two divisions, square, difference, root."""
    C, d = model.num_classes, model.common_dim
    return ExtraFlop(
        per_iteration=2 * 2 * setup.batch_size * C * d,
        per_round=2 * C * (1 + 2 * d) + 5 * C * d,
    )


STATISTICS = Generator(
    _statistics_state,
    lambda round_: gaussian_teacher(round_.state, GENERATOR_PART),
    _collect,
    _statistics_flop,
)


# --- network --------------------------------------------------------------------------------


def _network_state(setup: LearningSetup, model: Model) -> Stack:
    """Draw one perceptron and give every device a copy of it."""
    inputs, d = model.num_classes + model.common_dim, model.common_dim
    source = torch.Generator().manual_seed(setup.seed)
    sizes = {"w1": (_HIDDEN, inputs), "b1": (_HIDDEN,), "w2": (d, _HIDDEN), "b2": (d,)}
    fan_in = {"w1": inputs, "b1": inputs, "w2": _HIDDEN, "b2": _HIDDEN}
    state = {}
    for name, size in sizes.items():
        one = (2 * torch.rand(size, generator=source) - 1) / fan_in[name] ** 0.5
        state[f"{GENERATOR_PART}/{name}"] = one.repeat(setup.num_devices, *[1] * len(size))
    return state


def _perceptron(weights: Stack, label: Tensor, normal: Tensor, num_classes: int) -> Tensor:
    """G(y) = ReLU(W_2 ReLU(W_1 [one-hot y, eps])): label (a, G), normal (a, G, d)."""
    w1, b1, w2, b2 = (weights[f"{GENERATOR_PART}/{name}"] for name in ("w1", "b1", "w2", "b2"))
    one_hot = functional.one_hot(label, num_classes).to(normal.dtype)
    x = torch.cat([one_hot, normal], dim=2)
    h = functional.relu(torch.baddbmm(b1[:, None, :], x, w1.transpose(1, 2)))
    return functional.relu(torch.baddbmm(b2[:, None, :], h, w2.transpose(1, 2)))


def _network_teacher(round_: Round) -> Teacher:
    weights = _network_weights(round_.state)
    n, C = len(round_.class_prior), round_.model.num_classes

    def sample(devices: Tensor, label: Tensor, normal: Tensor) -> Tensor:
        return _perceptron({k: v[devices] for k, v in weights.items()}, label, normal, C)

    normal = round_.noise(0).normal
    per_class = [
        sample(torch.arange(n), torch.full(normal.shape[:2], c), normal).mean(1) for c in range(C)
    ]
    return Teacher(torch.stack(per_class, 1), torch.ones(n, C, dtype=torch.bool), sample)


def _network_weights(state: Stack) -> Stack:
    return {k: v for k, v in state.items() if k.startswith(f"{GENERATOR_PART}/")}


def _descend(round_: Round) -> tuple[AfterStep, Callable[[Tensor], Stack]]:
    """Follow by SGD on sum_m mean_i ||G(y_i) - c_m(x_i)||^2 / d + CE(W_c G(y~) + b, y~)."""
    weights = {k: v.clone() for k, v in _network_weights(round_.state).items()}
    C = round_.model.num_classes

    def after_step(passed: Forward, label: Tensor, step: int) -> None:
        who = passed.devices
        own = {k: v[who].requires_grad_() for k, v in weights.items()}
        noise = round_.noise(step)
        spread = noise.normal[who][:, torch.arange(label.shape[1]) % noise.normal.shape[1]]
        guess = _perceptron(own, label, spread, C)
        loss = torch.zeros(len(who))
        for m, rows in passed.rows.items():
            away = (guess[rows] - passed.common[m].detach()).square().mean((1, 2))
            loss = loss.index_add(0, rows, away)
        y = (noise.uniform[who] * C).long().clamp(max=C - 1)
        g = _perceptron(own, y, noise.normal[who], C)
        head = passed.common_weight.detach().transpose(1, 2)
        loss = loss + cross_entropy(g @ head + passed.bias.detach()[:, None, :], y)
        for (name, leaf), slope in zip(
            own.items(), torch.autograd.grad(loss.sum(), list(own.values())), strict=True
        ):
            weights[name][who] = leaf.detach() - round_.setup.learning_rate * slope

    return after_step, lambda trained: weights


def _network_flop(setup: LearningSetup, model: Model) -> ExtraFlop:
    """Forward and backward of the perceptron on the batch and on the generated samples."""
    C, d, B, G = model.num_classes, model.common_dim, setup.batch_size, setup.generator_samples
    forward = 2 * (C + d) * _HIDDEN + 2 * _HIDDEN * d
    # No gradient of the input, but of W_c's product to G.
    backward = 2 * (C + d) * _HIDDEN + 2 * 2 * _HIDDEN * d
    return ExtraFlop(
        per_step=(B + G) * (forward + backward) + G * (forward + 2 * 2 * d * C),
        per_round=C * G * forward,
    )


NETWORK = Generator(_network_state, _network_teacher, _descend, _network_flop)

GENERATORS = {"statistics": STATISTICS, "network": NETWORK}
