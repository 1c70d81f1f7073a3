"""Measured links from a file: what a campaign says of rate, delay and loss, as time goes by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.table_file import read_numbers, refuse_pairs, refuse_row

FIELD = "network.link_trace"
COLUMNS = ("time_s", "i", "j", "rate_bps", "delay_s", "loss")


@dataclass(frozen=True)
class MeasuredLink:
    """One link in one direction: row t of each (t,) holds from from_s[t] on, the last for ever.

    from_s ascends, counted from the start of the first round [s]; before, the link carries nothing.
    rate_bps: what its sender puts on the air; loss: share of it that is lost, and is sent again;
    delay_s: from the air to the receiver.
    """

    from_s: FloatArray
    rate_bps: FloatArray
    delay_s: FloatArray
    loss: FloatArray

    @cached_property
    def byte_per_s(self) -> FloatArray:
        """Payload that gets through, rate (1 - loss) / 8, (t) [byte/s].

        What is lost is sent again until it arrives, 1 / (1 - loss) times on average.
        """
        return self.rate_bps * (1.0 - self.loss) / 8

    @cached_property
    def until_s(self) -> FloatArray:
        """When each row ends, (t) [s]."""
        return np.append(self.from_s[1:], np.inf)

    def row_at(self, time_s: float) -> int:
        """Return the row that holds at a time, -1 before the first."""
        return int(np.searchsorted(self.from_s, time_s, side="right")) - 1

    def during(self, start_s: float, duration_s: float) -> MeasuredLink:
        """Return the rows that hold within a round, on the round's own clock."""
        rows = slice(max(self.row_at(start_s), 0), self.row_at(start_s + duration_s) + 1)
        return MeasuredLink(
            self.from_s[rows] - start_s, self.rate_bps[rows], self.delay_s[rows], self.loss[rows]
        )

    def next_up_s(self, time_s: float) -> float:
        """Return from when on, at that time or later, it carries anything; inf never."""
        later = np.flatnonzero((self.byte_per_s > 0) & (self.until_s > time_s))
        return max(time_s, float(self.from_s[later[0]])) if later.size else np.inf

    def stretches(
        self, begin_s: float, payload_bytes: int, stop_s: float
    ) -> tuple[list[tuple[int, float, float]], float]:
        """Return when a message is on the air, and when its last byte leaves.

        A stretch: the row that holds in it, its begin and its end [s]. Looks no further than
        stop_s: inf where the last byte has not left by then.
        """
        found, left_bytes, now_s, row = [], float(payload_bytes), begin_s, self.row_at(begin_s)
        while now_s < stop_s:
            ends_s, byte_per_s = float(self.until_s[row]), float(self.byte_per_s[row])
            if byte_per_s > 0:
                done_s = now_s + left_bytes / byte_per_s
                found.append((row, now_s, min(done_s, ends_s)))
                if done_s <= ends_s:
                    return found, done_s
                left_bytes -= (ends_s - now_s) * byte_per_s
            now_s, row = ends_s, row + 1
        return found, np.inf


@dataclass(frozen=True)
class LinkTrace:
    """All measured links by (sender, receiver); a pair that is not there carries nothing."""

    links: dict[tuple[int, int], MeasuredLink]

    @property
    def end_s(self) -> float:
        """When the last row of all begins [s]."""
        return max(float(link.from_s[-1]) for link in self.links.values())


def read_link_trace(path: Path, num_devices: int) -> LinkTrace:
    """Read links from a CSV or Parquet file with columns time_s, i, j, rate_bps, delay_s, loss.

    Raises ScenarioError, with the row, where a value has no sense or a pair is there twice at a
    time.
    """
    table = read_numbers(path, FIELD, required=COLUMNS)
    refuse_pairs(path, FIELD, table, num_devices)
    for name in ("time_s", "rate_bps", "delay_s"):
        values = table[name].to_numpy(np.float64)
        refuse_row(path, FIELD, values < 0, values, f"{name} of at least 0")
    loss = table["loss"].to_numpy(np.float64)
    refuse_row(path, FIELD, (loss < 0) | (loss > 1), loss, "loss, a share, from 0 to 1")
    links: dict[tuple[int, int], MeasuredLink] = {}
    rows = table.sort_values(["i", "j", "time_s"])[["i", "j", "time_s", *COLUMNS[3:]]].to_numpy()
    first = np.flatnonzero(np.any(np.diff(rows[:, :2], axis=0, prepend=-1.0) != 0, axis=1))
    for each in np.split(rows, first[1:]):
        links[int(each[0, 0]), int(each[0, 1])] = MeasuredLink(*each[:, 2:].T.copy())
    return LinkTrace(links)
