"""UCI Multiple Features: handwritten numerals seen by six sets of features, read from a path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from learning.data.samples import TEST, TRAIN, MultiModalData
from learning.data.sets.files import Archive, read_npz
from learning.errors import LearningError

VIEWS = {"pix": 240, "fou": 76, "fac": 216, "zer": 47, "kar": 64, "mor": 6}
NUM_CLASSES, PER_CLASS, TEST_PER_CLASS = 10, 200, 50
# Centre and unit of each view: round numbers near its mean and spread, fixed beforehand. One pair
# serves all features of a kind: fac comes in twelves, six large correlations and six small; the
# features of mor are three counts and three measures of different kinds.
UNITS: dict[str, tuple[list[float], list[float]]] = {
    "pix": ([3.0], [3.0]),
    "fou": ([0.0], [0.1]),
    "fac": ([600.0] * 6 + [15.0] * 6, [200.0] * 6 + [10.0] * 6),
    "zer": ([100.0], [100.0]),
    "kar": ([0.0], [3.0]),
    "mor": ([0.0, 0.0, 0.0, 150.0, 1.5, 6000.0], [1.0, 1.0, 1.0, 25.0, 0.3, 4000.0]),
}
_SHAPES = {name: (features,) for name, features in VIEWS.items()} | {"label": (), "is_train": ()}
_REMEDY = "give the official archive (zip or folder with mfeat-pix and its like) or the compact npz"


def load_mfeat_digits(path: Path) -> MultiModalData:
    """Load 2000 numerals, 10 classes, as six vectors: pix, fou, fac, zer, kar, mor.

    Modalities (N, features), in UNITS: pixel averages in 2 x 3 windows (240), Fourier coefficients
    (76), profile correlations (216), Zernike moments (47), Karhunen-Loeve coefficients (64),
    morphology (6). There is no official split: of each class 50 numerals are the test, drawn once
    (`fixed_test`). Nobody knows who wrote what: each numeral is a subject and a recording of
    its own.
    The path is the official zip, its folder, or an npz with the six arrays, label and is_train.
    Source: Duin, UCI Multiple Features (CC BY 4.0).
    Raises LearningError when an array or table is missing or misshapen.
    """
    if path.suffix == ".npz":
        arrays = read_npz(path, _SHAPES, _REMEDY)
        return _build(
            {name: arrays[name].astype(np.float32) for name in VIEWS},
            arrays["label"].astype(np.int64),
            ~arrays["is_train"].astype(np.bool_),
        )
    archive = Archive(path, _REMEDY)
    views = {name: archive.table(f"mfeat-{name}") for name in VIEWS}
    rows = NUM_CLASSES * PER_CLASS
    for name, features in VIEWS.items():
        if views[name].shape != (rows, features):
            what, got = f"data {path.name}, table mfeat-{name}", str(views[name].shape)
            raise LearningError(what, f"shape {(rows, features)}", got, _REMEDY)
    return _build(views, np.repeat(np.arange(NUM_CLASSES), PER_CLASS), fixed_test())


def fixed_test() -> NDArray[np.bool_]:
    """Say which rows of the archive, 200 a class in order, are the test: (2000,).

    Of class c the last 50 of a permutation seeded with c: the split of the compact npz.
    """
    is_test = np.zeros((NUM_CLASSES, PER_CLASS), dtype=np.bool_)
    for c in range(NUM_CLASSES):
        is_test[c, np.random.default_rng(c).permutation(PER_CLASS)[-TEST_PER_CLASS:]] = True
    return is_test.ravel()


def _build(
    views: dict[str, NDArray[np.float32]], label: NDArray[np.int64], is_test: NDArray[np.bool_]
) -> MultiModalData:
    each = np.arange(len(label))
    return MultiModalData(
        name="mfeat_digits",
        modalities={name: _in_units(views[name], *UNITS[name]) for name in VIEWS},
        label=label,
        subject=each,
        recording=each,
        split=np.where(is_test, TEST, TRAIN).astype(np.int8),
        class_names=tuple(str(digit) for digit in range(NUM_CLASSES)),
    )


def _in_units(
    values: NDArray[np.float32], centre: list[float], unit: list[float]
) -> NDArray[np.float32]:
    repeats = values.shape[1] // len(centre)
    scaled: NDArray[np.float32] = (values - np.tile(centre, repeats)) / np.tile(unit, repeats)
    return scaled.astype(np.float32)
