"""Fields of the iteration optimizer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from cosim.config.section import Section, described, listed, only_with
from cosim.planning.forecast import BELIEFS
from cosim.planning.horizon import SCHEDULES, SHORT_ROUNDS
from cosim.planning.rules import RULES
from learning.methods.names import NO_LEARNING
from learning.own_file import known_or_file
from ns3_scenarios.description.fields import choice, quantity
from ns3_scenarios.description.network_kind import WITH_RADIOS

# What of the optimizer's fields says something of a run in which nobody trains: its budgets.
ALSO_WITHOUT = ("costs", "schedule")


@described
@only_with({"learning.method": f"not {NO_LEARNING}"}, but=ALSO_WITHOUT)
class IterationConfig(Section):
    """The iteration optimizer."""

    rule: str = Field(
        "balance",
        description=listed({name: rule.text for name, rule in RULES.items()})
        + " (all but the first two are controls, with the same budget); or a Python file with a"
        " RULE of your own",
    )
    speed_metric: Literal["step", "cumulative"] = Field(
        "step",
        description="Speed of a modality: parameter variation per iteration, of the last rounds"
        " (step: a moving average) or of all so far (cumulative)",
        json_schema_extra={"when": {"rule": "not static"}},
    )
    costs: Literal[tuple(BELIEFS)] = choice(  # type: ignore[valid-type]
        "packet",
        "What plans believe of the radio's joules, whatever the network takes: "
        + listed({name: belief.text for name, belief in BELIEFS.items()}),
        when={"network.kind": WITH_RADIOS},
    )
    max_iterations: int = quantity(80, "Most local iterations a round of one modality", "", 1, 1000)
    short_rule: Literal["best_modality", "idle"] = Field(
        "best_modality",
        description="When not even one iteration of each modality fits the budget",
    )
    schedule: Literal[tuple(SCHEDULES)] = Field(  # type: ignore[valid-type]
        "even",
        description="How a device shares its battery and its harvest, forecast by what it measured,"
        " over the rounds to come: " + listed(SCHEDULES),
    )
    short_rounds: Literal[tuple(SHORT_ROUNDS)] = Field(  # type: ignore[valid-type]
        "spread",
        description="Where the battery pays for the radio in all rounds to come but not for"
        " training in each, when to train: " + listed(SHORT_ROUNDS),
    )
    compute_share: float = quantity(
        0.4,
        "Share of the round in which computing must end, so that messages are in time",
        "",
        0.01,
        0.99,
    )

    @field_validator("rule")
    @classmethod
    def _rule_is_known(cls, rule: str) -> str:
        return known_or_file("iteration.rule", rule, tuple(RULES), (".py",))
