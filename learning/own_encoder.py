"""Encoders of the user's own: a Python file with one function.

    encoder(modality: str, shape: tuple[int, ...], out_features: int) -> torch.nn.Module

The module maps (B, *shape) to (B, out_features); out_features is the width of common and specific
features together. A ReLU follows, so that features are what the generators expect: z >= 0. Initial
parameters are what the module draws under a seed of the run's. The devices run as one batch
(torch.func.vmap over their parameters). See examples/own_encoder.py.

Left out: buffers, which would have to be mixed by a rule of their own, frozen parameters, and
layers that draw random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from learning.encoders import Encoder, Stack
from learning.errors import LearningError
from learning.own_file import load_from, run_own

_REMEDY = "see learning/examples/own_encoder.py"
_PROBE_SAMPLES = 3
_PROBE_DEVICES = 2

# (modality, shape, width of z, random numbers) -> encoder
Build = Callable[[str, tuple[int, ...], int, np.random.Generator], Encoder]


def own_encoders(path: str) -> Build:
    """Return what builds encoders from a file.

    Raises LearningError for a file that does not run or has no function `encoder`, and, when it is
    used, for a module that breaks the contract above.
    """
    function = load_from(path, "encoder", _REMEDY)
    if not callable(function):
        raise LearningError(f"{path}, encoder", "a function", type(function).__name__, _REMEDY)

    def build(modality: str, shape: tuple[int, ...], out: int, rng: np.random.Generator) -> Encoder:
        what = f"{path}, encoder of {modality}"
        seed = int(rng.integers(2**63))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            module = run_own(path, what, function, modality, shape, out)
        for expected, got, remedy in _faults(module):
            raise LearningError(what, expected, got, remedy)
        return _as_encoder(path, what, module, shape, out)

    return build


def _faults(module: Any) -> Iterator[tuple[str, str, str]]:
    """Yield what a module may not be: expected, got, remedy."""
    if not isinstance(module, nn.Module):
        yield "a torch.nn.Module", type(module).__name__, _REMEDY
        return
    for name, _ in module.named_buffers():
        remedy = "use GroupNorm or LayerNorm in place of BatchNorm, or make it a parameter"
        yield "a module without buffers", name, remedy
    for name, layer in module.named_modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0:
            yield "no layer that draws random numbers", f"{name}: {layer}", "leave it out"
    for name, parameter in module.named_parameters():
        if parameter.dtype != torch.float32 or not parameter.requires_grad:
            got = f"{name}: {parameter.dtype}, requires_grad {parameter.requires_grad}"
            yield "float32 parameters that train", got, "call .float() and requires_grad_()"
        if name == "specific_weight" or not name.isascii():
            yield "ASCII names besides specific_weight", name, "rename the parameter"
    if not list(module.parameters()):
        yield "a module with parameters", "none", _REMEDY


def _as_encoder(
    path: str, what: str, module: nn.Module, shape: tuple[int, ...], out: int
) -> Encoder:
    """Run the module for all devices at once, and count its work."""

    def one_device(parameters: Stack, x: Tensor) -> Any:
        return functional_call(module, parameters, (x,))

    def encode(parameters: Stack, x: Tensor) -> Tensor:
        return functional.relu(run_own(path, what, vmap(one_device), parameters, x))

    initial = {name: value.detach().clone() for name, value in module.named_parameters()}
    x = torch.zeros(_PROBE_SAMPLES, *shape)
    _check_output(what, run_own(path, what, one_device, initial, x), out)
    # Also as it will be used: not every layer works under vmap.
    stacked = {n: v.expand(_PROBE_DEVICES, *v.shape) for n, v in initial.items()}
    encode(stacked, x.expand(_PROBE_DEVICES, *x.shape))
    return Encoder(initial, encode, _flop_per_sample(path, what, module, x))


def _check_output(what: str, z: Any, out: int) -> None:
    expected = f"float32 ({_PROBE_SAMPLES}, {out}) for {_PROBE_SAMPLES} samples"
    if not isinstance(z, Tensor):
        raise LearningError(what, expected, type(z).__name__, _REMEDY)
    if z.shape != (_PROBE_SAMPLES, out) or z.dtype != torch.float32:
        got = f"{z.dtype} {tuple(z.shape)}".removeprefix("torch.")
        raise LearningError(what, expected, got, "end with a layer of out_features")


def _flop_per_sample(path: str, what: str, module: nn.Module, x: Tensor) -> int:
    """Count the products of a forward and a backward pass, as torch does.

    Left out as in the built-in encoders: what is no matrix product or convolution.
    """

    def both() -> None:
        torch.autograd.grad(module(x).sum(), list(module.parameters()), allow_unused=True)

    with FlopCounterMode(display=False) as counter:
        run_own(path, what, both)
    flop = int(counter.get_total_flops()) // len(x)
    if flop == 0:
        expected = "matrix products or convolutions, whose work is charged"
        raise LearningError(what, expected, "none that torch counts", _REMEDY)
    return flop
