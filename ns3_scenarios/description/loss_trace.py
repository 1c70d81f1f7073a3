"""Measured or ray-traced losses of links over time, from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.table_file import read_numbers, refuse_pairs, refuse_row
from ns3_scenarios.errors import ScenarioError

FIELD = "network.loss_trace"
COLUMNS = ("time_s", "i", "j", "loss_db")


@dataclass(frozen=True)
class LossTrace:
    """Measured or ray-traced losses: row t of loss_db (t, n, n) [from, to] holds from times_s[t].

    times_s (t) from the start of the first round on [s], the first is 0; it holds before, too. end:
    hold keeps the last row, loop starts again after the last time plus the last step, stop refuses
    runs that outlast it.
    """

    times_s: FloatArray
    loss_db: FloatArray
    end: str

    @property
    def period_s(self) -> float:
        """How long the trace lasts [s]: the last row as long as the one before."""
        last_step_s = self.times_s[-1] - self.times_s[-2] if len(self.times_s) > 1 else np.inf
        return float(self.times_s[-1] + last_step_s)


def read_loss_trace(path: Path, num_devices: int, end: str) -> LossTrace:
    """Read losses from a CSV or Parquet file with columns time_s, i, j, loss_db.

    A pair that is there in one direction only counts for both. Raises ScenarioError, with the row,
    where a value has no sense, a pair is there twice or missing at a time, or time 0 is missing.
    """
    table = read_numbers(path, FIELD, required=COLUMNS)
    time_s, i, j, loss_db = (table[name].to_numpy(np.float64) for name in COLUMNS)
    refuse_pairs(path, FIELD, table, num_devices)
    positive = "at least 0 dB (a loss is positive; a gain in dB is the loss with the other sign)"
    refuse_row(path, FIELD, loss_db < 0, loss_db, f"loss_db to be {positive}")
    times_s, at = np.unique(time_s, return_inverse=True)
    if times_s[0] != 0:
        row = int(time_s.argmin())
        raise ScenarioError(
            f"{FIELD} row {row + 1}: expected the first time to be 0 s, the start of the first"
            f" round, got {times_s[0]:g} in {path}; subtract it from all times"
        )
    losses_db = np.full((len(times_s), num_devices, num_devices), np.nan)
    losses_db[at, i.astype(int), j.astype(int)] = loss_db
    losses_db = np.where(np.isnan(losses_db), losses_db.transpose(0, 2, 1), losses_db)
    losses_db[:, np.arange(num_devices), np.arange(num_devices)] = 0.0
    if np.isnan(losses_db).any():
        t, a, b = np.argwhere(np.isnan(losses_db))[0]
        raise ScenarioError(
            f"{FIELD}: expected every pair at every time, got none of devices {a} and {b} at"
            f" {times_s[t]:g} s in {path}; add the row"
        )
    return LossTrace(times_s, losses_db, end)
