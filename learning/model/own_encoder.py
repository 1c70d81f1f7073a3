"""Encoders of the user's own: a Python file with one function.

    encoder(modality: str, shape: tuple[int, ...], out_features: int) -> torch.nn.Module

The module maps (B, *shape) to (B, out_features); out_features is the width of common and specific
features together. A ReLU follows, so that features are what the generators expect: z >= 0. Initial
parameters are what the module draws from torch under a seed of the run's. It is used in training
mode, in evaluations too. The devices run as one batch (torch.func.vmap over their parameters), or
one by one where torch has no rule for that, as for nn.LSTM. See examples/own_encoder.py.

Left out: buffers, which would have to be mixed by a rule of their own, frozen parameters, layers
that draw random numbers, and modules that remember anything between two calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional

from learning.errors import LearningError
from learning.model.encoders import Encoder, Stack
from learning.model.own_encoder_checks import check_module, check_use, initialise
from learning.model.work_count import count_training
from learning.own_file import load_from, run_own

_REMEDY = "see learning/examples/own_encoder.py"
_PROBE_DEVICES = 2

# (modality, shape, width of z, random numbers) -> encoder
Build = Callable[[str, tuple[int, ...], int, np.random.Generator], Encoder]


def own_encoders(path: str, batch_size: int) -> Build:
    """Return what builds encoders from a file; their work is counted for batches of this size.

    Raises LearningError for a file that does not run or has no function `encoder`, and, when it is
    used, for a module that breaks the contract above.
    """
    function = load_from(path, "encoder", _REMEDY)
    if not callable(function):
        raise LearningError(f"{path}, encoder", "a function", type(function).__name__, _REMEDY)

    def build(modality: str, shape: tuple[int, ...], out: int, rng: np.random.Generator) -> Encoder:
        what = f"{path}, encoder of {modality}"
        seed = int(rng.integers(2**63))

        def make() -> Any:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                module = run_own(path, what, function, modality, shape, out)
                if isinstance(module, nn.Module):
                    initialise(path, what, module, shape)
            return module

        module = make()
        check_module(what, module)
        x = torch.randn(batch_size, *shape, generator=torch.Generator().manual_seed(seed))
        check_use(path, what, module, make(), x, out)
        initial = {name: value.detach().clone() for name, value in module.named_parameters()}
        encode, one_by_one = _batched(path, what, module, initial, x)
        flop = _flop_per_sample(path, what, module, x)
        # functional_call puts parameters into the one module for the time of a call.
        return Encoder(initial, encode, flop, one_by_one, in_threads=False)

    return build


def _batched(
    path: str, what: str, module: nn.Module, initial: Stack, x: Tensor
) -> tuple[Callable[[Stack, Tensor], Tensor], bool]:
    """Return the map for all devices, and whether it takes them one by one."""
    name_of = {id(value): name for name, value in module.named_parameters()}
    # Each place that holds a parameter, and it once, though layers share it or come twice.
    places = {
        f"{layer}.{attribute}".removeprefix("."): name_of[id(value)]
        for layer, part in module.named_modules()
        for attribute, value in part.named_parameters(recurse=False, remove_duplicate=False)
    }

    def one_device(parameters: Stack, x: Tensor) -> Any:
        own = {place: parameters[name] for place, name in places.items()}
        return functional_call(module, own, (x,), tie_weights=False)

    def together(parameters: Stack, x: Tensor) -> Tensor:
        return functional.relu(run_own(path, what, vmap(one_device), parameters, x))

    def each(parameters: Stack, x: Tensor) -> Tensor:
        rows = range(len(x))
        z = [
            run_own(path, what, one_device, {n: v[k] for n, v in parameters.items()}, x[k])
            for k in rows
        ]
        return functional.relu(torch.stack(z))

    stack = {
        name: torch.stack(_PROBE_DEVICES * [value]).requires_grad_()
        for name, value in initial.items()
    }
    try:
        z = vmap(one_device)(stack, torch.stack(_PROBE_DEVICES * [x]))
        torch.autograd.grad(z.sum(), list(stack.values()), allow_unused=True)
    except Exception:  # torch names what it lacks in many ways; the module itself has run before
        return each, True
    return together, False


def _flop_per_sample(path: str, what: str, module: nn.Module, x: Tensor) -> float:
    """Count a forward and a backward pass of a batch, by work_count.py; per sample of it."""
    work = run_own(path, what, count_training, lambda: module(x), list(module.parameters()))
    if work.uncounted:
        expected = "operations whose work can be counted"
        remedy = "write it with linear layers, convolutions, matmul and elementwise operations"
        raise LearningError(what, expected, f"{work.uncounted} of torch", remedy)
    if work.flop == 0:
        expected = "matrix products or convolutions, whose work is charged"
        raise LearningError(what, expected, "none that torch counts", _REMEDY)
    return work.flop / len(x)
