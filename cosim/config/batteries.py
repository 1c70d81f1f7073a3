"""The devices' batteries: alike, or as a file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cosim.config.energy import EnergyConfig
from cosim.config.model import RunConfig
from cosim.config.section import bounds
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.harvest import read_harvest
from ns3_scenarios.description.table_file import read_numbers, refuse_row
from ns3_scenarios.errors import ScenarioError

FIELD = "energy.device_file"
COLUMNS = ("battery_j", "capacity_j", "harvest_power_w")


def batteries(config: RunConfig) -> dict[str, Any]:
    """Return initial energy, capacity [J] and harvested power [W] of each device, (n).

    Raises ScenarioError where a value of a file is outside the limits of the field of that name, a
    battery holds more than it can, or two files have the harvest.
    """
    energy, n = config.energy, config.network.num_devices
    table = pd.DataFrame(index=range(n))
    if energy.device_file is not None:
        table = read_numbers(Path(energy.device_file), FIELD, optional=COLUMNS, num_rows=n)
        _check_limits(Path(energy.device_file), table)

    def column(name: str, otherwise: FloatArray) -> FloatArray:
        return table[name].to_numpy(np.float64) if name in table else otherwise

    initial_j = column("battery_j", np.full(n, energy.battery_j))
    capacity_j = initial_j if energy.capacity_j is None else np.full(n, energy.capacity_j)
    capacity_j = column("capacity_j", capacity_j)
    over = initial_j > capacity_j
    if over.any():
        i = int(over.argmax())
        from_file = [name in table for name in COLUMNS[:2]]
        battery = f"{FIELD} row {i + 1}: battery_j" if from_file[0] else "energy.battery_j"
        capacity = f"{FIELD} row {i + 1}: capacity_j" if from_file[1] else "energy.capacity_j"
        raise ScenarioError(
            f"{battery}: expected at most what the battery holds ({capacity} {capacity_j[i]:g}),"
            f" got {initial_j[i]:g}"
        )
    found: dict[str, Any] = {"initial_energy_j": initial_j, "battery_capacity_j": capacity_j}
    if energy.harvest_file is None:
        power_w = column("harvest_power_w", np.full(n, energy.harvest_power_w))
        return found | {"harvest_power_w": power_w}
    if "harvest_power_w" in table:
        raise ScenarioError(
            f"{FIELD}: expected no column harvest_power_w with energy.harvest_file, got one in"
            f" {energy.device_file}; take it out, or give the power of each device in the other"
        )
    trace = read_harvest(Path(energy.harvest_file), n)
    return found | {"harvest_power_w": trace.power_w[0], "harvest_trace": trace}


def _check_limits(path: Path, table: pd.DataFrame) -> None:
    for name in table.columns:
        low, high = bounds(EnergyConfig.model_fields[name])
        values = table[name].to_numpy(np.float64)
        odd = (values < low) | (values > high)
        refuse_row(path, FIELD, odd, values, f"{name} from {low:g} to {high:g}")
