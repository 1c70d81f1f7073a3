"""The learning side in the configuration: its own settings, and what only a run decides."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from cosim.arithmetic import ARITHMETICS
from cosim.config.section import Section, described, whole_path
from learning.settings import LearningSettings
from ns3_scenarios.description.fields import quantity


@described
class LearningConfig(Section, LearningSettings):
    """Data, exchange, method and training."""

    rounds: int = quantity(30, "Rounds to run", "", 1, 100000)
    arithmetic: Literal[ARITHMETICS] = Field(  # type: ignore[valid-type]
        "portable",
        description="portable: the same bits on every x86-64 processor with AVX2 and FMA; fast:"
        " this processor's own",
    )
    evaluate_every: int = quantity(
        1, "Evaluate in every k-th round, and in the last", "", 1, 100000
    )

    _paths = field_validator("data_path", "modality_file")(whole_path)
