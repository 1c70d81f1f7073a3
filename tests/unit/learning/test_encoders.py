"""The built-in encoders of every kind of modality are ordinary torch modules, run as one batch."""

import numpy as np
import pytest
import torch
from learning_reference import Encoder, different_parameters
from torch.utils.flop_counter import FlopCounterMode

from learning.errors import LearningError
from learning.model.stack import encode, make_model, take

KINDS = [(20,), (3, 128), (2, 43), (1, 28, 28), (3, 17, 30), (2, 8, 9)]
N, BATCH, C, D = 3, 4, 5, 6


def twins_of(stack, shape):
    """Each device's encoder as a module of nn.Conv1d, nn.Conv2d and nn.Linear."""
    for k in range(N):
        twin = Encoder(shape, D, D, C)
        with torch.no_grad():
            for layer, module in twin.named_children():
                if layer != "specific":
                    module.weight.copy_(stack[f"encoder_x/{layer}_weight"][k])
                    module.bias.copy_(stack[f"encoder_x/{layer}_bias"][k])
        yield twin


@pytest.mark.parametrize("shape", KINDS)
def test_stacked_encoders_equal_ordinary_modules_in_values_and_gradients(shape):
    model = make_model({"x": shape}, C, D, D, seed=3)
    stack = different_parameters(model, N)
    x = torch.randn(N, BATCH, *shape, generator=torch.Generator().manual_seed(1))
    leaves = {k: v.requires_grad_() for k, v in take(stack, "encoder_x", torch.arange(N)).items()}
    common, specific = encode(model, leaves, "x", x)
    (common.square().sum() + specific.sum()).backward()
    for k, twin in enumerate(twins_of(stack, shape)):
        c, s = twin(x[k])
        (c.square().sum() + s.sum()).backward()
        torch.testing.assert_close(common[k], c, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(specific[k], s, atol=1e-5, rtol=1e-4)
        for layer, module in twin.named_children():
            if layer != "specific":
                mine = leaves[f"encoder_x/{layer}_weight"].grad[k]
                torch.testing.assert_close(mine, module.weight.grad, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("shape", KINDS)
def test_the_work_of_an_encoder_is_what_torch_counts_of_the_ordinary_module(shape):
    encoder = make_model({"x": shape}, C, D, D, seed=3).encoders["x"]
    twin = Encoder(shape, D, D, C)
    with FlopCounterMode(display=False) as counter:
        torch.cat(twin(torch.randn(BATCH, *shape)), 1).sum().backward()
    assert counter.get_total_flops() == BATCH * encoder.flop_per_sample


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3, 15), "modality x: expected at least 16 long"),
        ((1, 7, 28), "modality x: expected at least 8 long"),
        ((1, 2, 28, 28), r"modality x: expected samples \(features,\), \(channels, length\)"),
    ],
)
def test_samples_that_no_encoder_fits_are_refused_with_a_remedy(shape, expected):
    with pytest.raises(LearningError, match=expected) as refusal:
        make_model({"x": shape}, C, D, D, seed=3)
    assert "learning.model" in str(refusal.value)


def test_initial_parameters_are_drawn_as_torch_draws_them_and_keyed_by_the_seed():
    shapes = {"x": (1, 28, 28), "y": (20,)}
    one, same, other = (make_model(shapes, C, D, D, seed).initial for seed in (3, 3, 4))
    for name, value in one.items():
        assert torch.equal(value, same[name])
        assert not torch.equal(value, other[name])
    # bound 1 / sqrt(fan_in): 25 taps of one channel, 20 features
    for name, fan_in in (("encoder_x/conv1_weight", 25), ("encoder_y/hidden_weight", 20)):
        largest = float(one[name].abs().max())
        np.testing.assert_allclose(largest, fan_in**-0.5, rtol=0.03)
        assert largest <= fan_in**-0.5
