"""The work of torch functions that are not ours, against formulas written by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from learning.model.work_count import Counter, count_training

B, IN, OUT, T = 6, 7, 5, 9


def flop_of(function, *parameters):
    work = count_training(lambda: function(*parameters), parameters)
    assert work.uncounted is None
    return work.flop


def draw(*size):
    return torch.randn(*size, generator=torch.Generator().manual_seed(1)).requires_grad_()


X, W = draw(B, IN).detach(), draw(OUT, IN)
LINEAR = 2 * 2 * B * IN * OUT  # the product and the gradient of the weights; x needs none


@pytest.mark.parametrize(
    "linear",
    [
        lambda w: functional.linear(X, w),
        lambda w: torch.einsum("bi,oi->bo", X, w),
        lambda w: (X[:, None] * w).sum(-1),
        lambda w: (X[:, None].expand(B, OUT, IN) * w.expand(B, OUT, IN)).sum(-1),
        lambda w: torch.stack([torch.mv(w, x) for x in X]),
    ],
)
def test_a_product_costs_the_same_however_it_is_written(linear):
    torch.testing.assert_close(linear(W), X @ W.T)
    assert flop_of(linear, W) == LINEAR


def test_products_of_vectors_are_counted():
    with Counter() as counter:
        _ = torch.dot(W[0], X[0]) + torch.vdot(W[1], X[1])
        torch.addmv(X[0, :OUT], W, X[0])
    assert counter.flop == 2 * 2 * IN + 2 * OUT * IN


def test_windows_of_a_signal_times_taps_are_a_convolution():
    taps, signal = draw(3), draw(B, 20).detach()
    by_hand = lambda w: (signal.unfold(1, 3, 1) * w).sum(-1)  # noqa: E731
    expected = functional.conv1d(signal[:, None], taps.flip(0)[None, None])
    assert by_hand(taps).shape == expected[:, 0].shape
    assert flop_of(by_hand, taps) == 2 * 2 * B * 18 * 3


def test_attention_is_counted_as_its_two_products():
    heads, width = 2, 4
    q, k, v = (draw(B, heads, T, width) for _ in range(3))
    product = 2 * B * heads * T * T * width
    # Forward two, backward two for each of them.
    expected = 6 * product
    assert flop_of(functional.scaled_dot_product_attention, q, k, v) == expected
    by_hand = lambda q, k, v: (q @ k.mT / width**0.5).softmax(-1) @ v  # noqa: E731
    assert flop_of(by_hand, q, k, v) == expected


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_a_recurrent_layer_is_counted_step_by_step(kind, gates):
    layer = kind(IN, OUT, batch_first=True)
    x = draw(B, T, IN).detach()
    from_input, from_state = 2 * gates * B * OUT * IN, 2 * gates * B * OUT * OUT
    # Weights have a gradient in every step, the state in all but the first, the input in none.
    expected = T * (2 * from_input + 2 * from_state) + (T - 1) * from_state
    assert flop_of(lambda *_: layer(x)[0], *layer.parameters()) == expected


@pytest.mark.parametrize(
    "layer",
    [
        nn.Sequential(nn.LayerNorm(8), nn.GELU(), nn.Softmax(-1), nn.Hardswish(), nn.Mish()),
        nn.Sequential(
            nn.GroupNorm(2, 4), nn.MaxPool1d(2), nn.AvgPool1d(2), nn.Upsample(8), nn.GLU()
        ),
        nn.Sequential(nn.RMSNorm(8), nn.PReLU(), nn.LPPool1d(2, 2), nn.ConstantPad1d(1, 0.0)),
    ],
)
def test_what_is_no_product_is_free_in_both_passes(layer):
    x = draw(3, 4, 8)
    parameters = [x, *layer.parameters()]
    assert flop_of(lambda x, *_: layer(x), *parameters) == 0


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda w: torch.fft.rfft(w).abs(), "_fft_r2c"),
        (lambda w: torch.cdist(X, w), "_cdist_forward"),
        (lambda w: torch.matrix_exp(w @ w.mT), "linalg_matrix_exp"),
        (torch.linalg.svdvals, "_linalg_svd"),
        (lambda w: torch.linalg.inv(w @ w.mT), "linalg_inv_ex"),
        (lambda w: functional.bilinear(X, X, torch.ones(2, IN, IN) * w[0, 0]), "_trilinear"),
        (lambda w: torch.view_as_complex(w[:, :6].reshape(-1, 2)).abs(), "view_as_complex"),
    ],
)
def test_an_operation_without_a_formula_is_named(function, name):
    assert count_training(lambda: function(W), [W]).uncounted == name
