"""What a learning run is made of: data, method, model and hyper-parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from learning.errors import LearningError

DATASETS = ("watch", "uci_har", "made")
METHODS = ("dmml_kd", "dmml_strong", "dmml", "local")
PARTITIONS = ("iid", "dirichlet", "subject")
MODALITY_PATTERNS = ("all", "thirds")

_CHOICES = {
    "dataset": DATASETS,
    "method": METHODS,
    "partition": PARTITIONS,
    "modality_pattern": MODALITY_PATTERNS,
}
_POSITIVE = ("num_devices", "batch_size", "feature_dim", "dirichlet_alpha", "learning_rate")
_NOT_NEGATIVE = (
    "unimodal_weight",
    "orthogonality_weight",
    "distillation_weight",
    "alignment_weight",
    "generator_samples",
    "warmup_rounds",
    "ramp_rounds",
    "seed",
)


@dataclass(frozen=True)
class LearningSetup:
    """Everything that decides a learning run, checked when made.

    `clip_norm` bounds the gradient norm of one device in one step (inf: no clipping).
    `generator_samples` are drawn per local step; `generator_decay` is what remains of the
    generator's old mass after a round; `warmup_rounds` and `ramp_rounds` count rounds in which the
    generator terms are off, and over which they then grow to their full weight.
    The last four loss weights and everything about the generator matter to `dmml_kd` alone
    (`dmml_strong` takes `unimodal_weight` and `logit_adjustment` too).

    Raises LearningError for an unknown name or a number out of range.
    """

    dataset: str
    data_path: str | None
    method: str
    num_devices: int
    partition: str
    dirichlet_alpha: float
    modality_pattern: str
    batch_size: int
    learning_rate: float
    clip_norm: float
    feature_dim: int
    unimodal_weight: float
    orthogonality_weight: float
    distillation_weight: float
    alignment_weight: float
    logit_adjustment: bool
    generator_samples: int
    generator_decay: float
    warmup_rounds: int
    ramp_rounds: int
    seed: int

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                raise LearningError(name, " | ".join(known), repr(value), "choose one of these")
        numbers = [f.name for f in fields(self) if isinstance(getattr(self, f.name), int | float)]
        for name in numbers:
            value = getattr(self, name)
            if math.isnan(value) or (math.isinf(value) and name != "clip_norm"):
                raise LearningError(name, "a finite number", str(value), "give a finite number")
        for name in (*_POSITIVE, "clip_norm"):
            if getattr(self, name) <= 0:
                raise LearningError(name, "> 0", str(getattr(self, name)), "give a positive number")
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise LearningError(name, ">= 0", str(getattr(self, name)), "give 0 or more")
        if not 0 <= self.generator_decay <= 1:
            got = str(self.generator_decay)
            raise LearningError("generator_decay", "0 to 1", got, "0.9 forgets 10 % each round")
