"""Harvested power that changes over time, from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.table_file import read_numbers, refuse_row
from ns3_scenarios.errors import ScenarioError

FIELD = "energy.harvest_file"
MOST_POWER_W = 1e3


@dataclass(frozen=True)
class Harvest:
    """Power that devices harvest: power_w (t, n) [time, device] holds from times_s (t) on [W].

    times_s rises from 0, the start of the first round [s]; the last row holds to the end.
    """

    times_s: FloatArray
    power_w: FloatArray

    def harvested_j(self, start_s: float, end_s: float) -> FloatArray:
        """Return the integral from start_s to end_s, (n) [J]."""
        edges_s = np.clip(np.append(self.times_s, np.inf), start_s, end_s)
        return np.asarray(np.diff(edges_s) @ self.power_w)

    def changes_of(self, device: int) -> tuple[list[float], list[float]]:
        """Return the times [s] and powers [W] of the steps at which that of a device changes."""
        power_w = self.power_w[:, device]
        changed = np.append(True, np.diff(power_w) != 0)
        return self.times_s[changed].tolist(), power_w[changed].tolist()

    @property
    def most_w(self) -> FloatArray:
        """Return the largest power of each device, (n) [W]."""
        return np.asarray(self.power_w.max(axis=0))


def constant(power_w: FloatArray) -> Harvest:
    """Return a harvest that never changes, power_w (n) [W]."""
    return Harvest(np.zeros(1), power_w[np.newaxis])


def read_harvest(path: Path, num_devices: int) -> Harvest:
    """Read harvested power from a CSV or Parquet file with columns time_s, harvest_power_w, device.

    A row holds for its device from its time to the next of that device; without a column device,
    for all. Raises ScenarioError, with the row, where a value has no sense, a device is there
    twice at a time, or has no row at time 0.
    """
    table = read_numbers(path, FIELD, required=("time_s", "harvest_power_w"), optional=("device",))
    time_s, power_w = (table[name].to_numpy(np.float64) for name in ("time_s", "harvest_power_w"))
    refuse_row(path, FIELD, time_s < 0, time_s, "time_s of at least 0, the first round's start")
    odd = (power_w < 0) | (power_w > MOST_POWER_W)
    refuse_row(path, FIELD, odd, power_w, f"harvest_power_w from 0 to {MOST_POWER_W:g}")
    of_all = "device" not in table
    device = np.zeros(len(table)) if of_all else table["device"].to_numpy(np.float64)
    last, columns = num_devices - 1, 1 if of_all else num_devices
    odd = (device < 0) | (device > last) | (device % 1 != 0)
    refuse_row(path, FIELD, odd, device, f"device to be one from 0 to {last}")
    twice = table.duplicated(["time_s"] if of_all else ["time_s", "device"]).to_numpy()
    each = "each time_s once" if of_all else "each device once at a time_s"
    refuse_row(path, FIELD, twice, time_s, each)
    times_s, at = np.unique(time_s, return_inverse=True)
    given_w = np.full((len(times_s), columns), np.nan)
    given_w[at, device.astype(int)] = power_w
    late = np.isnan(given_w[0]) if times_s[0] == 0 else np.ones(columns, dtype=np.bool_)
    if late.any():
        whose = "" if of_all else f" of device {int(late.argmax())}"
        raise ScenarioError(
            f"{FIELD}: expected a row{whose} at time_s 0, the start of the first round, got none"
            f" in {path}; add the row"
        )
    # Down each column the last value that was given.
    last_given = np.maximum.accumulate(
        np.where(np.isnan(given_w), 0, np.arange(len(times_s))[:, np.newaxis]), axis=0
    )
    held_w = np.take_along_axis(given_w, last_given, axis=0)
    return Harvest(times_s, np.broadcast_to(held_w, (len(times_s), num_devices)).copy())
