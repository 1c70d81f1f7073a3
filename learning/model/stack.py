"""The multi-modal classifier of every device, as stacks of parameters and batched products.

A stack holds one tensor per parameter, with the devices as its first axis; its name is
"<part>/<parameter>", and a part is what travels and is mixed as a whole:

    encoder_<m>   f_m (encoders.py), and W_m: the specific head of modality m
    head          W_c and b: the common head, shared by all modalities
    specific_<m>  what a method knows of the specific features of each class, if anything
    generator     what a method knows of the common features of each class (generator.py)
    scale_<m>     sums of what devices measure, with normalisation gossip (data/normalise.py)
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from learning.data.normalise import SCALE_PREFIX
from learning.errors import LearningError
from learning.model.encoders import Encoder, Stack, make_encoder, uniform
from learning.model.own_encoder import own_encoders

GENERATOR_PART = "generator"
_INIT_STREAM = 0x496E6974


@dataclass(frozen=True)
class Model:
    """The model that every device has: an encoder a modality, C classes, and two widths.

    z_m = [c_m | s_m], common_dim and specific_dim wide; without decomposition specific_dim is 0,
    and there is no W_m. initial: the parameters of one device.
    """

    encoders: dict[str, Encoder]
    num_classes: int
    common_dim: int
    specific_dim: int
    initial: Stack


def make_model(
    shapes: dict[str, tuple[int, ...]],
    num_classes: int,
    common_dim: int,
    specific_dim: int,
    seed: int,
    encoder_file: str | None = None,
    batch_size: int = 1,
) -> Model:
    """Build the model for modalities of these sample shapes, and draw its initial parameters.

    encoder_file: the user's own encoders, in place of those of encoders.py; batch_size: of which
    their work is counted.
    """
    build = own_encoders(encoder_file, batch_size) if encoder_file else make_encoder
    rng = np.random.default_rng([seed, _INIT_STREAM])
    encoders: dict[str, Encoder] = {}
    initial: Stack = {}
    for m, shape in shapes.items():
        encoders[m] = build(m, shape, common_dim + specific_dim, rng)
        part = encoder_part(m)
        initial |= {f"{part}/{name}": value for name, value in encoders[m].initial.items()}
        if specific_dim > 0:
            size = (num_classes, specific_dim)
            initial[f"{part}/specific_weight"] = uniform(rng, size, specific_dim)
    initial["head/common_weight"] = uniform(rng, (num_classes, common_dim), common_dim)
    initial["head/bias"] = uniform(rng, (num_classes,), common_dim)
    return Model(encoders, num_classes, common_dim, specific_dim, initial)


@dataclass(frozen=True)
class Forward:
    """What one forward pass of `a` devices on batches of B samples gave.

    devices (a,): their numbers; rows: modality -> (a_m,) positions in `devices` of those that used
    it; common, specific: modality -> (a_m, B, d); modality_logits: modality -> (a_m, B, C), the
    bias included; fused_logits (a, B, C); common_weight (a, C, d) and bias (a, C): the head;
    specific_weight: modality -> (a_m, C, d_s), empty without decomposition.
    """

    devices: Tensor
    rows: dict[str, Tensor]
    common: dict[str, Tensor]
    specific: dict[str, Tensor]
    modality_logits: dict[str, Tensor]
    fused_logits: Tensor
    common_weight: Tensor
    bias: Tensor
    specific_weight: dict[str, Tensor]


def encoder_part(modality: str) -> str:
    """Name the part that holds f_m and W_m."""
    return f"encoder_{modality}"


def specific_part(modality: str) -> str:
    """Name the part that holds what a method knows of a modality's specific features."""
    return f"specific_{modality}"


def holds_sums(part: str) -> bool:
    """Tell whether a part is statistics, which mean something only together and exactly."""
    return part == GENERATOR_PART or part.startswith(("specific_", SCALE_PREFIX))


def part_of(parameter: str) -> str:
    """Name the part that a parameter travels in."""
    return parameter.split("/", maxsplit=1)[0]


def of_part(stack: Stack, part: str) -> Stack:
    """Return what of a stack travels in a part."""
    return {name: value for name, value in stack.items() if part_of(name) == part}


def init_parameters(model: Model, num_devices: int) -> Stack:
    """Give every device a copy of the initial model.

    All devices start equal: averaging models that started apart would average unrelated features.
    A device also gets encoders of modalities that it lacks; they are never trained, sent or mixed.
    Raises LearningError where the parameters of all devices exceed the machine's memory.
    """
    needed = num_devices * sum(one.nbytes for one in model.initial.values())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise LearningError(
            f"model of {num_devices} devices",
            f"parameters within this machine's memory ({memory / 1e9:.1f} GB)",
            f"{needed / 1e9:.1f} GB",
            "use a smaller encoder or fewer devices",
        )
    return {
        name: one.expand(num_devices, *one.shape).clone() for name, one in model.initial.items()
    }


def check_like(state: Stack, expected: Stack, per_link: str) -> None:
    """Refuse a state of other names, shapes or types; of names with per_link, rows may be more.

    Raises LearningError with the first that is odd.
    """
    wanted, got = (
        {name: (v.shape[name.startswith(per_link) :], v.dtype) for name, v in each.items()}
        for each in (expected, state)
    )
    if got != wanted:
        odd = next(n for n in (*wanted, *got) if wanted.get(n) != got.get(n))
        remedy = "load a checkpoint of the same setup"
        raise LearningError(f"state {odd}", str(wanted.get(odd)), str(got.get(odd)), remedy)


def digest_of(stack: Stack) -> str:
    """Return the SHA-256 of all values of all devices, little endian, by name."""
    digest = hashlib.sha256()
    for name in sorted(stack):
        digest.update(name.encode())
        digest.update(stack[name].numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def take(stack: Stack, part: str, devices: Tensor) -> Stack:
    """Take some devices' parameters of one part, as a stack of its own."""
    return {name: value[devices] for name, value in of_part(stack, part).items()}


def encode(model: Model, parameters: Stack, modality: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """Encode samples into common and specific features.

    parameters: `a` devices of part encoder_<m>; x (a, B, *shape) -> c (a, B, common_dim) and
    s (a, B, specific_dim).
    """
    part = encoder_part(modality) + "/"
    own = {name.removeprefix(part): value for name, value in parameters.items()}
    z = model.encoders[modality].encode(own, x)
    return z[..., : model.common_dim], z[..., model.common_dim :]


def forward(
    model: Model,
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
    (a_m, B, *shape); devices (a,); rows: modality -> (a_m,) positions in `devices`.
    """
    common_weight, bias = head["head/common_weight"], head["head/bias"]
    common, specific, modality_logits, specific_weight = {}, {}, {}, {}
    total: Tensor | None = None
    used = torch.zeros(len(devices))
    for m, x in inputs.items():
        common[m], specific[m] = encode(model, encoders[m], m, x)
        W_c = common_weight if len(rows[m]) == len(devices) else common_weight[rows[m]]
        evidence = common[m] @ W_c.transpose(1, 2)
        if model.specific_dim > 0:
            specific_weight[m] = encoders[m][f"{encoder_part(m)}/specific_weight"]
            evidence = evidence + specific[m] @ specific_weight[m].transpose(1, 2)
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
    return Forward(
        devices,
        rows,
        common,
        specific,
        modality_logits,
        fused,
        common_weight,
        bias,
        specific_weight,
    )
