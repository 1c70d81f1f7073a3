"""Reading of data files: pinned bytes, npz files, and official archives as folder or zip."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.errors import LearningError


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


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of an npz file, unpickling nothing; raise LearningError where it is none."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        what, got = f"data file {path.name}", str(error) or type(error).__name__
        expected, remedy = "an npz file of plain arrays", "write it with numpy.savez"
        raise LearningError(what, expected, got, remedy) from error


def read_npz(
    path: Path, shapes: Mapping[str, tuple[int, ...]], remedy: str
) -> dict[str, NDArray[Any]]:
    """Read the arrays named, each (N, *shape) for the same N; others are ignored.

    Raises LearningError when one is missing or has another shape.
    """
    arrays = read_arrays(path)
    missing = [name for name in shapes if name not in arrays]
    if missing:
        raise LearningError(f"data file {path.name}", ", ".join(shapes), f"no {missing}", remedy)
    count = len(arrays[next(iter(shapes))])
    for name, shape in shapes.items():
        if arrays[name].shape != (count, *shape):
            what, got = f"data file {path.name}, array {name}", str(arrays[name].shape)
            raise LearningError(what, f"shape {(count, *shape)}", got, remedy)
    return arrays


class Archive:
    """An official archive, as a folder or a zip: owns where its tables are read from."""

    def __init__(self, path: Path, remedy: str) -> None:
        """Open it; raise LearningError when a file is no zip."""
        self._path = path
        self._remedy = remedy
        self._zip = None if path.is_dir() else _open_zip(path, remedy)

    def table(self, name: str) -> NDArray[np.float32]:
        """Read a whitespace table (rows, columns) by its name, at the top or one folder below.

        Raises LearningError when it is missing, empty or ragged.
        """
        rows = [line.split() for line in self._text(name).splitlines() if line.strip()]
        if len({len(row) for row in rows}) != 1:
            what = f"data {self._path.name}, table {name}"
            raise LearningError(what, "rows of one length", "ragged or empty", self._remedy)
        return np.array(rows, dtype=np.float64).astype(np.float32)

    def _text(self, name: str) -> str:
        if self._zip is not None:
            for member in self._zip.namelist():
                if name in (member, member.partition("/")[2]):
                    return self._zip.read(member).decode("ascii")
        else:
            for file in (self._path / name, *sorted(self._path.glob(f"*/{name}"))):
                if file.is_file():
                    return file.read_text("ascii")
        raise LearningError(f"data {self._path.name}", name, "no such table", self._remedy)


def _open_zip(path: Path, remedy: str) -> zipfile.ZipFile:
    if not zipfile.is_zipfile(path):
        raise LearningError(f"data file {path.name}", "a zip archive", "another format", remedy)
    outer = zipfile.ZipFile(path)
    inner = [name for name in outer.namelist() if name.endswith(".zip") and "/" not in name]
    # The UCI page wraps some archives in a second zip.
    return zipfile.ZipFile(io.BytesIO(outer.read(inner[0]))) if len(inner) == 1 else outer
