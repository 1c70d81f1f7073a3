"""The messages of a run without learning: all alike, or as a file says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cosim.config.learning import MOST_MESSAGE_BYTES
from cosim.config.model import RunConfig
from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.description.table_file import read_numbers, refuse_devices, refuse_row
from ns3_scenarios.errors import ScenarioError

FIELD = "learning.traffic_file"


@dataclass(frozen=True)
class GivenTraffic:
    """Who sends how much to whom in which round, in f rows.

    src, length_bytes (f); dst (f): none: each neighbour of src; round_index (f), from 0; none: all.
    """

    num_devices: int
    src: IntArray
    length_bytes: IntArray
    dst: IntArray | None = None
    round_index: IntArray | None = None

    def link_bytes(self, round_index: int) -> IntArray:
        """Return the length of a round's messages, (n, n) [sender, receiver]; 0: there is none."""
        rows = np.ones(len(self.src), dtype=np.bool_)
        if self.round_index is not None:
            rows = self.round_index == round_index
        found = np.zeros((self.num_devices, self.num_devices), dtype=np.int64)
        if self.dst is None:
            found[self.src[rows]] = self.length_bytes[rows, np.newaxis]
        else:
            found[self.src[rows], self.dst[rows]] = self.length_bytes[rows]
        return found

    @property
    def most_bytes(self) -> IntArray:
        """The longest message of each device, (n); 0 for who sends none."""
        most = np.zeros(self.num_devices, dtype=np.int64)
        np.maximum.at(most, self.src, self.length_bytes)
        return most

    @property
    def links(self) -> BoolArray | None:
        """Who exchanges with whom in any round, (n, n) symmetric; none: neighbours by distance."""
        if self.dst is None:
            return None
        found = np.zeros((self.num_devices, self.num_devices), dtype=np.bool_)
        found[self.src, self.dst] = True
        return found | found.T


def given_traffic(config: RunConfig) -> GivenTraffic:
    """Return the messages of a configuration without learning.

    Raises ScenarioError, with the row, for a file that does not fit.
    """
    n, learning = config.network.num_devices, config.learning
    if learning.traffic_file is None:
        return GivenTraffic(n, np.arange(n), np.full(n, learning.message_bytes))
    path = Path(learning.traffic_file)
    table = read_numbers(path, FIELD, ("src", "bytes"), ("dst", "round"))
    column = {str(name): values.to_numpy(np.float64) for name, values in table.items()}
    _refuse_odd(path, column, n)
    key = [name for name in ("src", "dst", "round") if name in column]
    twice = table.duplicated(key).to_numpy()
    if twice.any():
        row = int(twice.argmax())
        same = ", ".join(f"{name} {column[name][row]:g}" for name in key)
        raise ScenarioError(f"{FIELD} row {row + 1}: expected {same} once, got it again in {path}")
    whole = {name: values.astype(np.int64) for name, values in column.items()}
    rounds = whole["round"] - 1 if "round" in whole else None
    return GivenTraffic(n, whole["src"], whole["bytes"], whole.get("dst"), rounds)


def _refuse_odd(path: Path, column: dict[str, FloatArray], num_devices: int) -> None:
    devices: dict[str, FloatArray] = {n: column[n] for n in ("src", "dst") if n in column}
    refuse_devices(path, FIELD, devices, num_devices)
    for name, most in (("bytes", MOST_MESSAGE_BYTES), ("round", np.inf)):
        values = column.get(name, np.ones(0))
        odd = (values < 1) | (values > most) | (values % 1 != 0)
        until = f" to {most}" if np.isfinite(most) else " on"
        refuse_row(path, FIELD, odd, values, f"{name} to be a whole number from 1{until}")
