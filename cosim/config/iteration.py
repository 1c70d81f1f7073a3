"""Fields of the iteration optimizer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cosim.config.section import Section, described
from cosim.planning.plan import RULES
from ns3_scenarios.description.fields import quantity


@described
class IterationConfig(Section):
    """The iteration optimizer."""

    rule: Literal[RULES] = Field(  # type: ignore[valid-type]
        "balance",
        description="balance: modalities that train fast get fewer iterations; contribution:"
        " balance, but more for those that take more off the loss; with the same budget the"
        " controls uniform, inverse, static (balance by the first speeds), permuted (balance by"
        " another modality's speed: with two modalities, inverse), random (by speeds dealt anew"
        " each round), dropout (by numbers that know no speeds)",
    )
    speed_metric: Literal["step", "cumulative"] = Field(
        "step",
        description="Speed of a modality: parameter variation per iteration, of the last rounds"
        " (step: a moving average) or of all so far (cumulative)",
        json_schema_extra={
            "when": {"rule": ["balance", "contribution", "inverse", "permuted", "random"]}
        },
    )
    max_iterations: int = quantity(80, "Most local iterations a round of one modality", "", 1, 1000)
    short_rule: Literal["best_modality", "idle"] = Field(
        "best_modality",
        description="When not even one iteration of each modality fits the budget",
    )
    compute_share: float = quantity(
        0.4,
        "Share of the round in which computing must end, so that messages are in time",
        "",
        0.01,
        0.99,
    )
