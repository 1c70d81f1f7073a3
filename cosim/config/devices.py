"""The devices: alike, or as a file says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cosim.config.energy import EnergyConfig
from cosim.config.model import RunConfig
from cosim.config.network import NetworkConfig
from cosim.config.section import bounds
from cosim.config.sources import preset_values
from cosim.planning.compute import PROFILES, Machines
from ns3_scenarios.arrays import FloatArray, IntArray
from ns3_scenarios.description.energy import RADIO_PROFILES
from ns3_scenarios.description.harvest import read_harvest
from ns3_scenarios.description.radio import Radio, RadioSettings
from ns3_scenarios.description.table_file import read_table, refuse_row
from ns3_scenarios.errors import ScenarioError

FIELD = "energy.device_file"
OF_ENERGY = ("battery_j", "capacity_j", "harvest_power_w", "board_idle_w")
OF_RADIO = ("tx_power_dbm", "mcs")
LIMITS = {name: bounds(EnergyConfig.model_fields[name]) for name in OF_ENERGY} | {
    name: bounds(RadioSettings.model_fields[name]) for name in OF_RADIO
}
CHOICES = {"device_profile": tuple(PROFILES), "radio_profile": tuple(RADIO_PROFILES)}


@dataclass(frozen=True)
class DeviceTable:
    """The rows of energy.device_file, one a device; what it lacks is the configuration's."""

    config: RunConfig
    rows: pd.DataFrame

    def numbers(self, name: str, otherwise: FloatArray | None = None) -> FloatArray:
        """Return a column of numbers, (n); else `otherwise`, or the field of that name in all."""
        if name in self.rows:
            return self.rows[name].to_numpy(np.float64)
        usual = getattr(_section(self.config, name), name) if otherwise is None else otherwise
        return np.array(np.broadcast_to(usual, len(self.rows)), dtype=np.float64)

    def texts(self, name: str) -> list[str]:
        """Return a column of names, (n); otherwise the field of that name in all rows."""
        usual = getattr(_section(self.config, name), name)
        return list(self.rows[name]) if name in self.rows else [usual] * len(self.rows)


def _section(config: RunConfig, name: str) -> EnergyConfig | NetworkConfig:
    """Return the section that has the field of a column's name."""
    return config.network if name in NetworkConfig.model_fields else config.energy


def device_table(config: RunConfig) -> DeviceTable:
    """Read the devices' file.

    Raises ScenarioError where a value is outside the limits of the field of that name.
    """
    energy, n = config.energy, config.network.num_devices
    if energy.device_file is None:
        return DeviceTable(config, pd.DataFrame(index=range(n)))
    path = Path(energy.device_file)
    rows = read_table(path, FIELD, optional=tuple(LIMITS), choices=CHOICES, num_rows=n)
    for name, (low, high) in LIMITS.items():
        if name in rows:
            values = rows[name].to_numpy(np.float64)
            odd = (values < low) | (values > high)
            refuse_row(path, FIELD, odd, values, f"{name} from {low:g} to {high:g}")
    return DeviceTable(config, rows)


def overridden(config: RunConfig) -> list[str]:
    """Warn of fields that were changed, and are a column of the devices' file."""
    said, preset = [], preset_values(config.scenario)
    for name in map(str, device_table(config).rows):
        fields = _section(config, name)
        section = "network" if fields is config.network else "energy"
        given = fields.model_dump()[name]
        if given != preset.get(section, {}).get(name, type(fields).model_fields[name].default):
            said.append(f"{section}.{name} {given} is not used: {FIELD} has a column of that name")
    return said


def machines(config: RunConfig, table: DeviceTable | None = None) -> Machines:
    """Return how fast each device computes, and what that takes on top of an idle board.

    Raises ScenarioError where an idle board draws as much as the whole device at work.
    """
    table = table or device_table(config)
    profiles = [PROFILES[name] for name in table.texts("device_profile")]
    board_w = table.numbers("board_idle_w")
    whole_w = np.array([profile.power_w for profile in profiles])
    odd = board_w >= whole_w
    if odd.any():
        row = int(odd.argmax())
        in_file = "board_idle_w" in table.rows
        where = f"{FIELD} row {row + 1}: board_idle_w" if in_file else "energy.board_idle_w"
        raise ScenarioError(
            f"{where}: expected less than the {whole_w[row]:g} W that device_profile"
            f" {profiles[row].name} draws at work, got {board_w[row]:g}; lower it or choose another"
            " device_profile"
        )
    speed = np.array([profile.effective_flop_per_s for profile in profiles])
    return Machines(speed, whole_w - board_w)


def station_mcs(table: DeviceTable, radio: Radio) -> IntArray | None:
    """Return the index of each device's rate, (n), where the file has it.

    Raises ScenarioError where the rate manager takes none, or the standard has no such rate.
    """
    if "mcs" not in table.rows:
        return None
    path = table.config.energy.device_file
    if radio.rate_manager != "per_station":
        raise ScenarioError(
            f"{FIELD}: expected no column mcs with network.rate_manager {radio.rate_manager}, got"
            f" one in {path}; take it out, or use per_station"
        )
    mcs, highest = table.numbers("mcs"), len(radio.rates_bps) - 1
    wanted = f"mcs to be a whole number from 0 to {highest} with standard {radio.standard}"
    refuse_row(Path(str(path)), FIELD, (mcs % 1 != 0) | (mcs > highest), mcs, wanted)
    return mcs.astype(np.int64)


def batteries(config: RunConfig, table: DeviceTable) -> dict[str, Any]:
    """Return initial energy, capacity [J] and harvested power [W] of each device, (n).

    Raises ScenarioError where a battery holds more than it can, or two files have the harvest.
    """
    energy, n = config.energy, config.network.num_devices
    initial_j = table.numbers("battery_j")
    capacity_j = initial_j if energy.capacity_j is None else np.full(n, energy.capacity_j)
    capacity_j = table.numbers("capacity_j", capacity_j)
    over = initial_j > capacity_j
    if over.any():
        i = int(over.argmax())
        from_file = [name in table.rows for name in ("battery_j", "capacity_j")]
        battery = f"{FIELD} row {i + 1}: battery_j" if from_file[0] else "energy.battery_j"
        capacity = f"{FIELD} row {i + 1}: capacity_j" if from_file[1] else "energy.capacity_j"
        raise ScenarioError(
            f"{battery}: expected at most what the battery holds ({capacity} {capacity_j[i]:g}),"
            f" got {initial_j[i]:g}"
        )
    found: dict[str, Any] = {"initial_energy_j": initial_j, "battery_capacity_j": capacity_j}
    if energy.harvest_file is None:
        return found | {"harvest_power_w": table.numbers("harvest_power_w")}
    if "harvest_power_w" in table.rows:
        raise ScenarioError(
            f"{FIELD}: expected no column harvest_power_w with energy.harvest_file, got one in"
            f" {energy.device_file}; take it out, or give the power of each device in the other"
        )
    trace = read_harvest(Path(energy.harvest_file), n)
    return found | {"harvest_power_w": trace.power_w[0], "harvest_trace": trace}
