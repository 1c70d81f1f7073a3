"""f_m, one encoder a kind of modality: 1-D signals, images, vectors, or a module of the user's.

Every device has its own parameters, and all devices run in one batched product:

    (channels, length)          two convolutions, pooled by 4 each, and a linear layer
    (channels, height, width)   the same in two dimensions, pooled by 4 and by 2
    (features,)                 two linear layers
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from learning.errors import LearningError
from learning.model.convolution import KERNEL, convolve_and_pool
from learning.model.products import multiply

Stack = dict[str, Tensor]

CONV_CHANNELS = (8, 16)
POOLS_1D = (4, 4)
POOLS_2D = (4, 2)
HIDDEN = 64


@dataclass(frozen=True)
class Encoder:
    """An encoder: initial parameters of one device, by name; the map; its work.

    encode: (parameters of `a` devices, x (a, B, *shape)) -> z (a, B, out) >= 0;
    flop_per_sample: forward and backward, a multiply-add counts 2; the input needs no gradient;
    one_by_one: devices are not run as one batch; in_threads: several threads may run it at once.
    """

    initial: Stack
    encode: Callable[[Stack, Tensor], Tensor]
    flop_per_sample: float
    one_by_one: bool = False
    in_threads: bool = True


def make_encoder(
    modality: str, shape: tuple[int, ...], out: int, rng: np.random.Generator
) -> Encoder:
    """Choose the encoder by the kind of modality, that is by the dimensions of a sample."""
    if len(shape) == 1:
        return _perceptron(shape[0], out, rng)
    if len(shape) in (2, 3):
        return _convolutional(modality, shape, POOLS_1D if len(shape) == 2 else POOLS_2D, out, rng)
    raise LearningError(
        f"modality {modality}",
        "samples (features,), (channels, length) or (channels, height, width)",
        str(shape),
        "reshape the data, or bring an encoder with learning.model",
    )


def as_rows(stacked: Tensor) -> Tensor:
    """Flatten one array of every device: (n, ...) -> (n, D); a scalar of each has D = 1."""
    return stacked.flatten(1) if stacked.dim() > 1 else stacked[:, None]


def uniform(rng: np.random.Generator, size: tuple[int, ...], fan_in: int) -> Tensor:
    """Draw uniformly in +-1/sqrt(fan_in), as torch.nn does."""
    bound = 1.0 / np.sqrt(fan_in)
    return torch.from_numpy(rng.uniform(-bound, bound, size).astype(np.float32))


def _layers(sizes: Mapping[str, tuple[int, ...]], rng: np.random.Generator) -> Stack:
    """Draw weights and biases of layers, name -> size of the weight."""
    drawn = {}
    for layer, size in sizes.items():
        fan_in = math.prod(size[1:])
        drawn[f"{layer}_weight"] = uniform(rng, size, fan_in)
        drawn[f"{layer}_bias"] = uniform(rng, size[:1], fan_in)
    return drawn


def _perceptron(features: int, out: int, rng: np.random.Generator) -> Encoder:
    """Z = ReLU(W_2 ReLU(W_1 x)), 64 hidden units."""

    def encode(parameters: Stack, x: Tensor) -> Tensor:
        h = functional.relu(_linear(parameters, "hidden", x))
        return functional.relu(_linear(parameters, "linear", h))

    sizes = {"hidden": (HIDDEN, features), "linear": (out, HIDDEN)}
    flop = 2 * 2 * features * HIDDEN + 3 * 2 * HIDDEN * out
    return Encoder(_layers(sizes, rng), encode, flop)


def _convolutional(
    modality: str,
    shape: tuple[int, ...],
    pools: tuple[int, int],
    out: int,
    rng: np.random.Generator,
) -> Encoder:
    """Z = ReLU(linear(pool(ReLU(conv(pool(ReLU(conv x))))))); what no pool fills is left out.

    Work: a convolution 2 c_out c_in k L, a linear layer 2 in out; the backward pass does as much
    for the weights and as much for the input, except that the first layer's needs no gradient.
    """
    channels, *extent = shape
    first, second = CONV_CHANNELS
    halfway = [length // pools[0] for length in extent]
    end = [length // pools[1] for length in halfway]
    if min(end) < 1:
        least = str(pools[0] * pools[1])
        what, remedy = (
            f"modality {modality}",
            "pad the data or bring an encoder with learning.model",
        )
        raise LearningError(what, f"at least {least} long", str(shape), remedy)
    kernel = (KERNEL,) * len(extent)

    def encode(parameters: Stack, x: Tensor) -> Tensor:
        # [a, channels, B, *extent]: a convolution is then one batched product over all samples
        h = x.transpose(1, 2)
        for layer, pool in zip(("conv1", "conv2"), pools, strict=True):
            weight, bias = parameters[f"{layer}_weight"], parameters[f"{layer}_bias"]
            # The same as of ReLU pooled, on fewer numbers.
            h = functional.relu(convolve_and_pool(h, weight, bias, pool))
        return functional.relu(_linear(parameters, "linear", h.transpose(1, 2).flatten(2)))

    flat = second * math.prod(end)
    sizes = {
        "conv1": (first, channels, *kernel),
        "conv2": (second, first, *kernel),
        "linear": (out, flat),
    }
    taps = KERNEL ** len(extent)
    conv1 = 2 * first * channels * taps * math.prod(extent)
    conv2 = 2 * second * first * taps * math.prod(halfway)
    return Encoder(_layers(sizes, rng), encode, 2 * conv1 + 3 * conv2 + 3 * 2 * flat * out)


def _linear(parameters: Stack, layer: str, x: Tensor) -> Tensor:
    """X (a, B, in) -> (a, B, out), each device with its own weights."""
    weight, bias = parameters[f"{layer}_weight"], parameters[f"{layer}_bias"]
    return multiply(x, weight.transpose(1, 2)).add_(bias[:, None, :])
