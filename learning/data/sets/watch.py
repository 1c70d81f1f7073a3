"""The embedded data set: shoulder exercises seen by a smartwatch, from the package seglearn."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from learning.data.samples import TEST, TRAIN, MultiModalData
from learning.data.sets.files import checked_file
from learning.errors import LearningError

WATCH_SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
WINDOW_SAMPLES = 128  # 2.56 s at 50 Hz
STEP_SAMPLES = 64
TEST_SUBJECTS = (8, 9, 10)
_REMEDY = "pip install --force-reinstall seglearn==1.2.5"


def load_watch() -> MultiModalData:
    """Load 140 recordings of 10 people and cut them into 3605 half-overlapping windows.

    Modalities: acc (N, 3, 128) [g], gyro (N, 3, 128) [rad/s], unscaled. Labels: 7 exercises.
    Subjects 8, 9, 10 are the test; folds rotate the test people instead (dealing/splits.py).
    Left out: which shoulder (side), and the tail of a recording that fills no window.
    Source: Burns et al., arXiv 1802.01489; seglearn 1.2.5 (BSD).
    Raises LearningError when the package is missing or its file altered.
    """
    path = checked_file(_find_watch_file(), WATCH_SHA256, _REMEDY)
    # A pickle runs code when read: only the pinned bytes get here.
    raw = np.load(path, allow_pickle=True).item()
    pieces = [cut_windows(recording) for recording in raw["X"]]
    recording = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
    windows = np.concatenate(pieces)
    subject = np.asarray(raw["subject"], dtype=np.int64)[recording]
    return MultiModalData(
        name="watch",
        modalities={
            "acc": np.ascontiguousarray(windows[:, :3]),
            "gyro": np.ascontiguousarray(windows[:, 3:]),
        },
        label=np.asarray(raw["y"], dtype=np.int64)[recording],
        subject=subject,
        recording=recording.astype(np.int64),
        split=np.where(np.isin(subject, TEST_SUBJECTS), TEST, TRAIN).astype(np.int8),
        class_names=tuple(str(name) for name in raw["y_labels"]),
    )


def cut_windows(recording: NDArray[np.floating]) -> NDArray[np.float32]:
    """Cut a recording (samples, channels) into windows (W, channels, 128) with a step of 64."""
    windows = np.lib.stride_tricks.sliding_window_view(recording, WINDOW_SAMPLES, axis=0)
    return windows[::STEP_SAMPLES].astype(np.float32)


def _find_watch_file() -> Path:
    # find_spec of a top-level name locates the package without running its old code.
    spec = importlib.util.find_spec("seglearn")
    if spec is None or not spec.submodule_search_locations:
        raise LearningError("data set watch", "package seglearn 1.2.5", "none installed", _REMEDY)
    return Path(next(iter(spec.submodule_search_locations))) / "data" / "watch_dataset.npy"
