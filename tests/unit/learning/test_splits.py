"""Who is held out in which fold, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from learning_reference import make_setup

from learning.data.catalogue import load
from learning.data.dealing.splits import assign_split, hold_out
from learning.data.samples import TEST, TRAIN, VALIDATION
from learning.data.sets.made import make_data
from learning.errors import LearningError
from learning.learner import Learner


def people(data, part):
    return sorted(set(data.subject[data.split == part].tolist()))


def test_watch_folds_test_each_pair_of_people_once_and_validate_on_the_next(watch):
    tested = []
    for fold in range(5):
        data = assign_split(watch, make_setup(dataset="watch", fold=fold))
        pair = [2 * fold + 1, 2 * fold + 2]
        following = [pair[1] + 1, pair[1] + 2] if fold < 4 else [1, 2]
        assert people(data, TEST) == pair
        assert people(data, VALIDATION) == following
        rest = sorted(set(range(1, 11)) - set(pair) - set(following))
        assert people(data, TRAIN) == rest
        assert len(rest) == 6
        tested += pair
    assert sorted(tested) == list(range(1, 11))


def test_without_a_fold_watch_keeps_three_test_people_and_no_validation():
    data = load(make_setup(dataset="watch"))
    assert people(data, TEST) == [8, 9, 10]
    assert people(data, VALIDATION) == []
    with pytest.raises(LearningError, match=r"validation of watch.*choose a fold, 0 to 4"):
        load(make_setup(dataset="watch", evaluate_on="validation"))


def test_what_is_trained_on_depends_on_the_fold_and_not_on_what_is_evaluated():
    setups = [
        make_setup(fold=fold, evaluate_on=on, seed=seed)
        for fold, on, seed in [(1, "test", 7), (1, "validation", 7), (1, "test", 8), (2, "test", 7)]
    ]
    one, tuned, reseeded, other = (load(setup).split.tolist() for setup in setups)
    assert one == tuned == reseeded != other


@pytest.fixture
def official():
    """Data with an official test: of 13 people, 11 train."""
    data = make_data(num_subjects=13, num_classes=2, windows_per_recording=2)
    split = np.where(data.subject > 11, TEST, TRAIN).astype(np.int8)
    return replace(data, name="official", split=split)


def test_with_an_official_test_every_training_person_validates_in_one_fold_of_five(official):
    seen = []
    for fold in range(5):
        data = replace(official, split=hold_out(official, fold))
        assert people(data, TEST) == [12, 13]
        held_out = people(data, VALIDATION)
        assert set(people(data, TRAIN)).isdisjoint(held_out)
        seen.append(held_out)
    assert sorted(person for each in seen for person in each) == list(range(1, 12))
    assert sorted(len(each) for each in seen) == [2, 2, 2, 2, 3]


def test_where_the_test_people_also_train_recordings_are_held_out_instead(official):
    mixed = np.where(official.recording % 4 == 0, TEST, TRAIN).astype(np.int8)
    data = replace(official, split=mixed)
    count = len(set(data.recording[mixed == TRAIN].tolist()))
    seen = []
    for fold in range(5):
        split = hold_out(data, fold)
        np.testing.assert_array_equal(split == TEST, mixed == TEST)
        held_out = set(data.recording[split == VALIDATION].tolist())
        assert held_out.isdisjoint(data.recording[split == TRAIN].tolist())
        assert len(held_out) in {count // 5, count // 5 + 1}
        seen += sorted(held_out)
    assert len(seen) == len(set(seen)) == count


def test_a_fold_that_the_data_do_not_have_is_refused(official):
    few = replace(official, split=np.where(official.subject > 4, TEST, TRAIN).astype(np.int8))
    with pytest.raises(LearningError, match="at least 5 people to train on, got 4"):
        hold_out(few, 0)
    own = replace(official, split=hold_out(official, 0))
    with pytest.raises(LearningError, match="leave fold out"):
        hold_out(own, 0)


def test_the_learner_scores_the_people_that_it_is_told_to():
    for on, part in (("test", TEST), ("validation", VALIDATION)):
        setup = make_setup(fold=0, evaluate_on=on)
        data = load(setup)
        learner = Learner(setup, data)
        steps = np.full((4, 2), 2)
        learner.train(0, steps, np.ones(4, dtype=bool))
        keep = (data.split == part) | (data.split == TRAIN)
        alone = replace(
            data,
            **{f: getattr(data, f)[keep] for f in ("label", "subject")},
            recording=data.recording[keep],
            modalities={m: x[keep] for m, x in data.modalities.items()},
            split=np.where(data.split[keep] == TRAIN, TRAIN, TEST).astype(np.int8),
        )
        other = Learner(make_setup(), alone)
        other.load(learner.state())
        np.testing.assert_array_equal(learner.evaluate().accuracy, other.evaluate().accuracy)
