import importlib.util
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_reference import make_setup
from pydantic import ValidationError

from learning.data.catalogue import load
from learning.data.samples import TEST, TRAIN, MultiModalData
from learning.data.sets.files import checked_file
from learning.data.sets.made import make_data
from learning.data.sets.uci_har import link_overlapping_windows, load_uci_har
from learning.data.sets.watch import cut_windows
from learning.errors import LearningError


def test_watch_has_the_windows_that_its_description_counts(watch):
    assert len(watch.label) == 3605
    counts = np.bincount(watch.label)
    assert (len(counts), counts.min(), counts.max()) == (7, 388, 602)
    assert set(watch.subject[watch.split == TEST]) == {8, 9, 10}
    assert set(watch.subject[watch.split == TRAIN]) == {1, 2, 3, 4, 5, 6, 7}
    assert {m: x.shape for m, x in watch.modalities.items()} == {
        "acc": (3605, 3, 128),
        "gyro": (3605, 3, 128),
    }


def test_a_watch_window_is_the_slice_of_its_recording(watch):
    spec = importlib.util.find_spec("seglearn")
    path = Path(spec.submodule_search_locations[0]) / "data" / "watch_dataset.npy"
    raw = np.load(path, allow_pickle=True).item()
    number = 0
    for r in range(5):
        for start in range(0, len(raw["X"][r]) - 127, 64):
            piece = raw["X"][r][start : start + 128].T.astype(np.float32)
            np.testing.assert_array_equal(watch.modalities["acc"][number], piece[:3])
            np.testing.assert_array_equal(watch.modalities["gyro"][number], piece[3:])
            assert (watch.recording[number], watch.label[number]) == (r, raw["y"][r])
            number += 1
    assert watch.recording[number] == 5


def test_an_altered_file_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "data.npy"
    file.write_bytes(b"altered")
    with pytest.raises(LearningError, match="SHA-256") as refusal:
        checked_file(file, "0" * 64, "reinstall")
    assert "\n" not in str(refusal.value)
    assert "remedy: reinstall" in str(refusal.value)
    with pytest.raises(LearningError, match="none"):
        checked_file(tmp_path / "absent", "0" * 64, "reinstall")


