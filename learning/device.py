"""Where devices train and are evaluated: on the processor, or on a GPU.

The state of a run, what is sent and how it is mixed stay on the processor, so that messages,
checkpoints and mixing are the same code; a round's training and its evaluations go to the GPU and
back (2 MB for 50 devices of the default model). Random numbers are drawn by NumPy, the same for
both. A GPU rounds otherwise than a processor, and than another kind of GPU: results are close, not
equal in bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from learning.data.batches import DeviceData
from learning.data.normalise import Scale
from learning.errors import LearningError
from learning.method import Round
from learning.model.encoders import Stack

_REMEDY = "use learning.device cpu"


def check_device(device: str) -> None:
    """Raise LearningError where there is no such device."""
    if device == "cuda" and not torch.cuda.is_available():
        built = "this PyTorch finds none" if torch.version.cuda else "this PyTorch is for CPUs only"
        raise LearningError("learning.device", "a GPU for cuda", built, _REMEDY)


def name_of(device: str) -> str:
    """Name what computes, for a manifest; empty for the processor, which has its own line."""
    if device == "cpu" or not torch.cuda.is_available():
        return ""
    return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"


@contextmanager
def computing_on(device: str) -> Iterator[None]:
    """Make new tensors there, whoever makes them.

    Raises LearningError where the GPU's memory does not do.
    """
    if device == "cpu":
        yield
        return
    try:
        with torch.device(device):
            yield
    except torch.OutOfMemoryError as error:
        got = str(error).split(". ", maxsplit=1)[0]
        remedy = "use fewer devices, a smaller learning.batch_size, or learning.device cpu"
        raise LearningError("learning.device cuda", "enough of its memory", got, remedy) from error


def stack_on(device: str, stack: Stack) -> Stack:
    """Return a stack there; where it is already, the same tensors."""
    return {name: value.to(device) for name, value in stack.items()}


def data_on(device: str, data: DeviceData) -> DeviceData:
    """Return what devices train on there."""
    return replace(
        data,
        inputs=stack_on(device, data.inputs),
        label=data.label.to(device),
        index=data.index.to(device),
        scale={m: Scale(s.mean.to(device), s.deviation.to(device)) for m, s in data.scale.items()},
    )


def round_on(device: str, round_: Round) -> Round:
    """Return what devices know when a round begins there."""
    state, prior = stack_on(device, round_.state), round_.class_prior.to(device)
    return replace(round_, state=state, class_prior=prior)
