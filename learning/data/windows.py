"""A multi-modal data set of windows in time, and the check of the files it comes from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from learning.errors import LearningError


@dataclass(frozen=True)
class MultiModalData:
    """Windows of N samples in time, each seen by every modality.

    modalities: name -> (N, channels, length) float32; label (N,) int64 in 0..C-1;
    subject (N,) int64: the person; recording (N,) int64: windows of one recording may overlap, so
    a recording is never split over devices; is_train (N,) bool; class_names: C names.

    Raises LearningError when shapes disagree, values are not finite, or a label is out of range.
    """

    name: str
    modalities: dict[str, NDArray[np.float32]]
    label: NDArray[np.int64]
    subject: NDArray[np.int64]
    recording: NDArray[np.int64]
    is_train: NDArray[np.bool_]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(self.label)
        per_window = {"subject": self.subject, "recording": self.recording} | self.modalities
        for name, values in {**per_window, "is_train": self.is_train}.items():
            if len(values) != count:
                raise self._wrong(f"array {name}", f"{count} windows", str(len(values)))
        for name, values in self.modalities.items():
            if values.ndim != 3 or values.dtype != np.float32:
                got = f"{values.dtype} {values.shape}"
                raise self._wrong(f"modality {name}", "float32 (N, channels, length)", got)
            if not np.isfinite(values).all():
                raise self._wrong(f"modality {name}", "finite values", "NaN or inf")
        if not self.modalities:
            raise self._wrong("modalities", "at least one", "none")
        if self.is_train.dtype != np.bool_ or self.is_train.all() or not self.is_train.any():
            raise self._wrong("is_train", "bool with train and test windows", "one kind only")
        if self.label.min() < 0 or self.label.max() >= len(self.class_names):
            got = f"{self.label.min()}..{self.label.max()}"
            raise self._wrong("label", f"0..{len(self.class_names) - 1}", got)

    def _wrong(self, what: str, expected: str, got: str) -> LearningError:
        return LearningError(
            f"data {self.name}, {what}", expected, got, "correct the loader's data"
        )

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)


def checked_file(path: Path, sha256: str, remedy: str) -> Path:
    """Return the path when the file's SHA-256 is the pinned one, so that it is safe to unpickle.

    Raises LearningError when the file is missing or altered.
    """
    if not path.is_file():
        raise LearningError(f"data file {path.name}", f"a file at {path}", "none", remedy)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != sha256:
        expected, got = f"SHA-256 {sha256[:16]}...", f"{digest[:16]}..."
        raise LearningError(f"data file {path.name}", expected, got, remedy)
    return path
