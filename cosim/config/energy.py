"""Fields of batteries, radio currents and the computing device."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from cosim.config.section import Section, StoredPath, described, listed
from cosim.planning.compute import PROFILES
from learning.methods.names import NO_LEARNING
from ns3_scenarios.description.energy import RADIO_PROFILES, EnergySettings
from ns3_scenarios.description.fields import choice, quantity
from ns3_scenarios.description.harvest import MOST_POWER_W
from ns3_scenarios.description.network_kind import CONTENDING, WITH_PACKETS, WITH_RADIOS


def _current(state: str, when: Any) -> Any:
    text = f"Radio current when {state}; by default that of radio_profile"
    return quantity(None, text, "A", 0.0, 10.0, when)


@described
class EnergyConfig(Section, EnergySettings):
    """Batteries, radio currents and the computing device."""

    battery_j: float = quantity(125.0, "Full battery of each device at the start", "J", 1e-3, 1e9)
    reserve_j: float = quantity(
        2.0, "Energy that plans leave in the battery, against wrong forecasts", "J", 0.0, 1e9
    )
    capacity_j: float | None = quantity(
        None, "What a battery holds at most; by default battery_j", "J", 1e-3, 1e9
    )
    harvest_power_w: float = quantity(
        0.0, "Harvested power, constant", "W", 0.0, MOST_POWER_W, when={"harvest_file": "none"}
    )
    harvest_file: StoredPath | None = Field(
        None,
        description="CSV or Parquet file of harvested power over time: time_s (from 0, the start of"
        " the first round), harvest_power_w, and device where they differ; a row holds until the"
        " next one, the last to the end",
    )
    device_file: StoredPath | None = Field(
        None,
        description="CSV file with one row a device and any of the columns battery_j, capacity_j,"
        " harvest_power_w, device_profile, board_idle_w, radio_profile, tx_power_dbm, mcs (of"
        " network.rate_manager per_station), for devices that differ",
    )
    device_profile: Literal[tuple(PROFILES)] = Field(  # type: ignore[valid-type]
        "raspberry_pi_4",
        description=f"Computing device: {', '.join(PROFILES)}; effective figures, of one training"
        " each (cosim/planning/compute.py): other networks may cost several times more per FLOP",
        json_schema_extra={"when": {"learning.method": f"not {NO_LEARNING}"}},
    )
    board_idle_w: float = quantity(
        0.0,
        "What a device's board draws in every second of life, besides its radio; device_profile's"
        " power holds it, so computing then costs what is above it",
        "W",
        0.0,
        1e3,
    )
    radio_profile: Literal[tuple(RADIO_PROFILES)] = choice(  # type: ignore[valid-type]
        "ns3",
        "What the radio draws: "
        + listed({name: profile.source for name, profile in RADIO_PROFILES.items()}),
        when={"network.kind": WITH_RADIOS},
    )
    supply_voltage_v: float | None = quantity(
        None,
        "Supply voltage of the radio; by default that of radio_profile",
        "V",
        0.1,
        50.0,
        when={"network.kind": WITH_RADIOS},
    )
    tx_current_a: float | None = _current(
        "transmitting", when={"network.kind": WITH_RADIOS, "tx_efficiency": "none"}
    )
    tx_efficiency: float | None = quantity(
        None,
        "Instead of tx_current_a: transmit current by ns-3's linear model, idle_current_a plus"
        " transmit power / (supply_voltage_v x this); ns-3 takes 0.1, and names no source",
        "",
        0.001,
        1.0,
        when={"network.kind": WITH_RADIOS},
    )
    rx_current_a: float | None = _current("receiving", when={"network.kind": WITH_RADIOS})
    idle_current_a: float | None = _current("idle", when={"network.kind": WITH_RADIOS})
    cca_busy_current_a: float | None = _current(
        "finding the medium busy", when={"network.kind": CONTENDING}
    )
    switching_current_a: float | None = _current(
        "switching channel", when={"network.kind": WITH_PACKETS}
    )
    sleep_current_a: float | None = _current("asleep", when={"radio_sleep": [True]})

    @model_validator(mode="after")
    def _reserve_fits(self) -> EnergyConfig:
        if self.reserve_j >= self.battery_j:
            raise ValueError(
                f"energy.reserve_j: expected less than energy.battery_j ({self.battery_j:g} J), "
                f"got {self.reserve_j:g}; lower the reserve or use a larger battery"
            )
        return self
