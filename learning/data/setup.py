"""What a run learns from: the data set, and how it is dealt to the devices."""

from __future__ import annotations

from dataclasses import dataclass

from learning.checks import check_choices, check_numbers
from learning.data.availability import MODALITY_PATTERNS
from learning.data.normalise import NORMALISATIONS
from learning.data.own_data import is_own_data
from learning.errors import LearningError

DATASETS_BY_PATH = ("uci_har", "av_digits", "mfeat_digits")
DATASETS = ("watch", "made", *DATASETS_BY_PATH)
PARTITIONS = ("iid", "dirichlet", "classes", "subject")
EVALUATE_ON = ("test", "validation")
NUM_FOLDS = 5


@dataclass(frozen=True)
class DataSetup:
    """Everything that decides who holds which data, checked when made.

    `evaluate_on` validation is for tuning; `fold` (None: the data set's own split) chooses the
    people of both, see splits.py.

    Raises LearningError for an unknown name or a number out of range.
    """

    num_devices: int
    seed: int
    dataset: str
    data_path: str | None
    evaluate_on: str
    fold: int | None
    normalisation: str
    partition: str
    dirichlet_alpha: float
    modality_pattern: str
    classes_per_device: int = 2
    size_sigma: float = 0.0
    modality_rate: float = 0.7
    modality_file: str | None = None

    def __post_init__(self) -> None:
        check_choices(
            self,
            evaluate_on=EVALUATE_ON,
            normalisation=NORMALISATIONS,
            partition=PARTITIONS,
            modality_pattern=MODALITY_PATTERNS,
        )
        if not is_own_data(self.dataset):
            check_choices(self, dataset=(*DATASETS, "a file .npz or .py"))
        check_numbers(
            self,
            positive=("num_devices", "dirichlet_alpha", "classes_per_device", "modality_rate"),
            not_negative=("seed", "size_sigma"),
        )
        if (self.modality_file is not None) != (self.modality_pattern == "table"):
            expected = "a CSV file with pattern table, none otherwise"
            got = f"{self.modality_file} with {self.modality_pattern}"
            raise LearningError("modality_file", expected, got, "set or remove it")
        if self.partition == "subject" and self.size_sigma:
            what, got = "size_sigma with partition subject", str(self.size_sigma)
            raise LearningError(what, "0 (people have their own sizes)", got, "remove it")
        if self.fold is not None and not 0 <= self.fold < NUM_FOLDS:
            expected = f"0 to {NUM_FOLDS - 1}"
            raise LearningError("fold", expected, str(self.fold), "choose one of these, or none")
