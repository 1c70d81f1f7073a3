"""The multi-modal classifier of every device, as stacks of parameters and batched products.

A stack holds one tensor per parameter, with the devices as its first axis; its name is
"<part>/<parameter>", and a part is what travels and is mixed as a whole:

    encoder_<m>   f_m: two convolutions and a linear layer; W_m: the specific head of modality m
    head          W_c and b: the common head, shared by all modalities
    generator     the class statistics of the common features (generator.py)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from learning.errors import LearningError

Stack = dict[str, Tensor]

KERNEL = 5
POOL = 4
CONV_CHANNELS = (8, 16)
_INIT_STREAM = 0x496E6974


@dataclass(frozen=True)
class ModelShape:
    """Sizes of the model: modalities name -> (channels, length), C classes, d = feature_dim."""

    modalities: dict[str, tuple[int, int]]
    num_classes: int
    feature_dim: int

    def __post_init__(self) -> None:
        for name, (_, length) in self.modalities.items():
            if length % POOL**2 != 0:
                expected = f"a length that {POOL**2} divides"
                raise LearningError(f"modality {name}", expected, str(length), "cut other windows")

    def flat_size(self, modality: str) -> int:
        """Values per window after the second pooling."""
        return CONV_CHANNELS[1] * self.modalities[modality][1] // POOL**2


@dataclass(frozen=True)
class Forward:
    """What one forward pass of `a` devices on batches of B windows gave.

    devices (a,): their numbers; rows: modality -> (a_m,) positions in `devices` of those that used
    it; common, specific: modality -> (a_m, B, d); modality_logits: modality -> (a_m, B, C), the
    bias included; fused_logits (a, B, C); common_weight (a, C, d) and bias (a, C): the head.
    """

    devices: Tensor
    rows: dict[str, Tensor]
    common: dict[str, Tensor]
    specific: dict[str, Tensor]
    modality_logits: dict[str, Tensor]
    fused_logits: Tensor
    common_weight: Tensor
    bias: Tensor


def encoder_part(modality: str) -> str:
    """Name the part that holds f_m and W_m."""
    return f"encoder_{modality}"


def part_of(parameter: str) -> str:
    """Name the part that a parameter travels in."""
    return parameter.split("/", maxsplit=1)[0]


def init_parameters(shape: ModelShape, num_devices: int, seed: int) -> Stack:
    """Draw one model and give every device a copy of it.

    Uniform in +-1/sqrt(fan_in), as torch.nn does. All devices start equal: averaging models that
    started apart would average unrelated features. A device also gets encoders of modalities that
    it lacks; they are never trained, sent or mixed.
    """
    rng = np.random.default_rng([seed, _INIT_STREAM])
    first, second = CONV_CHANNELS
    d, C = shape.feature_dim, shape.num_classes
    sizes: dict[str, tuple[int, ...]] = {}
    for m, (channels, _) in shape.modalities.items():
        part = encoder_part(m)
        sizes[f"{part}/conv1_weight"] = (first, channels, KERNEL)
        sizes[f"{part}/conv1_bias"] = (first,)
        sizes[f"{part}/conv2_weight"] = (second, first, KERNEL)
        sizes[f"{part}/conv2_bias"] = (second,)
        sizes[f"{part}/linear_weight"] = (2 * d, shape.flat_size(m))
        sizes[f"{part}/linear_bias"] = (2 * d,)
        sizes[f"{part}/specific_weight"] = (C, d)
    sizes["head/common_weight"] = (C, d)
    sizes["head/bias"] = (C,)
    stack: Stack = {}
    bound = 0.0
    for name, size in sizes.items():
        # A bias follows its weight, and shares its fan-in.
        bound = 1.0 / np.sqrt(np.prod(size[1:])) if len(size) > 1 else bound
        one = torch.from_numpy(rng.uniform(-bound, bound, size).astype(np.float32))
        stack[name] = one.expand(num_devices, *size).clone()
    return stack


def take(stack: Stack, part: str, devices: Tensor) -> Stack:
    """Take some devices' parameters of one part, as a stack of its own."""
    return {name: value[devices] for name, value in stack.items() if part_of(name) == part}


def encode(parameters: Stack, modality: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """Encode windows: z = ReLU(linear(pool(ReLU(conv(pool(ReLU(conv x))))))) = [common | specific].

    parameters: `a` devices of part encoder_<m>; x (a, B, channels, length) -> two of (a, B, d).
    """
    part = encoder_part(modality)
    # [a, channels, B, length]: a convolution is then one batched product over all its windows
    h = x.transpose(1, 2)
    for layer in ("conv1", "conv2"):
        weight = parameters[f"{part}/{layer}_weight"]
        h = _convolve(h, weight, parameters[f"{part}/{layer}_bias"])
        h = functional.max_pool2d(functional.relu(h), (1, POOL))
    flat = h.transpose(1, 2).flatten(2)
    weight, bias = parameters[f"{part}/linear_weight"], parameters[f"{part}/linear_bias"]
    z = functional.relu(torch.baddbmm(bias[:, None, :], flat, weight.transpose(1, 2)))
    common, specific = z.chunk(2, dim=-1)
    return common, specific


def _convolve(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve along time, zero-padded to the same length, each device with its own weights.

    h (a, c_in, B, L), weight (a, c_out, c_in, k), bias (a, c_out) -> (a, c_out, B, L).
    """
    a, _, batch, length = h.shape
    padded = functional.pad(h, (KERNEL // 2, KERNEL // 2))
    # [a, k c_in, B L], tap by tap
    taps = torch.cat([padded[..., j : j + length] for j in range(KERNEL)], dim=1)
    kernel = weight.permute(0, 1, 3, 2).flatten(2)
    out = torch.baddbmm(bias[:, :, None], kernel, taps.flatten(2))
    return out.view(a, -1, batch, length)


def forward(
    encoders: dict[str, Stack],
    head: Stack,
    inputs: dict[str, Tensor],
    devices: Tensor,
    rows: dict[str, Tensor],
) -> Forward:
    """Run `a` devices, each on the modalities that it uses.

    logits = mean over the modalities used of (W_c c_m + W_m s_m), + b. A modality that is not used
    is left out of the mean.
    encoders: modality -> stack of its a_m users; head: stack of all `a`; inputs: modality ->
    (a_m, B, channels, length); devices (a,); rows: modality -> (a_m,) positions in `devices`.
    """
    common_weight, bias = head["head/common_weight"], head["head/bias"]
    common, specific, modality_logits = {}, {}, {}
    total: Tensor | None = None
    used = torch.zeros(len(devices))
    for m, x in inputs.items():
        common[m], specific[m] = encode(encoders[m], m, x)
        W_c = common_weight if len(rows[m]) == len(devices) else common_weight[rows[m]]
        W_m = encoders[m][f"{encoder_part(m)}/specific_weight"]
        evidence = common[m] @ W_c.transpose(1, 2) + specific[m] @ W_m.transpose(1, 2)
        modality_logits[m] = evidence + bias[rows[m], None, :]
        if total is None:
            total = evidence.new_zeros(len(devices), *evidence.shape[1:])
        total = total.index_add(0, rows[m], evidence)
        used[rows[m]] += 1
    if total is None or bool((used == 0).any()):
        raise LearningError(
            "forward pass", "a modality per device", "none", "leave idle devices out of the pass"
        )
    fused = total / used[:, None, None] + bias[:, None, :]
    return Forward(devices, rows, common, specific, modality_logits, fused, common_weight, bias)
