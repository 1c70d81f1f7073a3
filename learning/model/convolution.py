"""A convolution and the largest of neighbours in its result, every device with its own weights.

What is pooled together is one place of each of `pool` phases: place pool q + r of the result is
place q of phase r. Of the padded input, plane j has the places pool q + j, so that phase r is one
product of the weights with planes r to r + KERNEL - 1. They lie side by side, and the largest is
taken of whole phases: nothing is copied tap by tap, and no number is looked for among others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
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
    first of equals, and of what is no number to any of the neighbours.
    """
    largest: Tensor = _Largest.apply(h, weight, bias, pool)  # type: ignore[no-untyped-call]
    return largest


class _Largest(torch.autograd.Function):
    """The bias and the largest phase: the largest of sums is the sum with the largest."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, bias: Tensor, pool: int) -> Tensor:
        # Expanded over the devices: all see the same samples, as in an evaluation.
        same = h.stride(0) == 0 and len(h) > 1
        planes = _planes(h[:1] if same else h, pool)
        kernel = _by_taps(weight)
        learns, best = any(ctx.needs_input_grad), torch.empty(0)
        which = torch.empty(0, dtype=torch.int8)
        for r, taps in enumerate(_phases(planes, pool)):
            if same:
                phase = multiplied(kernel.flatten(0, 1), taps[0]).view(*kernel.shape[:2], -1)
            else:
                phase = multiplied(kernel, taps)
            if r == 0:
                best, which = phase, which.new_zeros(phase.shape if learns else 0)
                continue
            if learns:
                which += _is_larger(phase, best) * (r - which)
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
        of_planes = planes.new_zeros(len(g), *planes.shape[1:]) if needs_h else planes[:0]
        windows = _windows(of_planes, ctx.pool)
        for r, taps in enumerate(_phases(planes, ctx.pool)):
            mine = _where(which, r, g)
            of_kernel += multiplied(mine, taps.transpose(1, 2))
            if needs_h:
                window = next(windows)
                window += multiplied(kernel.transpose(1, 2), mine).view(window.shape)
        of_weight = of_kernel.view(*kernel.shape[:2], -1, weight.shape[2]).transpose(2, 3)
        of_h = _joined(of_planes, ctx.pool, ctx.extent) if needs_h else None
        return of_h, of_weight.reshape(weight.shape), g.sum(2), None


def _is_larger(a: Tensor, b: Tensor) -> Tensor:
    """Compare, into int8: PyTorch takes four times as long on a CPU."""
    if not a.is_cpu:
        return (a > b).to(torch.int8)
    return torch.from_numpy((a.numpy() > b.numpy()).view(np.int8))


def _where(which: Tensor, r: int, g: Tensor) -> Tensor:
    """Keep what belongs to a phase, 0 elsewhere: PyTorch takes seven times as long on a CPU."""
    if not g.is_cpu:
        return g * (which == r)
    with np.errstate(invalid="ignore"):  # what is not finite is found by its loss
        return torch.from_numpy(g.numpy() * (which.numpy() == r))


def _by_taps(weight: Tensor) -> Tensor:
    """Order a kernel as the planes are: (a, c_out, c_in, *kernel) -> (a, c_out, taps c_in)."""
    return weight.flatten(3).transpose(2, 3).flatten(2)


def _planes(h: Tensor, pool: int) -> Tensor:
    """Cut (a, c, B, *extent) into (a, *j, c, B, *(extent // pool)), zero-padded."""
    extent = h.shape[3:]
    padded = functional.pad(h, (KERNEL // 2, KERNEL // 2) * len(extent))
    for dim in range(3, h.dim()):
        count = h.shape[dim] // pool
        padded = padded.narrow(dim, 0, pool * count + KERNEL - 1)
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
    """Return the last dimensions cut."""
    index: tuple[EllipsisType | slice, ...] = (..., *at)
    return h[index]


def _windows(planes: Tensor, pool: int) -> Iterator[Tensor]:
    """Give the planes that each phase is made of, (a, *kernel, c, B, *count)."""
    for r in product(range(pool), repeat=(planes.dim() - 3) // 2):
        window = planes
        for dim, first in enumerate(r, start=1):
            window = window.narrow(dim, first, KERNEL)
        yield window


def _phases(planes: Tensor, pool: int) -> Iterator[Tensor]:
    """Give the factor of each phase, (a, taps c, B prod(count)); along one dimension, a view."""
    dims = (planes.dim() - 3) // 2
    for window in _windows(planes, pool):
        size = window.shape
        yield window.reshape(size[0], prod(size[1 : 2 + dims]), -1)
