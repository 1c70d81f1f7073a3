"""What a run learns from: the data set, and how it is dealt to the devices."""

from __future__ import annotations

from dataclasses import dataclass

from learning.checks import check_choices, check_numbers

DATASETS = ("watch", "uci_har", "made")
PARTITIONS = ("iid", "dirichlet", "subject")
MODALITY_PATTERNS = ("all", "thirds")


@dataclass(frozen=True)
class DataSetup:
    """Everything that decides who holds which data, checked when made.

    Raises LearningError for an unknown name or a number out of range.
    """

    num_devices: int
    seed: int
    dataset: str
    data_path: str | None
    partition: str
    dirichlet_alpha: float
    modality_pattern: str

    def __post_init__(self) -> None:
        check_choices(
            self,
            dataset=DATASETS,
            partition=PARTITIONS,
            modality_pattern=MODALITY_PATTERNS,
        )
        check_numbers(self, positive=("num_devices", "dirichlet_alpha"), not_negative=("seed",))
