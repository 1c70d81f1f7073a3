"""Every method on every kind of data: it runs, stays finite, and goes on from a checkpoint."""

import numpy as np
import pytest
from learning_reference import everything_arrives, make_setup

from learning.learner import Learner
from learning.methods.catalogue import METHODS

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


@pytest.mark.parametrize("dataset", ["made", "watch"])
@pytest.mark.parametrize("method", METHODS)
def test_a_method_learns_three_rounds_and_goes_on_from_a_checkpoint(request, method, dataset):
    data = request.getfixturevalue(dataset)
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


@pytest.mark.parametrize("method", METHODS)
def test_a_method_stands_devices_with_different_modalities_and_plans(made, method):
    learner = Learner(setup_for(method, made, modality_pattern="thirds"), made)
    plan = np.array([[2, 1], [0, 3], [0, 0], [1, 1]]) * learner.available
    for r in range(3):
        result = learner.train(r, plan, np.array([True, True, True, False]))
        learner.mix(everything_arrives(learner), np.array([True, True, False, True]))
        idle = (result.iterations == 0).all(1)
        np.testing.assert_array_equal(np.isnan(result.loss), idle)
