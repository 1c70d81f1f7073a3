"""The square root for all of learning."""

from __future__ import annotations

from torch import Tensor


def root(x: Tensor) -> Tensor:
    """Take the square root, of the same bits on every processor: 1 / (1 / sqrt x), 0 of 0.

    Within 1.5 units in the last place; its slope at 0 is NaN. torch.sqrt asks MKL, which refines an
    estimate whose bits are each vendor's own; here each step is rounded as IEEE 754 says.
    """
    return x.rsqrt().reciprocal()
