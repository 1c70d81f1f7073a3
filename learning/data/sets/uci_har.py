"""UCI HAR: everyday activities seen by a smartphone at the waist, read from a path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from learning.data.samples import TEST, TRAIN, MultiModalData
from learning.data.sets.files import Archive, read_npz

_ACTIVITIES = (
    "WALKING",
    "WALKING_UPSTAIRS",
    "WALKING_DOWNSTAIRS",
    "SITTING",
    "STANDING",
    "LAYING",
)
_SIGNALS = {"acc": "body_acc", "gyro": "body_gyro"}
# Units of the modalities: round numbers near the spread of everyday motion, fixed beforehand.
ACC_UNIT_G = 0.1
GYRO_UNIT_RAD_PER_S = 0.3
_UNITS = {"acc": ACC_UNIT_G, "gyro": GYRO_UNIT_RAD_PER_S}
_SHAPES = {"acc": (3, 128), "gyro": (3, 128), "label": (), "subject": (), "is_train": ()}
_REMEDY = "give the official archive (zip or unpacked folder) or the compact npz"


def load_uci_har(path: Path) -> MultiModalData:
    """Load 10299 windows of 128 samples at 50 Hz, of 30 people and 6 activities.

    Modalities: acc (N, 3, 128), body acceleration without gravity [0.1 g]; gyro (N, 3, 128)
    [0.3 rad/s]: in g and rad/s the same training lost 9 to 14 points. The split is the
    official one, by subject. The archive names no recordings: they are recovered by
    `link_overlapping_windows`. Left out: total acceleration, the 561 hand-made features.
    The path is the official zip (also nested in the UCI page's outer zip), its unpacked folder, or
    an npz with arrays acc, gyro, label, subject, is_train.
    Source: Anguita et al., ESANN 2013.
    Raises LearningError when a part of it is missing or misshapen.
    """
    if path.suffix == ".npz":
        return _load_npz(path)
    return _load_archive(Archive(path, _REMEDY))


def link_overlapping_windows(windows: NDArray[np.float32]) -> NDArray[np.int64]:
    """Find the recordings: window j continues i when the halves that they share are equal.

    windows (N, channels, length), cut with half-window steps; returns (N,) the recording's number.
    Works in any order of the windows. On UCI HAR it finds 9442 links, each within one person and
    one activity, so 857 recordings, and no two windows with the same first half. A window that
    links to nothing is a recording of its own.
    """
    half = windows.shape[-1] // 2
    starts = {window[:, :half].tobytes(): i for i, window in enumerate(windows)}
    following = [starts.get(window[:, half:].tobytes(), -1) for window in windows]
    has_predecessor = set(following)
    recording = np.full(len(windows), -1, dtype=np.int64)
    number = 0
    # First the true beginnings, then (only for periodic signals) whatever is left in a loop.
    beginnings = [i for i in range(len(windows)) if i not in has_predecessor]
    for beginning in (*beginnings, *range(len(windows))):
        here = beginning
        if recording[here] >= 0:
            continue
        while here >= 0 and recording[here] < 0:
            recording[here] = number
            here = following[here]
        number += 1
    return recording


def _build(
    modalities: dict[str, NDArray[np.float32]],
    label: NDArray[np.int64],
    subject: NDArray[np.int64],
    is_train: NDArray[np.bool_],
    class_names: tuple[str, ...],
) -> MultiModalData:
    # Linked before scaling, bit by bit as the windows were cut.
    recording = link_overlapping_windows(np.concatenate(list(modalities.values()), axis=1))
    scaled = {m: x / np.float32(_UNITS[m]) for m, x in modalities.items()}
    split = np.where(is_train, TRAIN, TEST).astype(np.int8)
    return MultiModalData("uci_har", scaled, label, subject, recording, split, class_names)


def _load_npz(path: Path) -> MultiModalData:
    arrays = read_npz(path, _SHAPES, _REMEDY)
    return _build(
        {name: arrays[name].astype(np.float32) for name in _SIGNALS},
        arrays["label"].astype(np.int64),
        arrays["subject"].astype(np.int64),
        arrays["is_train"].astype(np.bool_),
        _ACTIVITIES,
    )


def _load_archive(archive: Archive) -> MultiModalData:
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in _SIGNALS}
    label, subject, is_train = [], [], []
    for split in ("train", "test"):
        for name, signal in _SIGNALS.items():
            axes = [
                archive.table(f"{split}/Inertial Signals/{signal}_{axis}_{split}.txt")
                for axis in "xyz"
            ]
            parts[name].append(np.stack(axes, axis=1))
        label.append(archive.table(f"{split}/y_{split}.txt")[:, 0].astype(np.int64) - 1)
        subject.append(archive.table(f"{split}/subject_{split}.txt")[:, 0].astype(np.int64))
        is_train.append(np.full(len(label[-1]), split == "train"))
    return _build(
        {name: np.concatenate(pieces) for name, pieces in parts.items()},
        np.concatenate(label),
        np.concatenate(subject),
        np.concatenate(is_train),
        _ACTIVITIES,
    )
