"""What a learning run is made of: data, exchange, method, model and hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from learning.checks import check_choices, check_numbers
from learning.data.setup import DataSetup
from learning.errors import LearningError
from learning.exchange_setup import ExchangeSetup
from learning.own_file import is_own

GENERATORS = ("statistics", "network", "none")


@dataclass(frozen=True)
class LearningSetup:
    """Everything that decides a learning run, checked when made.

    `clip_norm` bounds the gradient norm of one device in one step (inf: no clipping).
    `generator_samples` are drawn per local step; `generator_decay` is what remains of the
    generator's old mass after a round; `warmup_rounds` and `ramp_rounds` count rounds in which the
    generator terms are off, and over which they then grow to their full weight.
    `method` is a name of learning.methods.catalogue or the path of a file, `method_options` that
    method's own numbers; which of the loss weights a method takes, its file says. Of the 2
    feature_dim features of a modality `specific_share` are specific and the others common, where a
    method tells them apart; None: the method's own share. `only_modality` is what
    `single_modality` trains.
    `model`: default, the encoders of encoders.py, or the path of a file (own_encoder.py).

    Raises LearningError for an unknown name or a number out of range.
    """

    data: DataSetup
    exchange: ExchangeSetup
    method: str
    batch_size: int
    learning_rate: float
    clip_norm: float
    feature_dim: int
    generator: str
    unimodal_weight: float
    decorrelation_weight: float
    distillation_weight: float
    alignment_weight: float
    logit_adjustment: bool
    generator_samples: int
    generator_decay: float
    warmup_rounds: int
    ramp_rounds: int
    specific_share: float | None = None
    only_modality: str | None = None
    model: str = "default"
    method_options: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choices(self, generator=GENERATORS)
        if self.model != "default" and not is_own(self.model):
            remedy = "see learning/examples/own_encoder.py"
            raise LearningError("model", "default or a Python file", repr(self.model), remedy)
        check_numbers(
            self,
            positive=(
                "batch_size",
                "feature_dim",
                "learning_rate",
                "clip_norm",
                "generator_samples",
            ),
            not_negative=(
                "unimodal_weight",
                "decorrelation_weight",
                "distillation_weight",
                "alignment_weight",
                "warmup_rounds",
                "ramp_rounds",
            ),
            may_be_infinite=("clip_norm",),
        )
        if self.specific_share is not None and not 0 <= self.specific_share < 1:
            got = str(self.specific_share)
            raise LearningError("specific_share", "0 to below 1", got, "leave some features common")
        if not 0 <= self.generator_decay <= 1:
            got = str(self.generator_decay)
            raise LearningError("generator_decay", "0 to 1", got, "0.9 forgets 10 % each round")

    @property
    def num_devices(self) -> int:
        """Devices of the run."""
        return self.data.num_devices

    @property
    def seed(self) -> int:
        """Seed of everything random on the learning side."""
        return self.data.seed
