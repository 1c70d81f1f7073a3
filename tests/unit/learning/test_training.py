import numpy as np
import pytest
import torch
from learning_reference import (
    Device,
    check_against_a_loop_over_devices,
    different_parameters,
    make_setup,
    plain_loss,
)
from torch.utils.flop_counter import FlopCounterMode

from learning.data.batches import draw_batch, gather_device_data
from learning.data.dealing.partition import partition_recordings
from learning.method import Rules
from learning.model.losses import fused_loss
from learning.model.stack import encode, forward, init_parameters, make_model, take
from learning.training.local_training import train_locally

SHAPES = {"acc": (3, 128), "gyro": (3, 128)}
MODEL = make_model(SHAPES, 5, common_dim=8, specific_dim=8, seed=3)
N, BATCH, LEARNING_RATE, SEED = 4, 8, 0.1, 7
# The idle device stands first, so that numbers of devices and rows of a step differ.
UNEQUAL = np.array([[0, 0], [3, 1], [0, 2], [2, 4]])
FUSED = Rules(lambda passed, label, step: fused_loss(passed, label))


@pytest.fixture
def device_data(made):
    return gather_device_data(made, partition_recordings(made, make_setup(num_devices=N)), N)


@pytest.mark.parametrize("clip_norm", [0.2, 1e9])
@pytest.mark.parametrize("tau", [UNEQUAL, np.full((N, 2), 4)], ids=["unequal", "equal"])
def test_stacked_training_equals_a_loop_over_ordinary_modules(device_data, tau, clip_norm):
    result = check_against_a_loop_over_devices(
        MODEL, SHAPES, device_data, tau, lambda _: FUSED, None, lambda k: plain_loss, clip_norm
    )
    clipped = (result.gradient_norm[~result.gradient_norm.isnan()] > clip_norm).float().mean()
    assert clipped == (1.0 if clip_norm == 0.2 else 0.0)


def test_a_missing_modality_is_left_out_of_the_mean_not_filled_with_zeros():
    stack = different_parameters(MODEL, N)
    x = torch.randn(2, 3, 3, 128, generator=torch.Generator().manual_seed(1))
    both, only_gyro = torch.tensor([0, 2]), torch.tensor([1])
    passed = forward(
        MODEL,
        {
            "acc": take(stack, "encoder_acc", both[:1]),
            "gyro": take(stack, "encoder_gyro", both),
        },
        take(stack, "head", both),
        {"acc": x[:1], "gyro": x},
        both,
        {"acc": torch.tensor([0]), "gyro": torch.tensor([0, 1])},
    )
    gyro = passed.modality_logits["gyro"]
    torch.testing.assert_close(passed.fused_logits[only_gyro], gyro[only_gyro])
    mean = (passed.modality_logits["acc"][0] + gyro[0]) / 2
    torch.testing.assert_close(passed.fused_logits[0], mean)


def test_stacked_encoders_give_each_device_its_own_features():
    stack = different_parameters(MODEL, N)
    x = torch.randn(N, 5, 3, 128, generator=torch.Generator().manual_seed(1))
    common, specific = encode(MODEL, take(stack, "encoder_acc", torch.arange(N)), "acc", x)
    for k in range(N):
        c, s = Device(stack, k, SHAPES).encoders["acc"](x[k])
        torch.testing.assert_close(common[k], c, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(specific[k], s, atol=1e-5, rtol=1e-4)


def test_all_devices_start_from_the_same_model_of_the_usual_scale():
    stack = init_parameters(MODEL, N)
    for name, value in stack.items():
        assert torch.equal(value, value[:1].expand_as(value))
        assert float(value[0].abs().max()) > 0, name
    # bound 1 / sqrt(3 * 5); a uniform draw has deviation bound / sqrt(3)
    weight = stack["encoder_acc/conv1_weight"][0]
    assert float(weight.abs().max()) <= 15**-0.5
    assert float(weight.std()) == pytest.approx(15**-0.5 / 3**0.5, rel=0.15)


@pytest.mark.usefixtures("torch_counts")
def test_skipped_iterations_are_not_computed_at_all(device_data):
    def work(tau):
        with FlopCounterMode(display=False) as counter:
            train_locally(
                MODEL,
                different_parameters(MODEL, N),
                device_data,
                torch.tensor(tau),
                lambda step: draw_batch(device_data, BATCH, SEED, 0, step),
                FUSED,
                learning_rate=LEARNING_RATE,
                clip_norm=1e9,
            )
        return counter.get_total_flops()

    one = work([[1, 0], [0, 0], [0, 0], [0, 0]])
    assert one > 0
    assert work([[3, 1], [0, 2], [0, 0], [1, 1]]) == 8 * one
