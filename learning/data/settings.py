"""What a run learns from: the data set, and how it is dealt to the devices."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from learning.own_file import known_or_file

DATASETS_BY_PATH = ("uci_har", "av_digits", "mfeat_digits")
DATASETS = ("watch", "made", *DATASETS_BY_PATH)
DATASET_SUFFIXES = (".npz", ".py")
NUM_FOLDS = 5


class Settings(BaseModel):
    """Fields with their ranges and meaning; refused with ValidationError, a ValueError."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSettings(Settings):
    """The data set, and how it is dealt to the devices."""

    dataset: str = Field(
        "watch",
        description="watch: embedded recordings of a smartwatch; uci_har, av_digits,"
        " mfeat_digits: need data_path; made: synthetic, for tests; or an npz, or a Python file"
        " with a function load(), of your own",
    )
    data_path: str | None = Field(None, description="Folder, zip or npz of the data set")
    evaluate_on: Literal["test", "validation"] = Field(
        "test", description="validation: for tuning, with people or recordings of their own"
    )
    fold: int | None = Field(
        None,
        ge=0,
        le=NUM_FOLDS - 1,
        description="Which people or recordings are held out; by default the data set's own split,"
        " without a validation part",
    )
    normalisation: Literal["fixed", "local", "gossip"] = Field(
        "fixed",
        description="fixed: units that the data set names; local: by each device's own mean and"
        " deviation; gossip: by all devices', whose sums neighbours send each other every round",
    )
    partition: Literal["iid", "dirichlet", "classes", "subject"] = Field(
        "dirichlet",
        description="How recordings are dealt to devices: dirichlet, iid, classes (some each),"
        " subject (whole people)",
    )
    dirichlet_alpha: float = Field(
        0.5,
        ge=1e-3,
        le=1e6,
        description="Concentration of the label mix per device; small is heterogeneous",
        json_schema_extra={"when": {"partition": ["dirichlet"]}},
    )
    modality_pattern: Literal["all", "thirds", "rate", "table"] = Field(
        "all",
        description="all: every device has every modality; thirds: the first half of them, the"
        " others, or all, a third of the devices each; rate: each with modality_rate; table: from"
        " modality_file",
    )
    classes_per_device: int = Field(
        2,
        ge=1,
        le=10000,
        description="Classes that a device holds, with partition classes",
        json_schema_extra={"when": {"partition": ["classes"]}},
    )
    size_sigma: float = Field(
        0.0,
        ge=0,
        le=3,
        description="How far sizes of devices spread: deviation of the logarithm of their shares",
    )
    modality_rate: float = Field(
        0.7,
        ge=1e-3,
        le=1.0,
        description="Probability that a device has a modality, with pattern rate",
        json_schema_extra={"when": {"modality_pattern": ["rate"]}},
    )
    modality_file: str | None = Field(
        None, description="CSV file with one row a device and a column of 0 and 1 a modality"
    )

    @field_validator("dataset")
    @classmethod
    def _dataset_is_known(cls, dataset: str) -> str:
        return known_or_file("learning.dataset", dataset, DATASETS, DATASET_SUFFIXES)

    @model_validator(mode="after")
    def _fields_fit(self) -> DataSettings:
        by_path = self.dataset in DATASETS_BY_PATH
        if by_path and self.data_path is None:
            raise ValueError(
                f"learning.data_path: expected the path of {self.dataset}, got none;"
                " add --learning.data_path PATH"
            )
        if not by_path and self.data_path is not None:
            raise ValueError(
                f"learning.data_path: expected none with dataset {self.dataset},"
                f" got {self.data_path}; remove it or use --learning.dataset"
                f" {', '.join(DATASETS_BY_PATH)}"
            )
        if (self.modality_file is not None) != (self.modality_pattern == "table"):
            raise ValueError(
                "learning.modality_file: expected a CSV file with modality_pattern table, none"
                f" otherwise, got {self.modality_file} with {self.modality_pattern}; set or remove"
            )
        if self.partition == "subject" and self.size_sigma:
            raise ValueError(
                "learning.size_sigma: expected 0 with partition subject (people have their own"
                f" sizes), got {self.size_sigma:g}; remove it"
            )
        return self