def test_made_data_need_both_modalities_to_tell_the_classes():
    data = make_data(num_classes=5)
    # The strongest frequency of a window, as a plain spectrum sees it.
    peak = {
        m: np.abs(np.fft.rfft(x, axis=-1)).sum(1).argmax(-1) for m, x in data.modalities.items()
    }
    for label in range(5):
        mine = data.label == label
        assert np.mean(peak["acc"][mine] == 3 + 4 * (label // 2)) > 0.95
        assert np.mean(peak["gyro"][mine] == 3 + 4 * ((label + 1) // 2)) > 0.95


def test_data_of_disagreeing_lengths_are_refused(made):
    with pytest.raises(LearningError, match="subject"):
        MultiModalData(
            "bad",
            made.modalities,
            made.label,
            made.subject[1:],
            made.recording,
            made.split,
            made.class_names,
        )


def test_data_with_nan_are_refused(made):
    broken = {m: x.copy() for m, x in made.modalities.items()}
    broken["gyro"][3, 1, 5] = np.nan
    with pytest.raises(LearningError, match="gyro"):
        MultiModalData(
            "bad",
            broken,
            made.label,
            made.subject,
            made.recording,
            made.split,
            made.class_names,
        )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(0, 1000))
def test_shuffled_windows_find_their_recording_again(lengths, seed):
    rng = np.random.default_rng(seed)
    pieces = [cut_windows(rng.normal(size=(64 * (k + 1), 2))) for k in lengths]
    assert [len(piece) for piece in pieces] == lengths
    truth = np.repeat(np.arange(len(lengths)), lengths)
    order = rng.permutation(len(truth))
    found = link_overlapping_windows(np.concatenate(pieces)[order])
    same_truth = truth[order][:, None] == truth[order][None, :]
    np.testing.assert_array_equal(found[:, None] == found[None, :], same_truth)


def test_a_periodic_recording_ends_and_is_one():
    windows = np.ones((3, 2, 128), dtype=np.float32)
    assert link_overlapping_windows(windows).min() >= 0


@pytest.fixture
def archive(tmp_path):
    """A small archive in the official layout, and what it holds."""
    rng = np.random.default_rng(3)
    root = tmp_path / "UCI HAR Dataset"
    signals = {}
    for split, lengths in (("train", (3, 2)), ("test", (2,))):
        (root / split / "Inertial Signals").mkdir(parents=True)
        windows = np.concatenate([cut_windows(rng.normal(size=(64 * (k + 1), 6))) for k in lengths])
        signals[split] = windows
        names = [f"{kind}_{axis}" for kind in ("body_acc", "body_gyro") for axis in "xyz"]
        for channel, name in enumerate(names):
            file = root / split / "Inertial Signals" / f"{name}_{split}.txt"
            np.savetxt(file, windows[:, channel], fmt=" %.9e")
        count = len(windows)
        np.savetxt(root / split / f"y_{split}.txt", np.arange(count) // 3 + 1, fmt="%d")
        subject = np.full(count, 4 if split == "train" else 9)
        np.savetxt(root / split / f"subject_{split}.txt", subject, fmt="%d")
    return tmp_path, signals


def test_folder_zip_nested_zip_and_npz_hold_the_same_uci_har(archive, tmp_path):
    folder, signals = archive
    plain, nested, npz = (tmp_path / name for name in ("a.zip", "b.zip", "c.npz"))
    with zipfile.ZipFile(plain, "w") as z:
        for file in sorted((folder / "UCI HAR Dataset").rglob("*.txt")):
            z.write(file, file.relative_to(folder).as_posix())
    with zipfile.ZipFile(nested, "w") as z:
        z.write(plain, "UCI HAR Dataset.zip")
    first = load_uci_har(folder)
    np.savez(
        npz,
        acc=np.concatenate([signals["train"], signals["test"]])[:, :3],
        gyro=np.concatenate([signals["train"], signals["test"]])[:, 3:],
        label=first.label,
        subject=first.subject,
        is_train=first.split == TRAIN,
    )
    both = np.concatenate([signals["train"], signals["test"]])
    for data in (first, *(load_uci_har(path) for path in (plain, nested, npz))):
        np.testing.assert_allclose(data.modalities["acc"] * 0.1, both[:, :3], rtol=1e-6)
        np.testing.assert_allclose(data.modalities["gyro"] * 0.3, both[:, 3:], rtol=1e-6)
        assert data.label.tolist() == [0, 0, 0, 1, 1, 0, 0]
        assert data.subject.tolist() == [4] * 5 + [9] * 2
        assert data.split.tolist() == [TRAIN] * 5 + [TEST] * 2
        assert data.recording.tolist() == [0, 0, 0, 1, 1, 2, 2]


def test_an_archive_without_a_table_names_it(archive):
    folder, _ = archive
    (folder / "UCI HAR Dataset" / "test" / "y_test.txt").unlink()
    with pytest.raises(LearningError, match=r"test/y_test\.txt"):
        load_uci_har(folder)


def test_a_data_set_that_needs_a_path_is_never_replaced(tmp_path):
    with pytest.raises(ValidationError, match="data_path"):
        load(make_setup(dataset="uci_har"))
    with pytest.raises(LearningError, match="nothing at"):
        load(make_setup(dataset="uci_har", data_path=str(tmp_path / "absent")))
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip")
    with pytest.raises(LearningError, match="zip"):
        load(make_setup(dataset="uci_har", data_path=str(broken)))


def test_load_takes_the_data_set_by_name():
    assert load(make_setup(dataset="watch")).name == "watch"
    assert load(make_setup(dataset="made")).name == "made"


def made_with(made, **changes):
    """The made data with some fields replaced."""
    given = {field.name: getattr(made, field.name) for field in fields(made)}
    return MultiModalData(**given | changes)


def test_a_modality_is_a_vector_a_signal_or_an_image(made):
    count = len(made.label)
    shapes = {"vector": (7,), "signal": (2, 9), "image": (1, 5, 4)}
    arrays = {m: np.ones((count, *shape), np.float32) for m, shape in shapes.items()}
    data = made_with(made, modalities=arrays)
    assert {m: x.shape[1:] for m, x in data.modalities.items()} == shapes


@pytest.mark.parametrize(
    ("changes", "named", "expected", "got"),
    [
        ({"modalities": {}}, "modalities", "at least one", "none"),
        ({"modalities": {"acc": np.ones(360, np.float32)}}, "modality acc", "features", "(360,)"),
        ({"modalities": {"acc": np.ones((360, 0), np.float32)}}, "acc", "features", "(360, 0)"),
        ({"modalities": {"acc": np.ones((360, 3))}}, "modality acc", "float32", "float64"),
        ({"split": np.zeros(360, np.int8)}, "split", "2 (test)", "[0]"),
        ({"split": np.arange(360, dtype=np.int16) % 4}, "split", "int8", "[0, 1, 2, 3]"),
        ({"label": np.zeros(360, np.int64)}, "label", "two classes", "only [0]"),
        ({"label": np.arange(360) % 9}, "label", "0..4", "0..8"),
    ],
)
def test_data_that_nothing_can_be_learnt_from_are_refused_in_one_line(
    made, changes, named, expected, got
):
    with pytest.raises(LearningError) as refusal:
        made_with(made, **changes)
    message = str(refusal.value)
    assert "\n" not in message
    what, rest = message.split(": expected ")
    assert named in what
    assert expected in rest.split(", got ")[0]
    assert got in rest.split("; remedy")[0]
