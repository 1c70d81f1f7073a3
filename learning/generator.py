"""The generator G(y): each device's estimate of the global class statistics of common features.

It has no weights to train. It keeps three sums per class, which neighbours mix like weights:
n, n mu and n (sigma^2 + mu^2). Sums mix where means would not: a device without a class sends
n = 0 for it, and what it receives becomes its own. Our reading of the paper's generator; a
two-layer perceptron trained on the same features was no better in the trials, and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from learning.data.batches import GeneratorNoise
from learning.models import Stack

GENERATOR_PART = "generator"
COUNT, FIRST, SECOND = (f"{GENERATOR_PART}/{name}" for name in ("count", "first", "second"))
# Below this mass a class is unknown: float32 sums of it would be noise.
_LEAST_MASS = 1e-6
_LARGEST_WEIGHT = 4.0


@dataclass(frozen=True)
class ClassGaussians:
    """What the sums say: mean, std (n, C, d); known (n, C): whether there is any mass."""

    mean: Tensor
    std: Tensor
    known: Tensor


@dataclass(frozen=True)
class Distillation:
    """What a device asks of its generator: class_probability q_k (n, C) and weight w_k (n,)."""

    class_probability: Tensor
    weight: Tensor


def empty_sums(num_devices: int, num_classes: int, feature_dim: int) -> Stack:
    """Start with sums of no features: count (n, C), first and second (n, C, d)."""
    return {
        COUNT: torch.zeros(num_devices, num_classes),
        FIRST: torch.zeros(num_devices, num_classes, feature_dim),
        SECOND: torch.zeros(num_devices, num_classes, feature_dim),
    }


def add_features(sums: Stack, devices: Tensor, common: Tensor, label: Tensor) -> None:
    """Add a batch to the sums of some devices, in place: common (a, B, d), label (a, B)."""
    one_hot = functional.one_hot(label, sums[COUNT].shape[1]).to(common.dtype).transpose(1, 2)
    sums[COUNT].index_add_(0, devices, one_hot.sum(2))
    sums[FIRST].index_add_(0, devices, one_hot @ common)
    sums[SECOND].index_add_(0, devices, one_hot @ common.square())


def renew(old: Stack, fresh: Stack, trained: Tensor, decay: float) -> Stack:
    """Let the old mass decay and add this round's, on the devices that trained (n,) bool."""
    keep = torch.where(trained, decay, 1.0)
    return {
        name: old[name] * keep.view(-1, *[1] * (fresh[name].dim() - 1)) + fresh[name]
        for name in fresh
    }


def gaussians(sums: Stack) -> ClassGaussians:
    """Read the sums: mu = first / n, sigma^2 = second / n - mu^2, per class and feature."""
    known = sums[COUNT] > _LEAST_MASS
    mass = torch.where(known, sums[COUNT], 1.0)[..., None]
    mean = sums[FIRST] / mass
    variance = (sums[SECOND] / mass - mean.square()).clamp(min=0)
    return ClassGaussians(mean, variance.sqrt(), known)


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
    classes: ClassGaussians, class_probability: Tensor, noise: GeneratorNoise
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw G(y~) = ReLU(mu_y~ + sigma_y~ eps) with y~ ~ q_k over the classes with statistics.

    All arguments of `a` devices. Returns g (a, G, d), y~ (a, G), and usable (a,) bool: false where
    q_k has no class with statistics, so that g there means nothing.
    """
    allowed = class_probability * classes.known
    cumulative = allowed.cumsum(1)
    usable = cumulative[:, -1] > 0
    # Scaled by the total instead of normalised: the largest uniform still falls below it.
    threshold = noise.uniform * cumulative[:, -1:]
    label = torch.searchsorted(cumulative, threshold, right=True)
    label = label.clamp(max=class_probability.shape[1] - 1)
    where = label[..., None].expand(-1, -1, classes.mean.shape[-1])
    g = functional.relu(classes.mean.gather(1, where) + classes.std.gather(1, where) * noise.normal)
    return g, label, usable
