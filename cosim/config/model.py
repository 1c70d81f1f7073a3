"""What can be configured: every field of a run, with its unit, range and default.

`sources` reads them from presets, files and flags.
"""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cosim.config.energy import EnergyConfig
from cosim.config.iteration import IterationConfig
from cosim.config.learning import LearningConfig
from cosim.config.network import NetworkConfig
from cosim.config.section import described, listed
from cosim.policies.catalogue import DEFAULT, POLICIES
from learning.own_file import known_or_file
from ns3_scenarios.description.fields import quantity


@described
class RunConfig(BaseSettings):
    """Co-simulate decentralised multi-modal learning over a radio network of ns-3."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        cli_implicit_flags=True,
        cli_avoid_json=True,
        cli_hide_none_type=True,
    )

    scenario: str = Field("mesh80211", description="Name of a preset, or a Python file")
    seed: int = quantity(1, "Seed of everything random in the run", "", 0, 2**31 - 1)
    policy: str = Field(
        DEFAULT,
        description="What each device does in a round beside its iterations: "
        + listed({name: policy.text for name, policy in POLICIES.items()})
        + "; or a Python file with a POLICY of your own",
    )
    policy_options: dict[str, float] = Field(
        {}, description="Options of the policy by name, as share=0.5"
    )
    network: NetworkConfig = Field(NetworkConfig(), description=NetworkConfig.__doc__)
    energy: EnergyConfig = Field(EnergyConfig(), description=EnergyConfig.__doc__)
    learning: LearningConfig = Field(LearningConfig(), description=LearningConfig.__doc__)
    iteration: IterationConfig = Field(IterationConfig(), description=IterationConfig.__doc__)

    @field_validator("policy")
    @classmethod
    def _policy_is_known(cls, policy: str) -> str:
        return known_or_file("policy", policy, tuple(POLICIES), (".py",))
