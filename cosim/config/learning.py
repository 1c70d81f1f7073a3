"""The learning side in the configuration: its own settings, and what only a run decides."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from cosim.arithmetic import ARITHMETICS
from cosim.config.section import Section, StoredPath, described, only_with, whole_path
from learning.methods.names import NO_LEARNING
from learning.settings import LearningSettings
from ns3_scenarios.description.fields import quantity

MOST_MESSAGE_BYTES = 100_000_000
# What the learning side decides that matters without learning, too.
ALSO_WITHOUT = ("method", "late_weight", "rounds", "arithmetic", "message_bytes", "traffic_file")


@described
@only_with({"method": f"not {NO_LEARNING}"}, but=ALSO_WITHOUT)
class LearningConfig(Section, LearningSettings):
    """Data, exchange, method and training; or traffic alone."""

    rounds: int = quantity(30, "Rounds to run", "", 1, 100000)
    arithmetic: Literal[ARITHMETICS] = Field(  # type: ignore[valid-type]
        "portable",
        description="portable: the same bits on every x86-64 processor with AVX2 and FMA; fast:"
        " this processor's own",
    )
    evaluate_every: int = quantity(
        1, "Evaluate in every k-th round, and in the last", "", 1, 100000
    )
    message_bytes: int = quantity(
        50_000,
        "Without learning: length of the message that each device sends each neighbour every round,"
        " as it is handed to the transport, whose headers come on top",
        "bytes",
        1,
        MOST_MESSAGE_BYTES,
        when={"method": [NO_LEARNING], "traffic_file": "none"},
    )
    traffic_file: StoredPath | None = Field(
        None,
        description="Without learning: CSV or Parquet file of the messages in place of"
        " message_bytes: src, bytes, and perhaps dst (without: to each neighbour) and round (from"
        " 1; without: in every round)",
        json_schema_extra={"when": {"method": [NO_LEARNING]}},
    )

    _paths = field_validator("data_path", "modality_file")(whole_path)

    @model_validator(mode="after")
    def _rests_are_of_equal_rounds(self) -> LearningConfig:
        if self.traffic_file is not None and self.late_weight > 0:
            raise ValueError(
                "learning.late_weight: expected 0 with a traffic_file, got"
                f" {self.late_weight:g} (a rest would go in place of another message); leave one of"
                " them out"
            )
        return self
