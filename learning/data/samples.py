"""A multi-modal data set of labelled samples."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.errors import LearningError
from learning.names import check_names, check_texts

TRAIN, VALIDATION, TEST = 0, 1, 2
SPLIT_NAMES = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
_SHAPES = "float32 (N, features), (N, channels, length) or (N, channels, height, width)"
_DIMENSIONS = (2, 3, 4)


@dataclass(frozen=True)
class MultiModalData:
    """N samples, each seen by every modality.

    modalities: name -> float32 (N, *shape), where shape is (channels, length) of a signal,
    (channels, height, width) of an image or spectrogram, or (features,) of a vector;
    label (N,) int64 in 0..C-1; subject (N,) int64: the person; recording (N,) int64: samples of
    one recording may overlap, so a recording is never split over devices;
    split (N,) int8: TRAIN, VALIDATION (may be absent) or TEST; class_names: C names.

    Raises LearningError when names.py refuses a name, shapes disagree, values are not finite, a
    label is out of range, only one class is trained on, there is nothing to train on or to test, or
    a recording has more than one split, subject or label.
    """

    name: str
    modalities: dict[str, NDArray[np.float32]]
    label: NDArray[np.int64]
    subject: NDArray[np.int64]
    recording: NDArray[np.int64]
    split: NDArray[np.int8]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.modalities:
            raise self._wrong("modalities", "at least one", "none")
        check_names(f"data {self.name}, modality", self.modalities)
        check_texts(f"data {self.name}, class_names", self.class_names)
        count = len(self.label)
        lengths = {m: len(values) for m, values in self.modalities.items()}
        lengths |= {name: len(getattr(self, name)) for name in ("subject", "recording", "split")}
        for name, length in lengths.items():
            if length != count:
                raise self._wrong(f"array {name}", f"{count} samples", str(length))
        for name, values in self.modalities.items():
            self._check_modality(name, values)
        self._check_split_and_label()
        self._check_recordings()

    def sha256(self) -> str:
        """Return a hash of all samples and what is known of them."""
        digest = hashlib.sha256(repr((self.name, self.class_names, [*self.modalities])).encode())
        known: list[NDArray[Any]] = [self.label, self.subject, self.recording, self.split]
        for values in [*self.modalities.values(), *known]:
            digest.update(repr((values.shape, values.dtype.str)).encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    def _check_modality(self, name: str, values: NDArray[np.float32]) -> None:
        if values.ndim not in _DIMENSIONS or values.dtype != np.float32 or values.size == 0:
            raise self._wrong(f"modality {name}", _SHAPES, f"{values.dtype} {values.shape}")
        if not np.isfinite(values).all():
            sample = int(np.argwhere(~np.isfinite(values))[0][0])
            got = f"NaN or inf in sample {sample}"
            raise self._wrong(f"modality {name}", "finite values", got)

    def _check_split_and_label(self) -> None:
        found = set(np.unique(self.split).tolist())
        if self.split.dtype != np.int8 or not {TRAIN, TEST} <= found <= {TRAIN, VALIDATION, TEST}:
            expected = f"int8 with {TRAIN} (train) and {TEST} (test), perhaps {VALIDATION}"
            got = f"{self.split.dtype} with {sorted(found)}"
            raise self._wrong("split", expected, got)
        if self.label.min() < 0 or self.label.max() >= self.num_classes:
            got = f"{self.label.min()}..{self.label.max()}"
            raise self._wrong("label", f"0..{self.num_classes - 1}", got)
        trained = np.unique(self.label[self.split == TRAIN])
        if len(trained) < 2:
            got = f"only {trained.tolist()}"
            raise self._wrong("label", "at least two classes to train on", got)

    def _check_recordings(self) -> None:
        _, first, recording = np.unique(self.recording, return_index=True, return_inverse=True)
        for what in ("split", "subject", "label"):
            values = getattr(self, what)
            odd = values != values[first][recording]
            if odd.any():
                got = f"several in recording {int(self.recording[np.argmax(odd)])}"
                raise self._wrong("recording", f"one {what} each", got)

    def _wrong(self, what: str, expected: str, got: str) -> LearningError:
        return LearningError(
            f"data {self.name}, {what}", expected, got, "correct what the data set's loader returns"
        )

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)
