"""A convolution and the largest of neighbours in its result, every device with its own weights.

What is pooled together is one place of each of `pool` phases (along each dimension): place
pool q + r of the result is place q of phase r. Of the padded input, plane j has the places
pool q + j, so that phase r is one product of the weights with planes r to r + KERNEL - 1, and the
largest is taken of whole phases. Of signals these planes lie side by side: nothing is copied tap by
tap; of images the taps of one phase are copied at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from types import EllipsisType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from learning.model.products import multiplied

KERNEL = 5


def convolve_and_pool(h: Tensor, weight: Tensor, bias: Tensor, pool: int) -> Tensor:
    """Convolve, zero-padded to the same extent, and take the largest of `pool` along each of it.

    h (a, c_in, B, *extent), weight (a, c_out, c_in, *kernel), bias (a, c_out)
    -> (a, c_out, B, *(extent // pool)); what fills no `pool` is left out. The gradient goes to the
    first of those that are equal before the bias, of what is no number to any of the neighbours.
    """
    largest: Tensor = _Largest.apply(h, weight, bias, pool)  # type: ignore[no-untyped-call]
    return largest


class _Largest(torch.autograd.Function):
    """The bias and the largest phase: the largest of sums is the sum with the largest."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, bias: Tensor, pool: int) -> Tensor:
        # Expanded over the devices: all see the same samples, as in an evaluation.
        same = h.stride(0) == 0 and len(h) > 1
        planes, kernel = _planes(h[:1] if same else h, pool), _by_taps(weight)
        phases = (phase for taps in _taps(planes, pool) for phase in _phases(kernel, taps, same))
        best, learns = next(phases).contiguous(), any(ctx.needs_input_grad)
        which = best.new_zeros(best.shape if learns else 0, dtype=torch.int8)
        for r, phase in enumerate(phases, start=1):
            if learns:
                torch.maximum(which, _is_larger(phase, best) * r, out=which)  # r only grows
            torch.maximum(best, phase, out=best)
        ctx.save_for_backward(planes, weight, which)
        ctx.pool, ctx.extent = pool, h.shape[3:]
        best += bias[:, :, None]
        return best.view(*bias.shape, *planes.shape[-1 - len(ctx.extent) :])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        planes, weight, which = ctx.saved_tensors
        kernel, g = _by_taps(weight), g.flatten(2)
        needs_h = ctx.needs_input_grad[0]
        of_kernel = torch.zeros_like(kernel)
        of_planes = planes.new_zeros(len(g) if needs_h else 0, *planes.shape[1:])
        windows, first = _windows(of_planes, ctx.pool), 0
        for taps in _taps(planes, ctx.pool):
            mine = _apart(g, which, range(first, first + taps.shape[1]))
            of_kernel += multiplied(mine, taps.transpose(2, 3)).sum(1)
            first += taps.shape[1]
            if needs_h:
                back = multiplied(kernel.transpose(1, 2)[:, None], mine)
                for each in back.unbind(1):
                    window = next(windows)
                    window.add_(each.view(window.shape))
        taps_of_kernel = KERNEL ** len(ctx.extent)
        of_weight = of_kernel.view(*kernel.shape[:2], taps_of_kernel, weight.shape[2])
        of_h = _joined(of_planes, ctx.pool, ctx.extent) if needs_h else None
        return of_h, of_weight.transpose(2, 3).reshape(weight.shape), g.sum(2), None


def _phases(kernel: Tensor, taps: Tensor, same: bool) -> Iterator[Tensor]:
    """Multiply (a, c_out, taps c) with some phases' factors, (a, c_out, N) each.

    same: these are of all devices, (1, R, taps c, N).
    """
    if not same:
        return iter(multiplied(kernel[:, None], taps).unbind(1))
    together = multiplied(kernel.flatten(0, 1), taps[0])
    return iter(together.view(len(together), *kernel.shape[:2], taps.shape[3]).unbind(0))


def _is_larger(a: Tensor, b: Tensor) -> Tensor:
    """Compare, into int8: PyTorch takes several times as long on a CPU."""
    if not a.is_cpu:
        return (a > b).to(torch.int8)
    return torch.from_numpy((a.numpy() > b.numpy()).view(np.int8))


def _apart(g: Tensor, which: Tensor, phases: range) -> Tensor:
    """Give some phases what belongs to each, 0 elsewhere: (a, c_out, N) -> (a, R, c_out, N).

    PyTorch takes several times as long on a CPU.
    """
    if not g.is_cpu:
        return torch.stack([g * (which == r) for r in phases], dim=1)
    numbers = np.array(phases, dtype=np.int8)[:, np.newaxis, np.newaxis]
    with np.errstate(invalid="ignore"):  # what is not finite is found by its loss
        return torch.from_numpy(
            g.numpy()[:, np.newaxis] * (which.numpy()[:, np.newaxis] == numbers)
        )


def _by_taps(weight: Tensor) -> Tensor:
    """Order a kernel as the planes are: (a, c_out, c_in, *kernel) -> (a, c_out, taps c_in)."""
    return weight.flatten(3).transpose(2, 3).flatten(2)


def _planes(h: Tensor, pool: int) -> Tensor:
    """Cut (a, c, B, *extent) into (a, *j, c, B, *(extent // pool)), zero-padded."""
    extent = h.shape[3:]
    padded = functional.pad(h, (KERNEL // 2, KERNEL // 2) * len(extent))
    for dim in range(3, h.dim()):
        padded = padded.unfold(dim, pool + KERNEL - 1, pool)
    last = range(h.dim(), padded.dim())
    return padded.permute(0, *last, *range(1, h.dim())).contiguous()


def _joined(planes: Tensor, pool: int, extent: Sequence[int]) -> Tensor:
    """Add up what each place of (a, c, B, *extent) is to all planes: the transpose of _planes."""
    dims = len(extent)
    wide = [length + KERNEL - 1 for length in extent]
    apart = planes.flatten(1, dims)
    joined = planes.new_zeros(len(planes), *apart.shape[2:4], *wide)
    for number, first in enumerate(product(range(pool + KERNEL - 1), repeat=dims)):
        at = [
            slice(j, j + pool * (length // pool), pool)
            for j, length in zip(first, extent, strict=True)
        ]
        _cut(joined, at).add_(apart[:, number])
    return _cut(joined, [slice(KERNEL // 2, KERNEL // 2 + length) for length in extent])


def _cut(h: Tensor, at: list[slice]) -> Tensor:
    """Cut the last dimensions."""
    index: tuple[EllipsisType | slice, ...] = (..., *at)
    return h[index]


def _windows(planes: Tensor, pool: int) -> Iterator[Tensor]:
    """Give the planes that each phase is made of, (a, *kernel, c, B, *count)."""
    for r in product(range(pool), repeat=(planes.dim() - 3) // 2):
        window = planes
        for dim, first in enumerate(r, start=1):
            window = window.narrow(dim, first, KERNEL)
        yield window


def _taps(planes: Tensor, pool: int) -> Iterator[Tensor]:
    """Give the factors of some phases at a time, (a, R, taps c, B prod(count)).

    Of signals all, which is a view and takes few calls; of images one, which is copied.
    """
    dims = (planes.dim() - 3) // 2
    if dims == 1:
        yield planes.unfold(1, KERNEL, 1).movedim(-1, 2).flatten(2, 3).flatten(3)
        return
    for window in _windows(planes, pool):
        yield window.flatten(1, 1 + dims).flatten(2)[:, None]
