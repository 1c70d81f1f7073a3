"""Every method on every kind of data: it runs, stays finite, and goes on from a checkpoint."""

import numpy as np
import pytest
from learning_reference import (
    check_against_a_loop_over_devices,
    everything_arrives,
    make_setup,
    plain_loss,
)

from learning.data.batches import gather_device_data
from learning.data.dealing.partition import partition_recordings
from learning.learner import Learner
from learning.method import Rules
from learning.methods.names import METHOD_NAMES
from learning.model.losses import fused_loss
from learning.model.stack import make_model

N = 4
EVERYBODY = np.ones(N, dtype=bool)


def rounds(learner, which):
    results = []
    for r in which:
        results.append(learner.train(r, 2 * learner.available, EVERYBODY))
        learner.mix(everything_arrives(learner), EVERYBODY)
    return results


def setup_for(method, data, **changes):
    only = next(iter(data.modalities)) if method == "single_modality" else None
    return make_setup(method=method, only_modality=only, **changes)


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_method_learns_three_rounds_and_goes_on_from_a_checkpoint(method, every_data_set):
    data = every_data_set
    setup = setup_for(method, data)
    straight, resumed = Learner(setup, data), Learner(setup, data)
    start = straight.parameters_digest()
    results = rounds(straight, range(2))
    resumed.load(straight.state())
    results += rounds(straight, [2])
    rounds(resumed, [2])
    assert resumed.parameters_digest() == straight.parameters_digest() != start

    trains = straight.available.any(1)
    assert trains.any()
    for result in results:
        np.testing.assert_array_equal(np.isfinite(result.loss), trains)
        np.testing.assert_array_equal(result.flop > 0, trains)
    scores = straight.evaluate()
    for values in (scores.accuracy, scores.macro_f1, scores.consensus_distance):
        np.testing.assert_array_equal(np.isfinite(values), trains)
    np.testing.assert_array_equal(np.isfinite(scores.modality_accuracy), straight.available)
    np.testing.assert_array_equal(np.isfinite(scores.feature_distance), trains)


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_method_stands_devices_with_different_modalities_and_plans(made, method):
    learner = Learner(setup_for(method, made, modality_pattern="thirds"), made)
    plan = np.array([[2, 1], [0, 3], [0, 0], [1, 1]]) * learner.available
    for r in range(3):
        result = learner.train(r, plan, np.array([True, True, True, False]))
        learner.mix(everything_arrives(learner), np.array([True, True, False, True]))
        idle = (result.iterations == 0).all(1)
        np.testing.assert_array_equal(np.isnan(result.loss), idle)


def test_images_vectors_and_signals_train_together_as_ordinary_modules_do(kinds):
    shapes = {m: x.shape[1:] for m, x in kinds.modalities.items()}
    model = make_model(shapes, 4, common_dim=8, specific_dim=8, seed=3)
    data = gather_device_data(kinds, partition_recordings(kinds, make_setup()), N)
    tau = np.array([[1, 3, 2], [0, 0, 0], [2, 0, 1], [0, 2, 0]])
    rules = Rules(lambda passed, label, step: fused_loss(passed, label))
    check_against_a_loop_over_devices(
        model, shapes, data, tau, lambda _: rules, None, lambda k: plain_loss, clip_norm=2.0
    )


def test_three_kinds_of_modalities_are_learnt_and_scored_in_every_subset(kinds):
    learner = Learner(make_setup(method="dmml_strong"), kinds)
    rounds(learner, range(15))
    scores = learner.evaluate()
    assert scores.accuracy.mean() > 0.6  # chance is a quarter
    assert list(scores.subset_accuracy) == [
        "image+vector",
        "image+signal",
        "vector+signal",
        "image+vector+signal",
    ]
    # The same mean, summed in another order: a sample on a border may fall to the other side.
    whole = scores.subset_accuracy["image+vector+signal"]
    np.testing.assert_allclose(whole, scores.accuracy, atol=1.5 / 128)


def test_a_data_centre_scales_by_all_that_it_holds_and_empty_devices_do_no_harm(made):
    learner = Learner(make_setup(method="centralised", normalisation="local"), made)
    rounds(learner, range(2))
    accuracy = learner.evaluate().accuracy
    assert np.isfinite(accuracy).tolist() == [True, False, False, False]
