"""Methods that share prototypes, generators or data, derived a second way; DMML-KD's switches."""

import math
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
    make_round,
    make_setup,
    plain_loss,
    random_sums,
    train_device,
)
from torch import nn
from torch.nn import functional

from learning.data.batches import draw_batch, gather_device_data
from learning.data.partition import partition_recordings
from learning.data.samples import TRAIN
from learning.errors import LearningError
from learning.generator import GENERATORS
from learning.learner import Learner
from learning.methods import dmml_kd, fedgen, fedgen_strong, fedproto
from learning.models import Forward, make_model

SHAPES = {"acc": (3, 128), "gyro": (3, 128)}
# Without a decomposition all 16 features are common.
WHOLE = make_model(SHAPES, 5, common_dim=16, specific_dim=0, seed=3)
N = 4
UNEQUAL = np.array([[0, 0], [3, 1], [0, 2], [2, 4]])
PRIOR = torch.tensor([[0.2] * 5, [0.5, 0.2, 0.3, 0, 0], [0, 0, 0, 0, 1.0], [0.4, 0.3, 0.3, 0, 0]])


@pytest.fixture
def device_data(made):
    return gather_device_data(made, partition_recordings(made, make_setup(num_devices=N).data), N)


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
        WHOLE, SHAPES, device_data, UNEQUAL, fedproto.begin(round_), loss_of, clip_norm=2.0
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

    data, seen = gather_device_data(made, partition_recordings(made, setup.data), 2), {}
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
        WHOLE, SHAPES, device_data, UNEQUAL, fedgen_strong.begin(round_), loss_of, clip_norm=2.0
    )


def generator_module(state, device):
    """The network generator of one device as an ordinary module of (one-hot y, eps)."""
    w1, b1, w2, b2 = (state[f"generator/{name}"][device] for name in ("w1", "b1", "w2", "b2"))
    net = nn.Sequential(nn.Linear(w1.shape[1], 64), nn.ReLU(), nn.Linear(64, len(b2)), nn.ReLU())
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), (w1, b1, w2, b2), strict=True):
            parameter.copy_(value)
    return net


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
        WHOLE, SHAPES, device_data, UNEQUAL, fedgen.begin(round_), loss_of, clip_norm=2.0
    )


@pytest.mark.parametrize("method", ["fedgen", "fedgen_strong", "fedproto"])
def test_methods_without_decomposition_have_no_specific_weights(made, method):
    learner = Learner(make_setup(method=method), made)
    assert not [name for name in learner.state() if "specific" in name]
    assert learner.state()["head/common_weight"].shape == (N, 5, 16)


def features_of_two_classes(head):
    """Two devices, one modality, 24 samples of two classes far apart, always the same."""
    source = torch.Generator().manual_seed(6)
    label = torch.arange(24).expand(2, 24) % 2
    centre = torch.tensor([[0.0, 1.0, 2.0], [2.0, 0.5, 0.0]])
    c = (centre[label] + 0.1 * torch.randn(2, 24, 3, generator=source)).relu()
    rows = {"acc": torch.tensor([0, 1])}
    passed = Forward(torch.tensor([0, 1]), rows, {"acc": c}, {}, {}, c, head, torch.zeros(2, 2), {})
    return passed, label


def follow_network(steps, head):
    setup = make_setup(num_devices=2, generator="network", learning_rate=0.3)
    model = make_model({"acc": (3, 128)}, 2, common_dim=3, specific_dim=3, seed=1)
    kind = GENERATORS["network"]
    state = kind.state(setup, model)
    round_ = make_round(dmml_kd.METHOD, setup, model, state, torch.full((2, 2), 0.5))
    passed, label = features_of_two_classes(head)
    after_step, finish = kind.follow(round_)
    for step in range(1, steps + 1):
        after_step(passed, label, step)
    return kind, round_, passed, label, finish(torch.tensor([True, True]))


def test_the_network_generator_comes_to_the_class_means_of_the_features():
    # A head of zeros has no opinion, so only the features pull.
    kind, round_, passed, label, state = follow_network(1500, torch.zeros(2, 2, 3))
    old = kind.teacher(round_).mean
    new = kind.teacher(make_round(dmml_kd.METHOD, round_.setup, round_.model, state, PRIOR[:2]))
    for k in range(2):
        for y in range(2):
            mean = passed.common["acc"][k][label[k] == y].mean(0)
            assert float((old[k, y] - mean).norm()) > 1
            assert float((new.mean[k, y] - mean).norm()) < 0.15


def test_a_step_of_the_network_generator_is_sgd_on_its_loss_written_out():
    head = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(3))
    _, round_, passed, label, state = follow_network(2, head)
    for k in range(2):
        net = generator_module(round_.state, k)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.3)
        for step in (1, 2):
            noise, loss = round_.noise(step), 0.0
            for i, y in enumerate(label[k].tolist()):
                eps = noise.normal[k][i % DEFAULTS["generator_samples"]]
                g = net(torch.cat([functional.one_hot(torch.tensor(y), 2).float(), eps]))
                loss = loss + (g - passed.common["acc"][k, i]).square().mean() / 24
            for u, eps in zip(noise.uniform[k].tolist(), noise.normal[k], strict=True):
                y = torch.tensor(math.floor(2 * u))
                g = net(torch.cat([functional.one_hot(y, 2).float(), eps]))
                sample = functional.cross_entropy(head[k] @ g, y)
                loss = loss + sample / DEFAULTS["generator_samples"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        for name, value in zip(("w1", "b1", "w2", "b2"), net.parameters(), strict=True):
            torch.testing.assert_close(state[f"generator/{name}"][k], value.detach())


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


def digest_after_three_rounds(made, **changes):
    learner = Learner(make_setup(partition="dirichlet", **changes), made)
    for r in range(3):
        learner.train(r, 2 * learner.available, np.ones(N, dtype=bool))
        learner.mix(everything_arrives(learner), np.ones(N, dtype=bool))
    state = learner.state()
    return {k: v for k, v in state.items() if k.startswith(("encoder_", "head/"))}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("generator", ["statistics", "network"])
def test_every_ingredient_of_dmml_kd_switches_off_alone(made, generator):
    whole = digest_after_three_rounds(made, generator=generator)
    assert same(whole, digest_after_three_rounds(made, generator=generator))
    for off in (
        {"decomposition": False},
        {"generator": "none"},
        {"unimodal_weight": 0.0},
        {"orthogonality_weight": 0.0},
        {"alignment_weight": 0.0},
        {"distillation_weight": 0.0},
        {"logit_adjustment": False},
    ):
        changed = digest_after_three_rounds(made, **{"generator": generator} | off)
        assert not same(whole, changed), off


def test_dmml_kd_with_all_its_own_terms_off_is_dmml_strong_to_the_last_bit(made):
    off = {"orthogonality_weight": 0.0, "alignment_weight": 0.0, "distillation_weight": 0.0}
    bare = digest_after_three_rounds(made, generator="none", **off)
    assert same(bare, digest_after_three_rounds(made, method="dmml_strong"))
    # And with the generator there but silent.
    assert same(bare, digest_after_three_rounds(made, **off))


def test_dmml_kd_without_decomposition_and_its_terms_is_fedgen_strong_to_the_last_bit(made):
    off = {"decomposition": False, "alignment_weight": 0.0}
    bare = digest_after_three_rounds(made, **off)
    assert same(bare, digest_after_three_rounds(made, method="fedgen_strong"))
