"""The digits data sets, from small files in their layouts."""

import zipfile

import numpy as np
import pytest
from learning_reference import make_setup

from learning.data.catalogue import load
from learning.data.samples import TEST, TRAIN
from learning.data.sets.mfeat_digits import VIEWS, load_mfeat_digits
from learning.errors import LearningError

ROWS = 20


def load_from(dataset, path):
    return load(make_setup(dataset=dataset, data_path=str(path)))


@pytest.fixture
def av_arrays():
    rng = np.random.default_rng(1)
    return {
        "audio": rng.normal(-3.0, 4.0, (ROWS, 32, 32)).astype(np.float16),
        "image": rng.integers(0, 256, (ROWS, 28, 28)).astype(np.uint8),
        "label": np.arange(ROWS, dtype=np.int8) % 10,
        "subject": np.arange(ROWS, dtype=np.int8) % 6,
        "is_train": np.arange(ROWS) % 5 > 0,
    }


def test_av_digits_are_images_of_one_channel_in_fixed_units(tmp_path, av_arrays):
    np.savez(tmp_path / "av.npz", **av_arrays)
    data = load_from("av_digits", tmp_path / "av.npz")
    assert {m: x.shape for m, x in data.modalities.items()} == {
        "audio": (ROWS, 1, 32, 32),
        "image": (ROWS, 1, 28, 28),
    }
    for row, i, j in [(0, 0, 0), (7, 30, 2), (19, 11, 27)]:
        audio = (float(av_arrays["audio"][row, i, j]) + 3.0) / 4.0
        assert data.modalities["audio"][row, 0, i, j] == pytest.approx(audio, rel=1e-6)
        image = av_arrays["image"][row, i % 28, j] / 255
        assert data.modalities["image"][row, 0, i % 28, j] == pytest.approx(image, rel=1e-6)
    assert data.split.tolist() == [TEST, TRAIN, TRAIN, TRAIN, TRAIN] * 4
    assert data.subject.tolist() == [k % 6 for k in range(ROWS)]
    assert len(set(data.recording.tolist())) == ROWS


@pytest.fixture(scope="module")
def numerals():
    """2000 rows of whole numbers for each view, 200 a class in order."""
    rng = np.random.default_rng(2)
    return {m: rng.integers(0, 900, (2000, size)) for m, size in VIEWS.items()}


def write_archive(folder, numerals):
    folder.mkdir()
    for m, values in numerals.items():
        np.savetxt(folder / f"mfeat-{m}", values, fmt="%5d")
    return folder


def test_folder_zip_and_npz_hold_the_same_six_views_of_mfeat_digits(tmp_path, numerals):
    folder = write_archive(tmp_path / "mfeat", numerals)
    with zipfile.ZipFile(tmp_path / "mfeat.zip", "w") as z:
        for file in folder.iterdir():
            z.write(file, file.name)
    from_folder = load_from("mfeat_digits", folder)
    label = np.repeat(np.arange(10), 200)
    is_train = from_folder.split == TRAIN
    np.savez(tmp_path / "m.npz", **numerals, label=label, is_train=is_train)
    for data in (from_folder, *(load_mfeat_digits(tmp_path / n) for n in ("mfeat.zip", "m.npz"))):
        np.testing.assert_array_equal(data.label, label)
        np.testing.assert_array_equal(data.split, from_folder.split)
        assert {m: x.shape[1] for m, x in data.modalities.items()} == VIEWS
        by_hand = {"pix": (4, 3, 3), "fou": (9, 0, 0.1), "fac": (17, 600, 200), "kar": (5, 0, 3)}
        by_hand |= {"zer": (8, 100, 100), "mor": (5, 6000, 4000)}
        for m, (column, centre, unit) in by_hand.items():
            expected = (numerals[m][1234, column] - centre) / unit
            assert data.modalities[m][1234, column] == pytest.approx(expected, rel=1e-5)
        # The second six of each twelve features of fac are small.
        assert data.modalities["fac"][0, 23] == pytest.approx((numerals["fac"][0, 23] - 15) / 10)
        assert data.modalities["mor"][0, 2] == numerals["mor"][0, 2]
    assert [int((is_train & (label == c)).sum()) for c in range(10)] == [150] * 10
    # The split that the compact npz has: its first test numerals.
    assert np.flatnonzero(~is_train)[:10].tolist() == [7, 12, 14, 21, 24, 26, 29, 31, 32, 33]


def test_a_file_that_lacks_something_is_named_with_what_it_lacks(tmp_path, av_arrays, numerals):
    del av_arrays["image"]
    np.savez(tmp_path / "av.npz", **av_arrays)
    with pytest.raises(LearningError, match=r"av\.npz: expected .*image.* got no \['image'\]"):
        load_from("av_digits", tmp_path / "av.npz")
    av_arrays["image"] = np.zeros((ROWS - 1, 28, 28), np.uint8)
    np.savez(tmp_path / "av.npz", **av_arrays)
    with pytest.raises(LearningError, match=r"array image: expected shape \(20, 28, 28\), got"):
        load_from("av_digits", tmp_path / "av.npz")
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(LearningError, match=r"text\.npz: expected an npz file of plain arrays"):
        load_from("av_digits", tmp_path / "text.npz")
    folder = write_archive(tmp_path / "mfeat", numerals)
    (folder / "mfeat-zer").write_text("1 2 3\n" * 2000)
    with pytest.raises(LearningError, match=r"mfeat-zer: expected shape \(2000, 47\), got"):
        load_mfeat_digits(folder)
    (folder / "mfeat-zer").unlink()
    with pytest.raises(LearningError, match="expected mfeat-zer, got no such table"):
        load_mfeat_digits(folder)
