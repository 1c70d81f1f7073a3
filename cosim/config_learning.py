"""The learning side in the configuration: data, who holds what, method, model and training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from cosim.arithmetic import ARITHMETICS
from cosim.config_section import Section, StoredPath, quantity
from learning.data.availability import MODALITY_PATTERNS
from learning.data.normalise import NORMALISATIONS
from learning.data.own_data import SUFFIXES
from learning.data.setup import (
    DATASETS,
    DATASETS_BY_PATH,
    EVALUATE_ON,
    NUM_FOLDS,
    PARTITIONS,
)
from learning.exchange_setup import MIXINGS, PAYLOAD_CODECS
from learning.methods.catalogue import METHODS
from learning.setup import GENERATORS


class DataFields(Section):
    """The data set, and how it is dealt to the devices."""

    dataset: str = Field(
        "watch",
        description="watch: embedded recordings of a smartwatch; uci_har, av_digits,"
        " mfeat_digits: need data_path; made: synthetic, for tests; or an npz, or a Python file"
        " with a function load(), of your own",
    )
    data_path: StoredPath | None = Field(None, description="Folder, zip or npz of the data set")
    evaluate_on: Literal[EVALUATE_ON] = Field(  # type: ignore[valid-type]
        "test", description="validation: for tuning, with people or recordings of their own"
    )
    fold: int | None = quantity(
        None,
        "Which people or recordings are held out; by default the data set's own split, without"
        " a validation part",
        "",
        0,
        NUM_FOLDS - 1,
    )
    normalisation: Literal[NORMALISATIONS] = Field(  # type: ignore[valid-type]
        "fixed",
        description="fixed: units that the data set names; local: by each device's own mean and"
        " deviation; gossip: by all devices', whose sums neighbours send each other every round",
    )
    partition: Literal[PARTITIONS] = Field(  # type: ignore[valid-type]
        "dirichlet",
        description="How recordings are dealt to devices: dirichlet, iid, classes (some each),"
        " subject (whole people)",
    )
    dirichlet_alpha: float = quantity(
        0.5, "Concentration of the label mix per device; small is heterogeneous", "", 1e-3, 1e6
    )
    modality_pattern: Literal[MODALITY_PATTERNS] = Field(  # type: ignore[valid-type]
        "all",
        description="all: every device has every modality; thirds: the first half of them, the"
        " others, or all, a third of the devices each; rate: each with modality_rate; table: from"
        " modality_file",
    )
    classes_per_device: int = quantity(
        2, "Classes that a device holds, with partition classes", "", 1, 10000
    )
    size_sigma: float = quantity(
        0.0, "How far sizes of devices spread: deviation of the logarithm of their shares", "", 0, 3
    )
    modality_rate: float = quantity(
        0.7, "Probability that a device has a modality, with pattern rate", "", 1e-3, 1.0
    )
    modality_file: StoredPath | None = Field(
        None, description="CSV file with one row a device and a column of 0 and 1 a modality"
    )

    @field_validator("dataset")
    @classmethod
    def _dataset_is_known(cls, dataset: str) -> str:
        return _known_or_file("dataset", dataset, DATASETS, SUFFIXES)

    @model_validator(mode="after")
    def _data_path_fits(self) -> DataFields:
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
        return self


class MethodFields(Section):
    """Method, model and training."""

    method: str = Field(
        "dmml_kd",
        description=f"{', '.join(METHODS)}; or a Python file with a METHOD of your own",
    )
    method_options: dict[str, float] = Field(
        {},
        description="The method's own numbers, a table of the TOML file or NAME=VALUE: "
        + "; ".join(
            f"{name}: {', '.join(f'{o}={v:g}' for o, v in method.options.items())}"
            for name, method in METHODS.items()
            if method.options
        ),
    )
    only_modality: str | None = Field(None, description="What single_modality trains")
    model: str = Field(
        "default",
        description="default: a small CNN or perceptron by the kind of modality; or a Python file"
        " with a function encoder(modality, shape, out_features)",
    )
    batch_size: int = quantity(32, "Windows in one local step", "", 1, 4096)
    learning_rate: float = quantity(0.1, "Step size of SGD", "", 1e-6, 10.0)
    clip_norm: float = quantity(5.0, "Largest gradient norm of a device's step", "", 1e-6, 1e6)
    feature_dim: int = quantity(32, "Half of the features of a modality", "", 1, 1024)
    specific_share: float | None = quantity(
        None,
        "Share of the features of a modality that are specific to it, the others being common; 0:"
        " no decomposition; by default that of the method: 0.25 in dmml_kd, 0.5 in others, none in"
        " fedgen, fedgen_strong and fedproto",
        "",
        0.0,
        0.99,
    )
    generator: Literal[GENERATORS] = Field(  # type: ignore[valid-type]
        "statistics",
        description="What dmml_kd distils from: statistics of features by class, a network, none",
    )
    unimodal_weight: float = quantity(1.0, "Loss weight of each modality alone", "", 0.0, 100.0)
    decorrelation_weight: float = quantity(
        0.3, "Loss weight of dmml_kd for common and specific features that differ", "", 0.0, 100.0
    )
    distillation_weight: float = quantity(
        1.0, "Loss weight of generated common features", "", 0.0, 100.0
    )
    alignment_weight: float = quantity(
        0.0, "Loss weight of common features to the global class means", "", 0.0, 100.0
    )
    logit_adjustment: bool = Field(True, description="Correct logits by the local label prior")
    generator_samples: int = quantity(32, "Generated features per local step", "", 1, 4096)
    generator_decay: float = quantity(
        0.9, "What is left of the generator's old statistics after a round", "", 0.0, 1.0
    )
    warmup_rounds: int = quantity(5, "Rounds without generator terms", "", 0, 100000)
    ramp_rounds: int = quantity(10, "Rounds over which they grow to full weight", "", 0, 100000)

    @field_validator("method")
    @classmethod
    def _method_is_known(cls, method: str) -> str:
        return _known_or_file("method", method, tuple(METHODS), (".py",))

    @field_validator("model")
    @classmethod
    def _model_is_known(cls, model: str) -> str:
        return _known_or_file("model", model, ("default",), (".py",))


def _known_or_file(field: str, name: str, known: tuple[str, ...], suffixes: tuple[str, ...]) -> str:
    """Return a known name as it is, a file of the user's as its absolute path; refuse the rest."""
    if name in known:
        return name
    if not name.endswith(suffixes) or not Path(name).is_file():
        raise ValueError(
            f"learning.{field}: expected {' | '.join(known)} or a file *{' or *'.join(suffixes)},"
            f" got {name}; choose one of these or correct the path"
        )
    return str(Path(name).resolve())


