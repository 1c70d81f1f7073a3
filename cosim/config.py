"""What can be configured: every field of a run, with its unit, range and default.

`config_sources` reads them from presets, files and flags.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cosim.compute import PROFILES, DeviceProfile
from cosim.config_learning import LearningConfig
from cosim.config_network import NetworkConfig
from cosim.config_section import Section, StoredPath, quantity
from cosim.iteration import RULES
from learning.balance import SPEED_METRICS
from ns3_scenarios.scenario import RADIO_PROFILES


def _current(state: str) -> Any:
    return quantity(
        None, f"Radio current when {state}; by default that of radio_profile", "A", 0.0, 10.0
    )


class EnergyConfig(Section):
    """Batteries, radio currents and the computing device."""

    battery_j: float = quantity(125.0, "Full battery of each device at the start", "J", 1e-3, 1e9)
    reserve_j: float = quantity(
        2.0, "Energy that plans leave in the battery, against wrong forecasts", "J", 0.0, 1e9
    )
    capacity_j: float | None = quantity(
        None, "What a battery holds at most; by default battery_j", "J", 1e-3, 1e9
    )
    harvest_power_w: float = quantity(0.0, "Harvested power, constant", "W", 0.0, 1e3)
    revival_j: float | None = quantity(
        None,
        "Battery at which a device that ran empty comes back, 1 s after its death at the earliest;"
        " by default it stays dead",
        "J",
        1e-3,
        1e9,
    )
    device_file: StoredPath | None = Field(
        None,
        description="CSV file with one row a device and any of the columns battery_j, capacity_j,"
        " harvest_power_w, for devices that differ",
    )
    device_profile: Literal[tuple(PROFILES)] = Field(  # type: ignore[valid-type]
        "raspberry_pi_4",
        description=f"Computing device: {', '.join(PROFILES)}; effective figures, of one training"
        " each (cosim/compute.py): other networks may cost several times more per FLOP",
    )
    board_idle_w: float = quantity(
        0.0,
        "What a device's board draws in every second of life, besides its radio; device_profile's"
        " power holds it, so computing then costs what is above it",
        "W",
        0.0,
        1e3,
    )
    radio_profile: Literal[tuple(RADIO_PROFILES)] = Field(  # type: ignore[valid-type]
        "ns3",
        description="What the radio draws: "
        + "; ".join(f"{name}: {profile.source}" for name, profile in RADIO_PROFILES.items()),
    )
    supply_voltage_v: float | None = quantity(
        None, "Supply voltage of the radio; by default that of radio_profile", "V", 0.1, 50.0
    )
    tx_current_a: float | None = _current("transmitting")
    tx_efficiency: float | None = quantity(
        None,
        "Instead of tx_current_a: transmit current by ns-3's linear model, idle_current_a plus"
        " transmit power / (supply_voltage_v x this); ns-3 takes 0.1, and names no source",
        "",
        0.001,
        1.0,
    )
    rx_current_a: float | None = _current("receiving")
    idle_current_a: float | None = _current("idle")
    cca_busy_current_a: float | None = _current("finding the medium busy")
    switching_current_a: float | None = _current("switching channel")
    sleep_current_a: float | None = _current("asleep")
    radio_sleep: bool = Field(
        False,
        description="Ad hoc and d2d: a device's radio sleeps while the device computes, as soon as"
        " its frames are sent; what is sent to it meanwhile is lost or sent again",
    )

    @model_validator(mode="after")
    def _reserve_fits(self) -> EnergyConfig:
        if self.reserve_j >= self.battery_j:
            raise ValueError(
                f"energy.reserve_j: expected less than energy.battery_j ({self.battery_j:g} J), "
                f"got {self.reserve_j:g}; lower the reserve or use a larger battery"
            )
        return self

    @model_validator(mode="after")
    def _board_fits(self) -> EnergyConfig:
        power_w = PROFILES[self.device_profile].power_w
        if self.board_idle_w >= power_w:
            raise ValueError(
                f"energy.board_idle_w: expected less than the {power_w:g} W that device_profile"
                f" {self.device_profile} draws at work, got {self.board_idle_w:g}; lower it or"
                " choose another device_profile"
            )
        return self

    @property
    def work_profile(self) -> DeviceProfile:
        """The computing device, with the power that computing takes on top of an idle board."""
        profile = PROFILES[self.device_profile]
        return replace(profile, power_w=profile.power_w - self.board_idle_w)


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
    speed_metric: Literal[SPEED_METRICS] = Field(  # type: ignore[valid-type]
        "step",
        description="Speed of a modality: parameter variation per iteration, of the last rounds"
        " (step: a moving average) or of all so far (cumulative)",
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
    network: NetworkConfig = Field(NetworkConfig(), description=NetworkConfig.__doc__)
    energy: EnergyConfig = Field(EnergyConfig(), description=EnergyConfig.__doc__)
    learning: LearningConfig = Field(LearningConfig(), description=LearningConfig.__doc__)
    iteration: IterationConfig = Field(IterationConfig(), description=IterationConfig.__doc__)
