import numpy as np
import pytest
import torch
from learning_reference import Device, make_setup, train_device
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from learning import generator
from learning.baselines import fused_loss
from learning.data.batches import draw_batch, draw_noise, gather_device_data
from learning.data.partition import partition_recordings
from learning.dmml_kd import Knowledge, LossWeights, dmml_kd_loss
from learning.local_training import train_locally
from learning.losses import log_prior
from learning.models import ModelShape, encode, forward, init_parameters, take

SHAPES = {"acc": (3, 128), "gyro": (3, 128)}
SHAPE = ModelShape(SHAPES, 5, 8)
N, BATCH, LEARNING_RATE, SEED = 4, 8, 0.1, 7
# The idle device stands first, so that numbers of devices and rows of a step differ.
UNEQUAL = np.array([[0, 0], [3, 1], [0, 2], [2, 4]])


@pytest.fixture
def device_data(made):
    return gather_device_data(made, partition_recordings(made, make_setup(num_devices=N).data), N)


def different_parameters():
    """A stack whose devices differ, so that a mix-up of rows shows."""
    stack = init_parameters(SHAPE, N, seed=3)
    source = torch.Generator().manual_seed(5)
    return {k: v + 0.02 * torch.randn(v.shape, generator=source) for k, v in stack.items()}


def train_stack(stack, data, tau, objective, clip_norm):
    return train_locally(
        stack,
        data,
        torch.from_numpy(tau),
        lambda step: draw_batch(data, BATCH, SEED, 0, step),
        objective,
        observe=None,
        learning_rate=LEARNING_RATE,
        clip_norm=clip_norm,
    )


def check_against_a_loop_over_devices(data, tau, objective, loss_of, clip_norm):
    stack = different_parameters()
    twins = [Device(stack, k, SHAPES) for k in range(N)]
    result = train_stack(stack, data, tau, objective, clip_norm)
    for k, twin in enumerate(twins):

        def batch(step, k=k):
            rows = draw_batch(data, BATCH, SEED, 0, step)[k]
            return {m: x[rows] for m, x in data.inputs.items()}, data.label[rows]

        if tau[k].any():
            schedule = dict(zip(SHAPES, tau[k].tolist(), strict=True))
            losses = train_device(twin, batch, schedule, loss_of(k), clip_norm)
            np.testing.assert_allclose(result.loss[k, : len(losses)], losses, rtol=1e-4)
            assert result.loss[k, len(losses) :].isnan().all()
        else:
            assert result.loss[k].isnan().all()
        for name, value in twin.named_stack():
            torch.testing.assert_close(stack[name][k], value.detach(), atol=1e-5, rtol=1e-4)
    return result


@pytest.mark.parametrize("clip_norm", [0.2, 1e9])
@pytest.mark.parametrize("tau", [UNEQUAL, np.full((N, 2), 4)], ids=["unequal", "equal"])
def test_stacked_training_equals_a_loop_over_ordinary_modules(device_data, tau, clip_norm):
    def loss_of(_):
        return lambda _device, outputs, label, _step: functional.cross_entropy(outputs[2], label)

    result = check_against_a_loop_over_devices(
        device_data, tau, lambda passed, label, _: fused_loss(passed, label), loss_of, clip_norm
    )
    clipped = (result.gradient_norm[~result.gradient_norm.isnan()] > clip_norm).float().mean()
    assert clipped == (1.0 if clip_norm == 0.2 else 0.0)


