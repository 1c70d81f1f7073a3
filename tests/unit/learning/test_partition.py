from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_reference import make_setup
from pydantic import ValidationError

from learning.data.batches import draw_batch, draw_noise, gather_device_data
from learning.data.dealing.modalities import modality_mask
from learning.data.dealing.partition import MINIMUM_SAMPLES, partition_recordings, target_shares
from learning.data.normalise import LEAST_DEVIATION, local_scale, seen_by
from learning.data.samples import TEST, TRAIN
from learning.errors import LearningError
from learning.learner import Learner


def gather(data, setup):
    return gather_device_data(data, partition_recordings(data, setup), setup.num_devices)


CASES = [("iid", 9), ("dirichlet", 9), ("subject", 9), ("subject", 3), ("dirichlet", 2)]


@pytest.mark.parametrize(("partition", "n"), CASES)
def test_every_recording_lives_on_one_device_and_no_test_window_on_any(watch, partition, n):
    owner = partition_recordings(watch, make_setup(partition=partition, num_devices=n))
    assert (owner[watch.split == TEST] == -1).all()
    devices_of = {}
    for window in np.flatnonzero(watch.split == TRAIN):
        devices_of.setdefault(watch.recording[window], set()).add(owner[window])
    assert len(devices_of) == 98
    assert all(len(devices) == 1 for devices in devices_of.values())
    windows = [int((owner == k).sum()) for k in range(n)]
    assert min(windows) >= MINIMUM_SAMPLES
    assert sum(windows) == (watch.split == TRAIN).sum()


