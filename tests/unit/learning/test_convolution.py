"""A convolution and the largest of neighbours: values and gradients of PyTorch's own layers."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from learning.model.convolution import convolve_and_pool

CONVOLVE = {1: functional.conv1d, 2: functional.conv2d}
POOL = {1: functional.max_pool1d, 2: functional.max_pool2d}


def whole(*shape: int) -> Tensor:
    """Small whole numbers, zeros of both signs: sums are exact, and many neighbours are equal."""
    return torch.randint(-2, 3, shape) * (2.0 * torch.randint(0, 2, shape) - 1.0)


def layers(h: Tensor, weight: Tensor, bias: Tensor, pool: int) -> Tensor:
    """The same by PyTorch, a device at a time."""
    dims = h.dim() - 3
    each = [
        POOL[dims](CONVOLVE[dims](x.transpose(0, 1), w, b, padding=2), pool).transpose(0, 1)
        for x, w, b in zip(h, weight, bias, strict=True)
    ]
    return torch.stack(each)


@pytest.mark.parametrize("pool", [2, 3, 4])
@pytest.mark.parametrize("extent", [(4,), (16,), (19,), (5, 4), (9, 14)])
def test_values_and_gradients_are_those_of_pytorch_with_the_first_of_equals(
    extent: tuple[int, ...], pool: int
) -> None:
    torch.manual_seed(3)
    kernel = (5,) * len(extent)
    given = whole(3, 2, 4, *extent), whole(3, 6, 2, *kernel), whole(3, 6) + 0.0
    mine, usual = ([x.clone().requires_grad_() for x in given] for _ in range(2))
    result, expected = convolve_and_pool(*mine, pool), layers(*usual, pool)
    assert torch.equal(result, expected)
    assert not torch.signbit(result[result == 0]).any()
    weight = whole(*expected.shape)
    (result * weight).sum().backward()
    (expected * weight).sum().backward()
    for a, b in zip(mine, usual, strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.equal(a.grad, b.grad)
    with torch.no_grad():
        assert torch.equal(convolve_and_pool(*given, pool), expected)


@pytest.mark.parametrize("extent", [(16,), (9, 14)])
def test_samples_that_all_devices_share_are_seen_by_each_with_its_own_weights(
    extent: tuple[int, ...],
) -> None:
    torch.manual_seed(4)
    h, kernel = torch.randn(1, 3, 7, *extent), (5,) * len(extent)
    weight, bias = torch.randn(5, 8, 3, *kernel), torch.randn(5, 8)
    shared = [h.expand(5, *h.shape[1:]), weight, bias]
    results, gradients = [], []
    for given in (shared, [x.contiguous() for x in shared]):
        leaves = [x.detach().requires_grad_() for x in given]
        results.append(convolve_and_pool(*leaves, 4))
        gradients.append(torch.autograd.grad(results[-1].square().sum(), leaves))
    assert torch.allclose(*results, atol=1e-4)
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-3)


def test_what_is_no_number_stays_none_and_harms_no_other_place() -> None:
    h = torch.zeros(1, 1, 1, 16)
    h[..., 0] = torch.nan
    weight = torch.ones(1, 1, 1, 5)
    result = convolve_and_pool(h, weight, torch.zeros(1, 1), 4)
    assert torch.isnan(result).flatten().tolist() == [True, False, False, False]
    leaf = torch.zeros(1, 1, 1, 16).requires_grad_()
    g = torch.tensor([[[[torch.inf, 1.0, 1.0, 1.0]]]])
    convolve_and_pool(leaf, weight, torch.zeros(1, 1), 4).backward(g)  # and nothing is warned of
    assert leaf.grad is not None
    # The gradient goes to places 0, 4, 8 and 12, the first of equals, and from each to the two on
    # either side; that of the first four is no number.
    assert leaf.grad.flatten().isfinite().tolist() == [False] * 6 + [True] * 10
    assert leaf.grad.flatten()[6:].tolist() == [2.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0]


def test_a_second_derivative_is_refused_and_not_wrong() -> None:
    weight = torch.ones(1, 1, 1, 5, requires_grad=True)
    result = convolve_and_pool(torch.ones(1, 1, 1, 8), weight, torch.zeros(1, 1), 4)
    (g,) = torch.autograd.grad(result.square().sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        g.sum().backward()