def plain_dmml_kd_loss(k, knowledge, weights):
    """The method's loss for one device, term by term with loops over samples."""

    def loss_of(device, outputs, label, step):
        features, alone, fused = outputs
        prior = knowledge.log_prior[k]
        mean, std, known = (
            getattr(knowledge.classes, name)[k] for name in ("mean", "std", "known")
        )
        loss = functional.cross_entropy(fused + prior, label)
        for m, (c, s) in features.items():
            loss = loss + weights.unimodal * functional.cross_entropy(alone[m] + prior, label)
            centred = [v - v.mean(0) for v in (c, s)]
            c_unit, s_unit = (v / (v.square().sum(0) + 1e-6).sqrt() for v in centred)
            loss = loss + weights.orthogonality * (c_unit.T @ s_unit).norm() ** 2 / c.shape[1]
            for i, y in enumerate(label.tolist()):
                if known[y]:
                    away = ((c[i] - mean[y]) ** 2).mean() / len(label)
                    loss = loss + weights.alignment * away
        noise = draw_noise((N, 6, 8), SEED, 0, step)
        q = knowledge.distillation.class_probability[k] * known
        if q.sum() > 0:
            edges = (q.cumsum(0) / q.sum()).tolist()
            y = torch.tensor(
                [next(c for c, e in enumerate(edges) if u < e) for u in noise.uniform[k].tolist()]
            )
            g = (mean[y] + std[y] * noise.normal[k]).relu()
            distilled = functional.cross_entropy(device.common(g), y)
            loss = loss + weights.distillation * knowledge.distillation.weight[k] * distilled
        return loss

    return loss_of


@pytest.mark.parametrize("adjusted", [True, False])
def test_the_whole_method_equals_its_loss_written_out_for_one_device(device_data, adjusted):
    source = torch.Generator().manual_seed(2)
    known = torch.rand(N, 5, generator=source) < 0.7
    known[3] = False
    classes = generator.ClassGaussians(
        torch.rand(N, 5, 8, generator=source), torch.rand(N, 5, 8, generator=source), known
    )
    prior = torch.rand(N, 5, generator=source)
    prior /= prior.sum(1, keepdim=True)
    knowledge = Knowledge(
        log_prior(prior) if adjusted else torch.zeros(N, 5),
        classes,
        generator.what_to_distil(prior, adjusted),
    )
    weights = LossWeights(0.7, 0.3, 0.9, 0.4)
    check_against_a_loop_over_devices(
        device_data,
        UNEQUAL,
        lambda passed, label, step: dmml_kd_loss(
            passed, label, knowledge, draw_noise((N, 6, 8), SEED, 0, step), weights
        ),
        lambda k: plain_dmml_kd_loss(k, knowledge, weights),
        clip_norm=2.0,
    )


def test_a_missing_modality_is_left_out_of_the_mean_not_filled_with_zeros():
    stack = different_parameters()
    x = torch.randn(2, 3, 3, 128, generator=torch.Generator().manual_seed(1))
    both, only_gyro = torch.tensor([0, 2]), torch.tensor([1])
    passed = forward(
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
    stack = different_parameters()
    x = torch.randn(N, 5, 3, 128, generator=torch.Generator().manual_seed(1))
    common, specific = encode(take(stack, "encoder_acc", torch.arange(N)), "acc", x)
    for k in range(N):
        c, s = Device(stack, k, SHAPES).encoders["acc"](x[k])
        torch.testing.assert_close(common[k], c, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(specific[k], s, atol=1e-5, rtol=1e-4)


def test_all_devices_start_from_the_same_model_of_the_usual_scale():
    stack = init_parameters(SHAPE, N, seed=3)
    for name, value in stack.items():
        assert torch.equal(value, value[:1].expand_as(value))
        assert float(value[0].abs().max()) > 0, name
    # bound 1 / sqrt(3 * 5); a uniform draw has deviation bound / sqrt(3)
    weight = stack["encoder_acc/conv1_weight"][0]
    assert float(weight.abs().max()) <= 15**-0.5
    assert float(weight.std()) == pytest.approx(15**-0.5 / 3**0.5, rel=0.15)


def test_skipped_iterations_are_not_computed_at_all(device_data):
    def work(tau):
        with FlopCounterMode(display=False) as counter:
            train_stack(
                different_parameters(),
                device_data,
                np.array(tau),
                lambda passed, label, _: fused_loss(passed, label),
                1e9,
            )
        return counter.get_total_flops()

    one = work([[1, 0], [0, 0], [0, 0], [0, 0]])
    assert one > 0
    assert work([[3, 1], [0, 2], [0, 0], [1, 1]]) == 8 * one
