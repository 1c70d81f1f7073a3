"""What a module of the user's must be to serve as an encoder; each fault is one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from learning.errors import LearningError
from learning.own_file import run_own

_REMEDY = "see learning/examples/own_encoder.py"
_PROBE_SAMPLES = 3


def initialise(path: str, what: str, module: nn.Module, shape: tuple[int, ...]) -> None:
    """Put a new module into training mode, and give lazy layers their parameters by one pass."""
    module.train()
    if any(is_lazy(parameter) for parameter in module.parameters()):
        with torch.no_grad():
            run_own(path, what, module, torch.zeros(_PROBE_SAMPLES, *shape))


def check_module(what: str, module: Any) -> None:
    """Refuse what is no module with float32 parameters, all of them trained, and nothing else."""
    for expected, got, remedy in _faults(module):
        raise LearningError(what, expected, got, remedy)


def _faults(module: Any) -> Iterator[tuple[str, str, str]]:
    """Yield what a module may not be: expected, got, remedy."""
    if not isinstance(module, nn.Module):
        yield "a torch.nn.Module", type(module).__name__, _REMEDY
        return
    if isinstance(module, torch.jit.ScriptModule):
        yield "a plain module", "one of TorchScript", "leave out torch.jit"
    for name, _ in module.named_buffers():
        remedy = (
            "use GroupNorm or LayerNorm in place of BatchNorm, or keep a constant as an attribute"
            " that is no buffer"
        )
        yield "a module without buffers", name, remedy
    for name, layer in module.named_modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0:
            yield "no layer that draws random numbers", f"{name}: {layer}", "leave it out"
    for name, parameter in module.named_parameters():
        yield from _parameter_faults(name, parameter)
    if not list(module.parameters()):
        yield "a module with parameters", "none", _REMEDY


def _parameter_faults(name: str, parameter: nn.Parameter) -> Iterator[tuple[str, str, str]]:
    if is_lazy(parameter):
        remedy = "use the layer in forward, or name its size (nn.Linear in place of nn.LazyLinear)"
        yield "parameters with values", f"{name}, uninitialised after a forward pass", remedy
        return
    if parameter.is_complex():
        yield "float32 parameters", f"{name}: {parameter.dtype}", "hold two real parameters"
    if parameter.dtype != torch.float32 or not parameter.requires_grad:
        got = f"{name}: {parameter.dtype}, requires_grad {parameter.requires_grad}"
        yield "float32 parameters that train", got, "call .float() and requires_grad_()"
    if parameter.device.type != "cpu" or parameter.layout != torch.strided:
        got = f"{name} on {parameter.device}, {parameter.layout}"
        yield "dense parameters on the CPU", got, "create them there"
        return
    if parameter.numel() == 0:
        yield "parameters with elements", f"{name} {tuple(parameter.shape)}", "leave it out"
    if not bool(parameter.isfinite().all()):
        remedy = "set its values (torch.empty does not)"
        yield "finite initial parameters", f"{name} with NaN or inf", remedy
    if name == "specific_weight" or not name.isascii():
        yield "ASCII names besides specific_weight", name, "rename the parameter"


def check_use(
    path: str, what: str, module: nn.Module, again: nn.Module, x: Tensor, out: int
) -> None:
    """Run a module as devices will, x (B, *shape), and refuse what does not come out alike.

    again: what the user's function returned when it was called once more.
    """
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    other = dict(again.named_parameters())
    seen = x.clone()
    few = run_own(path, what, module, seen[:_PROBE_SAMPLES])
    _check_output(what, few, min(_PROBE_SAMPLES, len(x)), out)
    z, repeated, same = (run_own(path, what, each, seen) for each in (module, module, again))
    if not few.requires_grad:
        expected = "features that depend on the parameters"
        raise LearningError(what, expected, "none", "leave out detach() and no_grad()")
    if not torch.equal(seen, x):
        remedy = "leave out the operation in place (name_) on what comes in"
        raise LearningError(what, "a module that leaves its input alone", "another x", remedy)
    for name, value in module.named_parameters():
        if not torch.equal(value, before[name]):
            remedy = "compute from it what is needed, and leave it to training"
            raise LearningError(what, "parameters that forward leaves alone", name, remedy)
        if name not in other or not torch.equal(other[name], value):
            remedy = "draw them from torch, without a generator or seed of your own"
            expected = "the same parameters from every call of encoder"
            raise LearningError(what, expected, f"others in {name}", remedy)
    if not (_alike(z, repeated) and _alike(z, same)):
        expected = "the same features whenever the same samples come"
        remedy = "draw no random numbers, and keep nothing from call to call"
        raise LearningError(what, expected, "others in another call", remedy)


def _check_output(what: str, z: Any, count: int, out: int) -> None:
    expected = f"float32 ({count}, {out}) for {count} samples"
    if not isinstance(z, Tensor):
        remedy = "return one tensor, as the last layer of out_features gives it"
        raise LearningError(what, expected, type(z).__name__, remedy)
    if z.shape != (count, out) or z.dtype != torch.float32:
        got = f"{z.dtype} {tuple(z.shape)}".removeprefix("torch.")
        raise LearningError(what, expected, got, "end with a layer of out_features")


def _alike(one: Tensor, other: Tensor) -> bool:
    return bool(torch.allclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True))
