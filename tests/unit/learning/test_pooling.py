"""The largest of neighbours and its gradient are those of PyTorch's pooling."""

import pytest
import torch
from torch.nn import functional

from learning.model.pooling import largest


def values_of(shape: tuple[int, ...]) -> torch.Tensor:
    """Few different values, so that many neighbours are equal, and zeros of both signs."""
    torch.manual_seed(3)
    return torch.randint(-2, 3, shape) * (2.0 * torch.randint(0, 2, shape) - 1.0)


@pytest.mark.parametrize("shape", [(2, 3, 5, 16), (1, 1, 1, 4), (3, 2, 4, 30)])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_rows_are_pooled_and_their_gradient_goes_where_that_of_pytorch_goes(
    shape: tuple[int, ...], size: int
) -> None:
    mine, usual = (values_of(shape).requires_grad_() for _ in range(2))
    pooled, expected = largest(mine, size), functional.max_pool2d(usual, (1, size))
    assert torch.equal(pooled, expected)
    assert not torch.signbit(pooled[pooled == 0]).any()
    weight = torch.randn(expected.shape)
    (pooled * weight).sum().backward()
    (expected * weight).sum().backward()
    assert mine.grad is not None
    assert usual.grad is not None
    assert torch.equal(mine.grad, usual.grad)
    with torch.no_grad():
        assert torch.equal(largest(mine, size), expected)


@pytest.mark.parametrize("size", [2, 4])
def test_images_are_pooled_in_both_dimensions(size: int) -> None:
    images = values_of((2, 3, 4, 9, 12))
    expected = functional.max_pool3d(images, (1, size, size))
    assert torch.equal(largest(images.requires_grad_(), size), expected)
    with torch.no_grad():
        assert torch.equal(largest(images, size), expected)


def test_what_is_no_number_stays_none() -> None:
    h = torch.tensor([[[[1.0, float("nan"), 3.0, 2.0, 0.0, 1.0]]]], requires_grad=True)
    assert torch.isnan(largest(h, 3)).tolist() == [[[[True, False]]]]


def test_a_second_derivative_is_refused_and_not_wrong() -> None:
    h = torch.ones(1, 1, 1, 4, requires_grad=True)
    (g,) = torch.autograd.grad(largest(h, 2).square().sum(), h, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        g.sum().backward()
