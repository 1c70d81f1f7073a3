"""Products of many small matrices: by NumPy on the processor, by PyTorch elsewhere.

MKL, which PyTorch asks, gives the same bits on every processor only in a mode that is three to six
times as slow on matrices of this size; OpenBLAS, which NumPy asks, does with the kernels of one
processor fixed, at the speed of MKL left alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _Product(torch.autograd.Function):
    """C = A B by NumPy: dA = dC B^T, dB = A^T dC."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return multiplied(a, b)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (a, b), (g,) = ctx.saved_tensors, gradients
        of_a = multiplied(g, b.transpose(-1, -2)) if ctx.needs_input_grad[0] else None
        of_b = multiplied(a.transpose(-1, -2), g) if ctx.needs_input_grad[1] else None
        return of_a, of_b


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices: (i, k) (k, j) -> (i, j), or n of them, (n, i, k) (n, k, j) -> (n, i, j).

    Float32. A matrix has the same bits alone and among others.
    """
    if not a.is_cpu:
        return a @ b
    result: Tensor = _Product.apply(a, b)  # type: ignore[no-untyped-call]
    return result


def multiplied(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices without a gradient, also of more dimensions, as @ does."""
    if not a.is_cpu:
        return a @ b
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found by its loss
        return torch.from_numpy(np.matmul(a.detach().numpy(), b.detach().numpy()))