@pytest.mark.parametrize(("partition", "n"), CASES)
def test_a_partition_is_decided_by_its_seed(watch, partition, n):
    deal = [
        partition_recordings(watch, make_setup(partition=partition, num_devices=n, seed=seed))
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(deal[0], deal[1])
    assert (deal[0] != deal[2]).any()


def test_iid_devices_hold_each_class_in_nearly_equal_numbers_of_recordings(watch):
    owner = partition_recordings(watch, make_setup(partition="iid", num_devices=4))
    for c in range(7):
        held = [len(set(watch.recording[(owner == k) & (watch.label == c)])) for k in range(4)]
        assert sum(held) == 14
        assert max(held) - min(held) <= 1


def test_a_smaller_alpha_makes_devices_more_one_sided(watch):
    largest_share = {}
    for alpha in (0.1, 100.0):
        shares = []
        for seed in range(5):
            setup = make_setup(
                partition="dirichlet", dirichlet_alpha=alpha, num_devices=7, seed=seed
            )
            owner = partition_recordings(watch, setup)
            for k in range(7):
                counts = np.bincount(watch.label[owner == k], minlength=7)
                shares.append(counts.max() / counts.sum())
        largest_share[alpha] = np.mean(shares)
    assert largest_share[0.1] > largest_share[100.0] + 0.15


def test_dirichlet_fills_no_device_beyond_its_share_and_one_recording(watch):
    longest = np.bincount(watch.recording[watch.split == TRAIN]).max()
    for seed in range(5):
        setup = make_setup(partition="dirichlet", dirichlet_alpha=0.1, num_devices=7, seed=seed)
        owner = partition_recordings(watch, setup)
        held = [int((owner == k).sum()) for k in range(7)]
        assert max(held) < sum(held) / 7 + longest


def test_by_subject_no_device_mixes_people_when_devices_outnumber_them(watch):
    owner = partition_recordings(watch, make_setup(partition="subject", num_devices=9))
    people = [set(watch.subject[owner == k]) for k in range(9)]
    assert all(len(person) == 1 for person in people)
    assert set().union(*people) == {1, 2, 3, 4, 5, 6, 7}


def test_by_subject_people_stay_whole_when_they_outnumber_devices(watch):
    owner = partition_recordings(watch, make_setup(partition="subject", num_devices=3))
    people = [set(watch.subject[owner == k]) for k in range(3)]
    assert sorted(len(person) for person in people) == [2, 2, 3]
    assert sum(len(person) for person in people) == len(set().union(*people))


def test_more_devices_than_recordings_is_an_error_with_a_remedy(watch, made):
    with pytest.raises(LearningError, match=r"99 training recordings.*98.*fewer devices"):
        partition_recordings(watch, make_setup(num_devices=99))
    # 40 recordings of 6 windows: no deal gives 16 windows to each of 20 devices
    with pytest.raises(LearningError, match="16 samples"):
        partition_recordings(made, make_setup(num_devices=20))


def test_thirds_give_a_third_each_only_first_only_second_and_both():
    mask = modality_mask(make_setup(num_devices=9, modality_pattern="thirds"), ("acc", "gyro"))
    kinds = sorted(tuple(row) for row in mask.tolist())
    assert kinds == [(False, True)] * 3 + [(True, False)] * 3 + [(True, True)] * 3
    assert modality_mask(make_setup(num_devices=9), ("acc", "gyro")).all()
    with pytest.raises(LearningError, match="two modalities"):
        modality_mask(make_setup(modality_pattern="thirds"), ("acc",))


def test_device_data_are_the_windows_that_the_partition_gave(made):
    owner = partition_recordings(made, make_setup())
    data = gather_device_data(made, owner, 4)
    for k in range(4):
        mine = np.flatnonzero(owner == k)
        rows = data.index[k, : data.count[k]]
        np.testing.assert_array_equal(data.inputs["acc"][rows], made.modalities["acc"][mine])
        np.testing.assert_array_equal(data.label[rows], made.label[mine])
        by_hand = [int((made.label[mine] == c).sum()) for c in range(5)]
        assert data.class_counts[k].tolist() == by_hand


def test_a_batch_holds_windows_of_its_own_device_and_all_of_them_in_time(made):
    data = gather(made, make_setup())
    drawn = [set() for _ in range(4)]
    for step in range(100):
        for k, rows in enumerate(draw_batch(data, 8, 7, 0, step).tolist()):
            drawn[k] |= set(rows)
    assert drawn == [set(data.index[k, : data.count[k]].tolist()) for k in range(4)]


def test_batches_are_keyed_by_seed_round_and_step(made):
    data = gather(made, make_setup())
    batch = draw_batch(data, 8, 7, 3, 2)
    np.testing.assert_array_equal(batch, draw_batch(data, 8, 7, 3, 2))
    for key in ((8, 3, 2), (7, 4, 2), (7, 3, 1), (7, 2, 3)):
        assert (batch != draw_batch(data, 8, *key)).any()
    one, other = (draw_noise((4, 3, 2, 2), 7, 3, step) for step in (2, 1))
    assert (one.normal != other.normal).any()
    assert (one.specific != other.specific).any()


def test_a_devices_noise_does_not_depend_on_how_many_others_there_are():
    few, many = draw_noise((2, 5, 3, 2), 1, 0, 0), draw_noise((6, 5, 3, 2), 1, 0, 0)
    np.testing.assert_array_equal(few.normal, many.normal[:2])
    np.testing.assert_array_equal(few.specific, many.specific[:2])
    np.testing.assert_array_equal(few.uniform, many.uniform[:2])


def test_local_normalisation_gives_each_channel_of_a_device_mean_zero_and_deviation_one(made):
    setup = make_setup(partition="dirichlet")
    owner = partition_recordings(made, setup)
    data = gather_device_data(made, owner, 4, "local")
    for k in range(4):
        mine = np.flatnonzero(owner == k)
        rows = data.index[k, : data.count[k]]
        for m in made.modalities:
            for channel in range(3):
                raw = made.modalities[m][mine, channel].ravel().tolist()
                mean = sum(raw) / len(raw)
                deviation = (sum((v - mean) ** 2 for v in raw) / len(raw)) ** 0.5
                expected = [(v - mean) / deviation for v in raw]
                inputs = data.scale[m].of(data.inputs[m][rows][None], torch.tensor([k]))
                got = inputs[0, :, channel].ravel()
                np.testing.assert_allclose(got, expected, atol=2e-5)
        held_out = torch.from_numpy(made.modalities["acc"][:5])
        seen = seen_by(held_out, torch.tensor([k, 0]), data.scale["acc"])
        assert seen.shape == (2, 5, 3, 128)
        own = made.modalities["acc"][mine].astype(float)
        by_hand = (held_out.numpy() - own.mean((0, 2))[:, None]) / own.std((0, 2))[:, None]
        np.testing.assert_allclose(seen[0], by_hand, atol=2e-5)


def test_a_feature_that_a_device_sees_constant_is_not_blown_up():
    x = np.array([[5.0, 1.0], [5.0, 3.0], [2.0, 0.0]], dtype=np.float32)
    scale = local_scale(x, np.array([0, 0, 1]), 2, LEAST_DEVIATION)
    assert scale.mean.squeeze(1).tolist() == [[5.0, 2.0], [2.0, 0.0]]
    np.testing.assert_allclose(scale.deviation.squeeze(1), [[0.1, 1.0], [0.1, 0.1]])


def test_a_learner_with_local_scaling_scores_as_one_whose_data_came_scaled(made):
    """One device: scaling all data beforehand, test and all, must come to the same."""
    raw = replace(made, modalities={m: 2 * x + 1 for m, x in made.modalities.items()})
    train = raw.split == TRAIN
    scaled = {
        m: (
            (x - x[train].mean((0, 2), dtype=np.float64)[:, None])
            / x[train].std((0, 2), dtype=np.float64)[:, None]
        ).astype(np.float32)
        for m, x in raw.modalities.items()
    }
    local = Learner(make_setup(num_devices=1, normalisation="local"), raw)
    other = Learner(make_setup(num_devices=1), replace(raw, modalities=scaled))
    for learner in (local, other):
        learner.train(0, np.full((1, 2), 3), np.ones(1, dtype=bool))
    for name, value in other.state().items():
        torch.testing.assert_close(local.state()[name], value, atol=1e-4, rtol=1e-4)
    unscaled = Learner(make_setup(num_devices=1), raw)
    for learner in (other, unscaled):
        learner.load(local.state())
    one, two, odd = (learner.evaluate() for learner in (local, other, unscaled))
    # A sample on a border may fall to the other side by rounding.
    np.testing.assert_allclose(one.accuracy, two.accuracy, atol=1.5 / 120)
    np.testing.assert_allclose(one.modality_accuracy, two.modality_accuracy, atol=1.5 / 120)
    # How far the features of the two modalities lie apart depends on every sample.
    np.testing.assert_allclose(one.feature_distance, two.feature_distance, rtol=1e-3)
    assert abs(odd.feature_distance / two.feature_distance - 1) > 0.01


def test_devices_hold_as_many_classes_as_they_are_given_and_every_class_is_held(watch):
    for seed in range(5):
        setup = make_setup(partition="classes", classes_per_device=3, num_devices=7, seed=seed)
        owner = partition_recordings(watch, setup)
        held = [set(watch.label[owner == k].tolist()) for k in range(7)]
        assert all(len(classes) == 3 for classes in held)
        # 21 cards of 7 classes: each is held by three.
        assert [sum(c in classes for classes in held) for c in range(7)] == [3] * 7
        sizes = [int((owner == k).sum()) for k in range(7)]
        assert max(sizes) < 2 * min(sizes)


def test_classes_that_nobody_could_hold_are_refused(watch):
    few = make_setup(partition="classes", classes_per_device=2, num_devices=3)
    with pytest.raises(LearningError, match="classes_per_device: expected 3 to 7, got 2"):
        partition_recordings(watch, few)
    many = make_setup(partition="classes", classes_per_device=8, num_devices=9)
    with pytest.raises(LearningError, match="expected 1 to 7, got 8"):
        partition_recordings(watch, many)
    # 100 cards for 98 recordings.
    assert len(np.unique(watch.recording[watch.split == TRAIN])) == 98
    crowd = make_setup(partition="classes", classes_per_device=5, num_devices=20)
    with pytest.raises(LearningError, match="16 samples of 5 classes on each of 20 devices"):
        partition_recordings(watch, crowd)


@pytest.mark.parametrize("partition", ["iid", "dirichlet", "classes"])
def test_sizes_follow_the_log_normal_shares_that_were_drawn(watch, partition):
    setup = make_setup(
        partition=partition,
        size_sigma=0.5,
        num_devices=4,
        dirichlet_alpha=5.0,
        classes_per_device=7,
        seed=3,
    )
    shares = target_shares(setup)
    owner = partition_recordings(watch, setup)
    held = np.bincount(owner[owner >= 0], minlength=4) / (owner >= 0).sum()
    assert shares.max() > 1.5 * shares.min()
    # A recording holds some 26 of 2526 samples.
    np.testing.assert_allclose(held, shares, atol=0.06)


def test_shares_are_log_normal():
    logs = np.log(target_shares(make_setup(size_sigma=0.8, num_devices=4000)))
    assert np.std(logs) == pytest.approx(0.8, rel=0.05)
    assert target_shares(make_setup(num_devices=4)).tolist() == [0.25] * 4


def test_thirds_of_six_modalities_are_halves_and_all():
    names = tuple("abcdef")
    mask = modality_mask(make_setup(num_devices=9, modality_pattern="thirds"), names)
    patterns = sorted("".join(str(int(x)) for x in row) for row in mask)
    assert patterns == ["000111"] * 3 + ["111000"] * 3 + ["111111"] * 3


def test_a_rate_gives_modalities_at_random_and_leaves_no_device_without():
    names = tuple("abcd")
    masks = [
        modality_mask(
            make_setup(num_devices=9, modality_pattern="rate", modality_rate=0.6, seed=s),
            names,
        )
        for s in range(60)
    ]
    assert all(m.any(1).all() and m.any(0).all() for m in masks)
    # A device of four modalities has one at least with probability 1 - 0.4^4 = 0.974.
    assert np.mean(masks) == pytest.approx(0.6 / 0.974, abs=0.03)
    rare = make_setup(num_devices=9, modality_pattern="rate", modality_rate=0.001)
    with pytest.raises(LearningError, match="modality_rate 0.001: expected a modality on every"):
        modality_mask(rare, names)


def test_a_table_says_which_device_has_what_in_any_order_of_columns(tmp_path):
    path = tmp_path / "has.csv"
    path.write_text("gyro,acc\n1,0\n1,1\n\n0,1\n\n")
    setup = make_setup(num_devices=3, modality_pattern="table", modality_file=str(path))
    mask = modality_mask(setup, ("acc", "gyro"))
    assert mask.tolist() == [[False, True], [True, True], [True, False]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acc\n1\n1\n1\n", "expected columns acc, gyro and 3 rows, got columns acc and 3"),
        ("acc,gyro\n1,1\n", "got columns acc, gyro and 1 rows"),
        ("acc,gyro\n1,1\n1,yes\n1,0\n", "row 2: expected gyro 0 or 1, got 'yes'"),
        ("acc,gyro\n1,1\n0,0\n1,0\n", "a modality per device, got none on device 1"),
        ("", "got columns and 0 rows"),
        ("acc,gyro,acc\n1,1,1\n1,1,1\n1,1,1\n", "got columns acc, gyro, acc and 3 rows"),
        ("acc,gyro\n1,1\n1,1,0\n1,1\n", "2 cells in every line, got 3 in line 3"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, text, expected):
    path = tmp_path / "has.csv"
    path.write_text(text)
    setup = make_setup(num_devices=3, modality_pattern="table", modality_file=str(path))
    with pytest.raises(LearningError) as refusal:
        modality_mask(setup, ("acc", "gyro"))
    assert expected in str(refusal.value)


def test_a_table_and_its_pattern_come_together():
    with pytest.raises(ValidationError, match="modality_file: expected a CSV file with modality_"):
        make_setup(modality_pattern="table")
    with pytest.raises(ValidationError, match="modality_file"):
        make_setup(modality_file="has.csv")
