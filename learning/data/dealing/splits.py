"""Who is trained on, who is tuned on and who is only tested: folds over people or recordings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learning.data.samples import TEST, TRAIN, VALIDATION, MultiModalData
from learning.data.settings import NUM_FOLDS
from learning.errors import LearningError

if TYPE_CHECKING:
    from learning.settings import LearningSetup

ROTATING = ("watch", "made")
_FOLD_STREAM = 0x466F6C64


def assign_split(data: MultiModalData, setup: LearningSetup) -> MultiModalData:
    """Return the data with the split of the setup's fold; without a fold, with their own.

    In a fold the validation part is held out of training whatever is evaluated, so that a final
    run trains on the very people for whom its settings were tuned. Folds depend on the data alone,
    not on the seed. A fold's validation people are test people of another: settings that were
    chosen on several folds have seen them, so choose them fold by fold.
    Raises LearningError when a fold is not possible, or what is evaluated is empty.
    """
    if setup.fold is not None:
        if setup.dataset in ROTATING:
            split = rotate_people(data.subject, setup.fold)
        else:
            split = hold_out(data, setup.fold)
        data = replace(data, split=split)
    if setup.evaluate_on == "validation" and not (data.split == VALIDATION).any():
        raise LearningError(
            f"evaluate_on validation of {data.name}",
            "a validation part",
            "none without a fold",
            f"choose a fold, 0 to {NUM_FOLDS - 1}",
        )
    return data


def rotate_people(subject: NDArray[np.int64], fold: int) -> NDArray[np.int8]:
    """Rotate five groups of people, in the order of their numbers, through test and validation.

    Fold f tests group f, validates on group f + 1 (after the last comes the first) and trains on
    the rest. Watch: groups (1, 2), (3, 4) ... (9, 10). For data sets without an official test.
    subject (N,) -> split (N,).
    """
    groups = np.array_split(np.unique(subject), NUM_FOLDS)
    split = np.full(len(subject), TRAIN, dtype=np.int8)
    split[np.isin(subject, groups[fold])] = TEST
    split[np.isin(subject, groups[(fold + 1) % NUM_FOLDS])] = VALIDATION
    return split


def hold_out(data: MultiModalData, fold: int) -> NDArray[np.int8]:
    """Keep the official test, and take a fifth of what is trained on as validation.

    As the test, so the validation: new people where all test people are new (UCI HAR: 5, 4, 4, 4
    and 4 of 21), else new recordings of the same people. The five fifths are disjoint, drawn once.
    Raises LearningError when there are fewer than five to hold out, or the data come with a
    validation part.
    """
    if (data.split == VALIDATION).any():
        what, got = f"fold of {data.name}", "data with a validation part of their own"
        raise LearningError(what, "data without one", got, "leave fold out")
    train = data.split == TRAIN
    new_people = np.intersect1d(data.subject[train], data.subject[data.split == TEST]).size == 0
    unit = data.subject if new_people else data.recording
    units = np.unique(unit[train])
    if len(units) < NUM_FOLDS:
        kind = "people" if new_people else "recordings"
        what, got = f"fold of {data.name}", str(len(units))
        raise LearningError(what, f"at least {NUM_FOLDS} {kind} to train on", got, "leave fold out")
    shuffled = np.random.default_rng(_FOLD_STREAM).permutation(units)
    held_out = np.array_split(shuffled, NUM_FOLDS)[fold]
    return np.where(train & np.isin(unit, held_out), VALIDATION, data.split).astype(np.int8)