class ExchangeFields(Section):
    """What goes on the air, and how what arrived is mixed."""

    mixing: Literal[MIXINGS] = Field(  # type: ignore[valid-type]
        "metropolis",
        description="metropolis: Metropolis-Hastings, what is lost stays with the receiver;"
        " push_sum: running sums, whose mean losses do not shift (payload_codec float32)",
    )
    payload_codec: Literal[PAYLOAD_CODECS] = Field(  # type: ignore[valid-type]
        "float32",
        description="How parameters travel: float32, float16, int8 with a scale per array, or"
        " top_k: those that changed most since they were sent (generator sums: float32)",
    )
    top_k_share: float = quantity(
        0.1, "Share of an array's elements that top_k sends", "", 1e-4, 1.0
    )
    late_weight: float = quantity(
        0.0,
        "Factor on the weight of a message of which some came late and the rest is sent in the next"
        " round, in place of a new one; 0: what is late is dropped, and a new one sent",
        "",
        0.0,
        1.0,
    )


class LearningConfig(DataFields, ExchangeFields, MethodFields):
    """Data, exchange, method and training."""

    rounds: int = quantity(30, "Rounds to run", "", 1, 100000)
    arithmetic: Literal[ARITHMETICS] = Field(  # type: ignore[valid-type]
        "portable",
        description="portable: the same bits on every x86-64 processor with AVX2 and FMA; fast:"
        " this processor's own",
    )
    evaluate_every: int = quantity(
        1, "Evaluate in every so manieth round, and in the last", "", 1, 100000
    )
