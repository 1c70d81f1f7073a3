"""What a learning run is made of: data, exchange, method, model and hyper-parameters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from learning.data.settings import DataSettings, Settings
from learning.exchange.settings import ExchangeSettings
from learning.methods.names import METHOD_NAMES, METHODS, NO_LEARNING
from learning.own_file import known_or_file


class TrainingSettings(Settings):
    """Method, model and training.

    Which of the loss weights a method takes, its file says; `method_options` are that method's own
    numbers. Generator terms are off for `warmup_rounds`, and then grow over `ramp_rounds`.
    """

    method: str = Field(
        "dmml_kd",
        description=f"{', '.join(METHOD_NAMES)}; or a Python file with a METHOD of your own; or"
        f" {NO_LEARNING}: devices only send messages of given lengths, and load no data",
    )
    method_options: dict[str, float] = Field(
        {},
        description="The method's own numbers, a table of the TOML file or NAME=VALUE: "
        + "; ".join(
            f"{name}: {', '.join(f'{o}={v:g}' for o, v in options.items())}"
            for name, options in METHODS.items()
            if options
        ),
    )
    only_modality: str | None = Field(
        None,
        description="What single_modality trains",
        json_schema_extra={"when": {"method": ["single_modality"]}},
    )
    model: str = Field(
        "default",
        description="default: a small CNN or perceptron by the kind of modality; or a Python file"
        " with a function encoder(modality, shape, out_features)",
    )
    device: Literal["cpu", "cuda"] = Field(
        "cpu",
        description="What trains and evaluates: cpu, or cuda: a GPU, which rounds otherwise than"
        " any processor",
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Threads that train groups of devices at once, the same bits for any number;"
        " by default one for each 25 devices, up to the cores allowed or OMP_NUM_THREADS",
        json_schema_extra={"when": {"device": ["cpu"]}},
    )
    batch_size: int = Field(32, ge=1, le=4096, description="Windows in one local step")
    learning_rate: float = Field(0.1, ge=1e-6, le=10.0, description="Step size of SGD")
    clip_norm: float = Field(
        5.0, ge=1e-6, le=1e6, description="Largest gradient norm of a device's step"
    )
    feature_dim: int = Field(32, ge=1, le=1024, description="Half of the features of a modality")
    specific_share: float | None = Field(
        None,
        ge=0.0,
        le=0.99,
        description="Share of the features of a modality that are specific to it, the others being"
        " common; 0: no decomposition; by default that of the method: 0.25 in dmml_kd, 0.5 in"
        " others, none in fedgen, fedgen_strong and fedproto",
    )
    generator: Literal["statistics", "network", "none"] = Field(
        "statistics",
        description="What dmml_kd distils from: statistics of features by class, a network, none",
        json_schema_extra={"when": {"method": ["dmml_kd"]}},
    )
    unimodal_weight: float = Field(
        1.0,
        ge=0.0,
        le=100.0,
        description="Loss weight of each modality alone",
        json_schema_extra={"when": {"method": ["dmml_kd", "fedgen_strong", "dmml_strong"]}},
    )
    decorrelation_weight: float = Field(
        0.3,
        ge=0.0,
        le=100.0,
        description="Loss weight of dmml_kd for common and specific features that differ",
        json_schema_extra={"when": {"method": ["dmml_kd"]}},
    )
    distillation_weight: float = Field(
        1.0,
        ge=0.0,
        le=100.0,
        description="Loss weight of generated common features",
        json_schema_extra={"when": {"method": ["dmml_kd", "fedgen_strong", "fedgen"]}},
    )
    alignment_weight: float = Field(
        0.0,
        ge=0.0,
        le=100.0,
        description="Loss weight of common features to the global class means",
        json_schema_extra={"when": {"method": ["dmml_kd"]}},
    )
    logit_adjustment: bool = Field(
        True,
        description="Correct logits by the local label prior",
        json_schema_extra={"when": {"method": ["dmml_kd", "fedgen_strong", "dmml_strong"]}},
    )
    generator_samples: int = Field(
        32,
        ge=1,
        le=4096,
        description="Generated features per local step",
        json_schema_extra={"when": {"method": ["dmml_kd", "fedgen_strong", "fedgen"]}},
    )
    generator_decay: float = Field(
        0.9,
        ge=0.0,
        le=1.0,
        description="What is left of the generator's old statistics after a round",
        json_schema_extra={"when": {"method": ["dmml_kd", "fedgen_strong", "fedproto"]}},
    )
    warmup_rounds: int = Field(
        5,
        ge=0,
        le=100000,
        description="Rounds without generator terms",
        json_schema_extra={"when": {"method": ["dmml_kd", "fedgen_strong", "fedgen"]}},
    )
    ramp_rounds: int = Field(
        10,
        ge=0,
        le=100000,
        description="Rounds over which they grow to full weight",
        json_schema_extra={"when": {"method": ["dmml_kd", "fedgen_strong", "fedgen"]}},
    )

    @field_validator("method")
    @classmethod
    def _method_is_known(cls, method: str) -> str:
        return known_or_file("learning.method", method, (*METHOD_NAMES, NO_LEARNING), (".py",))

    @field_validator("model")
    @classmethod
    def _model_is_known(cls, model: str) -> str:
        return known_or_file("learning.model", model, ("default",), (".py",))


class LearningSettings(DataSettings, ExchangeSettings, TrainingSettings):
    """All that a user decides of the learning side."""

    @property
    def learns(self) -> bool:
        """Tell whether there is a method at all."""
        return self.method != NO_LEARNING


class LearningSetup(LearningSettings):
    """Everything that decides a learning run: the settings, and what the run decides for it."""

    num_devices: int = Field(ge=1, description="Devices of the run")
    seed: int = Field(ge=0, description="Seed of everything random on the learning side")
