"""A data set of the user's own: an npz, or a Python file with a function load().

    modalities   name -> (N, features), (N, channels, length) or (N, channels, height, width)
    label        (N,) whole numbers or names
    subject      (N,) whole numbers: the person (or machine) of each sample
    split        (N,) "train", "validation", "test", or 0, 1, 2
    recording    (N,) whole numbers, optional: samples that overlap share one; a recording is never
                 split over devices. Without it each sample is a recording
    class_names  C names, optional

Names of modalities are ASCII letters, digits and underscores, those of classes any text (names.py).
load() returns a mapping with these keys. In an npz, arrays with other names are the modalities.
Values are taken as they are: choose units in which they are about 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.data.samples import SPLIT_NAMES, MultiModalData
from learning.data.settings import DATASET_SUFFIXES
from learning.errors import LearningError
from learning.names import check_names, check_texts
from learning.own_file import load_from, run_own

_REMEDY = "see learning/examples/own_data.py"
_NEEDED = ("modalities", "label", "subject", "split")
_OPTIONAL = ("recording", "class_names")


def is_own_data(name: str) -> bool:
    """Tell whether a data set is the path of a file of the user's."""
    return name.endswith(DATASET_SUFFIXES)


def load_own_data(path: str) -> MultiModalData:
    """Load and check a data set of the user's own.

    Raises LearningError, with the file and what in it, for anything that does not fit.
    """
    if not Path(path).is_file():
        raise LearningError(path, "a file", "nothing there", "correct the path")
    where = path if path.endswith(".npz") else f"{path}, load"
    given = _read_npz(path) if path.endswith(".npz") else _call_load(path)
    missing = [key for key in _NEEDED if key not in given]
    extra = [key for key in given if key not in (*_NEEDED, *_OPTIONAL)]
    if missing or extra:
        got = f"no {', '.join(missing)}" if missing else f"also {', '.join(extra)}"
        raise LearningError(where, ", ".join(_NEEDED), got, _REMEDY)
    label, class_names = _classes(where, given)
    count = len(label)
    recording = given.get("recording", np.arange(count))
    return MultiModalData(
        name=Path(path).name,
        modalities=_modalities(where, given["modalities"]),
        label=label,
        subject=_whole(where, "subject", given["subject"]),
        recording=_whole(where, "recording", recording),
        split=_split(where, given["split"]),
        class_names=class_names,
    )


def _read_npz(path: str) -> dict[str, Any]:
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # of a file that is no npz, numpy raises whatever it stumbles on
        raise LearningError(path, "an npz of plain arrays", str(error), _REMEDY) from error
    known = {name: arrays.pop(name) for name in (*_NEEDED[1:], *_OPTIONAL) if name in arrays}
    return known | {"modalities": arrays}


def _call_load(path: str) -> Mapping[str, Any]:
    given = run_own(path, f"{path}, load", load_from(path, "load", _REMEDY))
    if not isinstance(given, Mapping):
        got = type(given).__name__
        raise LearningError(f"{path}, load", "a mapping", got, _REMEDY)
    return given


def _modalities(where: str, given: Any) -> dict[str, NDArray[np.float32]]:
    if not isinstance(given, Mapping) or not given:
        got = "none" if isinstance(given, Mapping) else type(given).__name__
        raise LearningError(f"{where}, modalities", "at least one array by name", got, _REMEDY)
    check_names(f"{where}, modality", given)
    arrays = {}
    for name, values in given.items():
        array = _array(f"{where}, modality {name}", values)
        if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
            raise LearningError(f"{where}, modality {name}", "numbers", str(array.dtype), _REMEDY)
        arrays[name] = np.ascontiguousarray(array, dtype=np.float32)
    return arrays


def _whole(where: str, what: str, given: Any) -> NDArray[np.int64]:
    array = _array(f"{where}, {what}", given)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        got = f"{array.dtype} {array.shape}"
        raise LearningError(f"{where}, {what}", "whole numbers (N,)", got, _REMEDY)
    return array.astype(np.int64)


def _classes(where: str, given: Mapping[str, Any]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return class numbers from 0, and the names of the classes."""
    label = _array(f"{where}, label", given["label"])
    names = _names(where, given["class_names"]) if "class_names" in given else ()
    if label.ndim == 1 and label.dtype.kind == "U":
        found = tuple(np.unique(label).tolist())
        check_texts(f"{where}, label", found)
        names = names or found
        unknown = [name for name in found if name not in names]
        if unknown:
            raise LearningError(f"{where}, label", " | ".join(names), unknown[0], _REMEDY)
        return np.array([names.index(name) for name in label], dtype=np.int64), names
    numbers = _whole(where, "label", label)
    if names:
        return numbers, names
    # Numbers with gaps, such as years, are names.
    values, position = np.unique(numbers, return_inverse=True)
    return position.astype(np.int64), tuple(f"class_{value}" for value in values)


def _names(where: str, given: Any) -> tuple[str, ...]:
    array = _array(f"{where}, class_names", given)
    names = tuple(map(str, array.tolist())) if array.ndim == 1 else ()
    if len(names) == 0:
        got = f"{array.dtype} {array.shape}"
        raise LearningError(f"{where}, class_names", "C different names", got, _REMEDY)
    check_texts(f"{where}, class_names", names)
    return names


def _split(where: str, given: Any) -> NDArray[np.int8]:
    array = _array(f"{where}, split", given)
    known: set[Any] = set(SPLIT_NAMES.values())
    if array.ndim == 1 and array.dtype.kind == "U":
        known = set(SPLIT_NAMES)
    else:
        array = _whole(where, "split", array)
    unknown = set(array.tolist()) - known
    if unknown:
        raise LearningError(f"{where}, split", " | ".join(SPLIT_NAMES), str(min(unknown)), _REMEDY)
    return np.array([SPLIT_NAMES.get(v, v) for v in array.tolist()], dtype=np.int8)


def _array(what: str, given: Any) -> NDArray[Any]:
    """Make an array; text comes as str, also from bytes and from the objects of pandas."""
    try:
        array = np.asarray(given)
        if array.dtype.kind == "S":
            array = np.char.decode(array, "utf-8")
        if array.dtype.kind == "O" and all(isinstance(v, str) for v in array.ravel()):
            array = array.astype(str)
    except Exception as error:  # ragged lists, tensors with a gradient, other text
        raise LearningError(what, "an array", " ".join(str(error).split()), _REMEDY) from error
    return array
