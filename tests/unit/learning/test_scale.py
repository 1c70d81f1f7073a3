"""Normalisation by gossip: from a device's own statistics to those of all, message by message."""

import numpy as np
import pytest
import torch
from learning_reference import everything_arrives, make_setup

from learning.data.normalise import local_scale, own_sums, scale_of_sums
from learning.data.samples import TRAIN
from learning.errors import LearningError
from learning.learner import Learner
from learning.messages import Delivery

N = 4
EVERYBODY = np.ones(N, dtype=bool)


def scales(learner, modality):
    """What a device takes for mean and deviation, from its sums: (n, channels) each."""
    state = learner.state()
    count = state[f"scale_{modality}/count"].numpy()
    mean = state[f"scale_{modality}/sum"].reshape(N, -1).numpy() / count
    square = state[f"scale_{modality}/square"].reshape(N, -1).numpy() / count
    return mean, np.sqrt(square - mean**2)


def on_a_path(learner):
    """Only neighbours on the path 0 - 1 - 2 - 3 reach each other."""
    whole = everything_arrives(learner).arrived
    near = abs(np.subtract.outer(np.arange(N), np.arange(N))) == 1
    arrived = whole & near[..., None]
    return Delivery(arrived, arrived.sum(1))


def test_scaling_starts_as_a_devices_own_and_ends_as_that_of_all(made):
    setup = make_setup(
        method="dmml", normalisation="gossip", partition="dirichlet", dirichlet_alpha=0.1
    )
    learner = Learner(setup, made)
    training = {m: x[made.split == TRAIN].astype(float) for m, x in made.modalities.items()}
    for m, x in training.items():
        pooled = x.mean((0, 2))
        own = [made.modalities[m][learner.holder == k].astype(float).mean((0, 2)) for k in range(N)]
        mean, _ = scales(learner, m)
        np.testing.assert_allclose(mean, own, atol=1e-5)
        assert abs(mean - pooled).max() > 0.005
    for _ in range(60):
        learner.mix(on_a_path(learner), EVERYBODY)
    for m, x in training.items():
        mean, deviation = scales(learner, m)
        np.testing.assert_allclose(mean, np.tile(x.mean((0, 2)), (N, 1)), atol=1e-3)
        np.testing.assert_allclose(deviation, np.tile(x.std((0, 2)), (N, 1)), atol=1e-3)


def test_devices_that_agree_learn_as_those_whose_data_came_scaled(made):
    train = made.split == TRAIN
    gossiping = Learner(make_setup(method="dmml", normalisation="gossip"), made)
    for _ in range(80):
        gossiping.mix(on_a_path(gossiping), EVERYBODY)
    scaled = {
        m: (
            (x - x[train].mean((0, 2), dtype=float)[:, None])
            / x[train].std((0, 2), dtype=float)[:, None]
        ).astype(np.float32)
        for m, x in made.modalities.items()
    }
    fixed = Learner(make_setup(method="dmml"), type(made)(**vars(made) | {"modalities": scaled}))
    for learner in (gossiping, fixed):
        learner.train(0, 3 * learner.available, EVERYBODY)
    for name, value in fixed.state().items():
        torch.testing.assert_close(gossiping.state()[name], value, atol=2e-3, rtol=1e-2)
    got, expected = gossiping.evaluate().accuracy, fixed.evaluate().accuracy
    np.testing.assert_allclose(got, expected, atol=0.03)


def test_sums_travel_whole_and_exactly_with_any_codec_and_not_at_all_without_neighbours(made):
    plain = Learner(make_setup(method="dmml", payload_codec="int8"), made)
    learner = Learner(make_setup(method="dmml", payload_codec="int8", normalisation="gossip"), made)
    parts = learner.payload().parts
    assert set(parts) - set(plain.payload().parts) == {f"scale_{m}" for m in made.modalities}
    size_bytes = dict(zip(parts, learner.payload().part_bytes[0], strict=True))
    # A count, and a sum and a square of each of three channels, as float32, and a header.
    assert 28 < size_bytes["scale_acc"] < 28 + 100
    before = learner.state()["scale_acc/sum"].clone()
    learner.mix(everything_arrives(learner), EVERYBODY)
    by_hand = before.double().mean(0).expand_as(before)
    torch.testing.assert_close(
        learner.state()["scale_acc/sum"].double(), by_hand, rtol=1e-6, atol=0
    )
    assert Learner(make_setup(method="local", normalisation="gossip"), made).payload().parts == ()


@pytest.mark.parametrize("method", ["dmml_kd", "fedproto", "qg_momentum"])
@pytest.mark.parametrize("mixing", ["metropolis", "push_sum"])
def test_a_method_learns_with_it_and_goes_on_from_a_checkpoint(made, method, mixing):
    setup = make_setup(method=method, normalisation="gossip", mixing=mixing)
    straight, resumed = Learner(setup, made), Learner(setup, made)

    def go(learner, round_index):
        learner.train(round_index, 2 * learner.available, EVERYBODY)
        whole = everything_arrives(learner)
        delivery = Delivery(whole.arrived, whole.advertised_degree, offered=whole.arrived)
        learner.mix(delivery, EVERYBODY)

    for r in range(2):
        go(straight, r)
    resumed.load(straight.state())
    go(straight, 2)
    go(resumed, 2)
    assert resumed.parameters_digest() == straight.parameters_digest()


def test_a_star_has_no_gossip_to_normalise_by(made):
    with pytest.raises(LearningError, match="normalisation: expected fixed or local, got gossip"):
        Learner(make_setup(method="fedavg_star", normalisation="gossip"), made)


def test_the_deviation_of_all_is_right_where_a_device_sees_hardly_any():
    # Two devices, at +0.1 and -0.1 with a deviation of 0.02: sqrt(0.1^2 + 0.02^2) together.
    rng = np.random.default_rng(3)
    x = (0.02 * rng.standard_normal((4000, 1)) + np.repeat([[0.1], [-0.1]], 2000, 0)).astype("f4")
    device = np.repeat([0, 1], 2000)
    scale = local_scale(x, device, 2, least_deviation=0.0)
    sums = own_sums("a", scale, np.bincount(device))
    mixed = {name: value.mean(0, keepdim=True).expand_as(value) for name, value in sums.items()}
    together = scale_of_sums("a", mixed)
    np.testing.assert_allclose(together.deviation.ravel(), x.std(), rtol=1e-3)
    np.testing.assert_allclose(together.mean.ravel(), x.mean(), atol=1e-6)


def test_values_far_from_0_are_refused_since_their_sums_would_lose_the_deviation():
    x = np.full((8, 1), 1000, dtype=np.float32) + np.arange(8, dtype=np.float32)[:, None]
    scale = local_scale(x, np.zeros(8, dtype=int), 1, least_deviation=0.0)
    with pytest.raises(LearningError, match="normalisation gossip of a: expected means within 100"):
        own_sums("a", scale, np.array([8]))
