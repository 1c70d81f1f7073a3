"""Methods that share prototypes, generators or data, derived a second way."""

from collections import defaultdict

import numpy as np
import pytest
import torch
from learning_reference import (
    DEFAULTS,
    Device,
    check_against_a_loop_over_devices,
    distilled,
    everything_arrives,
    generator_module,
    make_round,
    make_setup,
    plain_loss,
    random_sums,
    train_device,
)
from torch.nn import functional

from learning.data.batches import draw_batch, gather_device_data
from learning.data.dealing.partition import partition_recordings
from learning.data.samples import TRAIN
from learning.errors import LearningError
from learning.learner import Learner
from learning.methods import fedgen, fedgen_strong, fedproto
from learning.model.stack import make_model

SHAPES = {"acc": (3, 128), "gyro": (3, 128)}
# Without a decomposition all 16 features are common.
WHOLE = make_model(SHAPES, 5, common_dim=16, specific_dim=0, seed=3)
N = 4
UNEQUAL = np.array([[0, 0], [3, 1], [0, 2], [2, 4]])
PRIOR = torch.tensor([[0.2] * 5, [0.5, 0.2, 0.3, 0, 0], [0, 0, 0, 0, 1.0], [0.4, 0.3, 0.3, 0, 0]])


@pytest.fixture
def device_data(made):
    return gather_device_data(made, partition_recordings(made, make_setup(num_devices=N)), N)


def some_known():
    known = torch.rand(N, 5, generator=torch.Generator().manual_seed(2)) < 0.7
    known[3] = False
    return known


def batches_of(data, device, round_index, size=8):
    def batch(step):
        rows = draw_batch(data, size, DEFAULTS["seed"], round_index, step)[device]
        return {m: x[rows] for m, x in data.inputs.items()}, data.label[rows]

    return batch


def test_fedproto_pulls_features_to_the_prototypes_of_their_class(device_data):
    known = some_known()
    state, mean, _ = random_sums("generator", N, 5, 16, known)
    setup = make_setup(method="fedproto")
    round_ = make_round(fedproto.METHOD, setup, WHOLE, state, PRIOR, prototype_weight=0.8)

    def loss_of(k):
        def loss(device, outputs, label, step):
            total = plain_loss(device, outputs, label, step)
            for z, _ in outputs[0].values():
                for i, y in enumerate(label.tolist()):
                    if known[k, y]:
                        total = total + 0.8 * (z[i] - mean[k, y]).square().mean() / len(label)
            return total

        return loss

    check_against_a_loop_over_devices(
        WHOLE, SHAPES, device_data, UNEQUAL, fedproto.begin, round_, loss_of, clip_norm=2.0
    )


