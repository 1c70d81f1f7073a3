import numpy as np
import pytest
import torch

from learning.model.products import multiply


@pytest.mark.parametrize(
    ("a", "b"), [((5, 3, 7), (5, 7, 4)), ((6, 2), (2, 9)), ((2, 1, 3), (2, 3, 1)), ((1, 4), (4, 1))]
)
def test_products_and_their_slopes_are_those_of_sums_written_out(a, b):
    source = torch.Generator().manual_seed(3)
    x, y = (torch.randn(size, generator=source).requires_grad_() for size in (a, b))
    z = multiply(x, y)
    weight = torch.randn(z.shape, generator=source)
    dx, dy = torch.autograd.grad(z, [x, y], weight)
    # [.., i, k, j]
    terms = x.detach()[..., :, :, None].double() * y.detach()[..., None, :, :].double()
    torch.testing.assert_close(z.double(), terms.sum(-2), atol=1e-6, rtol=1e-5)
    of_x = (weight[..., :, None, :].double() * y.detach()[..., None, :, :].double()).sum(-1)
    of_y = (weight[..., :, None, :].double() * x.detach()[..., :, :, None].double()).sum(-3)
    torch.testing.assert_close(dx.double(), of_x, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(dy.double(), of_y, atol=1e-6, rtol=1e-5)


def test_a_factor_that_needs_no_slope_gets_none():
    x, y = torch.ones(2, 3), torch.ones(3, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(multiply(x, y).sum(), [y])
    torch.testing.assert_close(slope, torch.full((3, 2), 2.0))
    assert not multiply(x, x.T).requires_grad


@pytest.mark.parametrize(
    ("a", "b"),
    # Convolutions of training and of evaluation, and a layer, of the default model.
    [((50, 8, 15), (50, 15, 4096)), ((50, 16, 40), (50, 40, 1024)), ((50, 32, 128), (50, 128, 64))],
)
def test_a_matrix_has_the_same_bits_alone_and_among_others(a, b):
    rng = np.random.default_rng(1)
    x, y = (torch.from_numpy(rng.normal(size=s).astype(np.float32)) for s in (a, b))
    together = multiply(x, y)
    for chosen in ([7], [49, 0], [*range(3, 30, 4)]):
        assert torch.equal(multiply(x[chosen], y[chosen]), together[chosen])
        apart = multiply(x[chosen], y[chosen].transpose(1, 2).contiguous().transpose(1, 2))
        torch.testing.assert_close(apart, together[chosen], atol=1e-4, rtol=1e-4)