def test_two_devices_prototypes_are_their_pooled_class_means_and_models_never_travel(made):
    setup = make_setup(method="fedproto", num_devices=2)
    learner = Learner(setup, made)
    start, both = learner.state(), np.ones(2, dtype=bool)
    learner.train(0, 2 * learner.available, both)
    trained = learner.state()
    assert learner.payload().parts == ("generator",)
    learner.mix(everything_arrives(learner), both)
    mixed = learner.state()
    for name in mixed:
        if not name.startswith("generator/"):
            assert torch.equal(mixed[name], trained[name]), name
    assert not torch.equal(mixed["head/bias"][0], mixed["head/bias"][1])

    data, seen = gather_device_data(made, partition_recordings(made, setup), 2), {}
    seen = defaultdict(list)
    for k in range(2):

        def loss(device, outputs, label, step):
            for z, _ in outputs[0].values():
                for i, y in enumerate(label.tolist()):
                    seen[y].append(z[i].detach())
            return plain_loss(device, outputs, label, step)

        twin = Device(start, k, SHAPES)
        train_device(twin, batches_of(data, k, 0), {"acc": 2, "gyro": 2}, loss, setup.clip_norm)
    for k in range(2):
        for y, features in seen.items():
            prototype = mixed["generator/first"][k, y] / mixed["generator/count"][k, y]
            expected = torch.stack(features).mean(0)
            torch.testing.assert_close(prototype, expected, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("adjusted", [True, False])
def test_fedgen_strong_is_the_strong_loss_and_distillation_over_all_features(device_data, adjusted):
    known = some_known()
    state, mean, std = random_sums("generator", N, 5, 16, known)
    setup = make_setup(
        method="fedgen_strong",
        unimodal_weight=0.6,
        distillation_weight=0.9,
        logit_adjustment=adjusted,
    )
    round_ = make_round(fedgen_strong.METHOD, setup, WHOLE, state, PRIOR)

    def loss_of(k):
        prior = PRIOR[k]
        log_prior = (prior + 1e-3).log() if adjusted else torch.zeros(5)
        q = torch.ones(5) if adjusted else prior.max() - prior
        weight = 1.0 if adjusted else min(4.0, 5 * float(prior.max()) - 1)

        def loss(device, outputs, label, step):
            _, alone, fused = outputs
            total = functional.cross_entropy(fused + log_prior, label)
            for logits in alone.values():
                total = total + 0.6 * functional.cross_entropy(logits + log_prior, label)
            noise = round_.noise(step)
            if (q * known[k]).sum() > 0:
                own = noise.uniform[k], noise.normal[k]
                taught = distilled(device, mean[k], std[k], known[k], q, own)
                total = total + 0.9 * weight * taught
            return total

        return loss

    check_against_a_loop_over_devices(
        WHOLE, SHAPES, device_data, UNEQUAL, fedgen_strong.begin, round_, loss_of, clip_norm=2.0
    )


def differing_networks(setup, model):
    state = fedgen.extra_state(setup, model)
    source = torch.Generator().manual_seed(8)
    return {k: v + 0.1 * torch.randn(v.shape, generator=source) for k, v in state.items()}


def classes_of(uniform, q):
    edges = (q.cumsum(0) / q.sum()).tolist()
    return [next(c for c, e in enumerate(edges) if u < e) for u in uniform.tolist()]


def test_fedgen_teaches_the_head_the_classes_that_a_device_lacks(device_data):
    setup = make_setup(method="fedgen", distillation_weight=0.7)
    state = differing_networks(setup, WHOLE)
    round_ = make_round(fedgen.METHOD, setup, WHOLE, state, PRIOR)

    def loss_of(k):
        net, q = generator_module(state, k), PRIOR[k].max() - PRIOR[k]
        weight = min(4.0, 5 * float(PRIOR[k].max()) - 1)

        def loss(device, outputs, label, step):
            total = plain_loss(device, outputs, label, step)
            noise = round_.noise(step)
            if q.sum() == 0:
                return total
            for eps, y in zip(noise.normal[k], classes_of(noise.uniform[k], q), strict=True):
                with torch.no_grad():
                    g = net(torch.cat([functional.one_hot(torch.tensor(y), 5).float(), eps]))
                logits = device.common(g)[None]
                sample = functional.cross_entropy(logits, torch.tensor([y])) / len(noise.normal[k])
                total = total + 0.7 * weight * sample
            return total

        return loss

    check_against_a_loop_over_devices(
        WHOLE, SHAPES, device_data, UNEQUAL, fedgen.begin, round_, loss_of, clip_norm=2.0
    )


@pytest.mark.parametrize("method", ["fedgen", "fedgen_strong", "fedproto"])
def test_methods_without_decomposition_have_no_specific_weights(made, method):
    learner = Learner(make_setup(method=method), made)
    assert not [name for name in learner.state() if "specific" in name]
    assert learner.state()["head/common_weight"].shape == (N, 5, 16)


def test_single_modality_leaves_the_other_encoder_and_devices_without_it_alone(made):
    setup = make_setup(
        method="single_modality", only_modality="gyro", modality_pattern="thirds", num_devices=3
    )
    learner, everybody = Learner(setup, made), np.ones(3, dtype=bool)
    has = Learner(make_setup(modality_pattern="thirds", num_devices=3), made).available[:, 1]
    np.testing.assert_array_equal(learner.available, np.stack([np.zeros(3, bool), has], 1))
    start = learner.state()
    learner.train(0, 2 * learner.available, everybody)
    learner.mix(everything_arrives(learner), everybody)
    for name, value in learner.state().items():
        if name.startswith("encoder_acc/"):
            assert torch.equal(value, start[name])
        elif name.startswith(("encoder_gyro/", "head/")):
            changed = (value != start[name]).flatten(1).any(1).numpy()
            np.testing.assert_array_equal(changed, has)
    scores = learner.evaluate()
    assert np.isnan(scores.modality_accuracy[:, 0]).all()
    np.testing.assert_array_equal(scores.accuracy[has], scores.modality_accuracy[has, 1])


def test_only_modality_is_asked_for_where_it_is_needed_and_nowhere_else(made):
    for method, given, expected in (
        ("single_modality", None, r"acc \| gyro, got None"),
        ("single_modality", "sound", r"acc \| gyro, got sound"),
        ("dmml", "acc", "none with this method, got acc"),
    ):
        with pytest.raises(LearningError, match=f"only_modality: expected {expected}"):
            Learner(make_setup(method=method, only_modality=given), made)


def test_centralised_training_is_a_plain_loop_over_all_data_with_the_batch_of_all(made):
    setup = make_setup(method="centralised")
    learner = Learner(setup, made)
    assert learner.samples_per_device.tolist() == [int((made.split == TRAIN).sum()), 0, 0, 0]
    assert learner.available.tolist() == [[True, True]] + 3 * [[False, False]]
    assert learner.payload().parts == ()
    everything = gather_device_data(made, np.where(made.split == TRAIN, 0, -1), N)
    twin = Device(learner.state(), 0, SHAPES)
    for r in range(2):
        result = learner.train(r, 3 * learner.available, np.ones(N, dtype=bool))
        batch = batches_of(everything, 0, r, size=4 * setup.batch_size)
        assert len(batch(1)[1]) == 32
        losses = train_device(twin, batch, {"acc": 3, "gyro": 3}, plain_loss, setup.clip_norm)
        assert result.loss[0] == pytest.approx(np.mean(losses), rel=1e-4)
    for name, value in twin.named_stack():
        torch.testing.assert_close(learner.state()[name][0], value.detach(), atol=1e-5, rtol=1e-4)
