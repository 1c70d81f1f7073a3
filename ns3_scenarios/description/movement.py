"""Straight movements that are known beforehand: where devices are at any time, and how near."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from ns3_scenarios.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Movement:
    """Legs of straight movement: x(t) = position + velocity (t - time) from a leg's time on.

    device (k), time_s (k) from the start of the first round on, position_m and velocity_mps (k, 3):
    by device, then by time; the first leg of each device is at 0 s and holds before, too. until_s:
    end of the run, after which nothing is said. remarks: what the user should know of the source,
    a line each.
    """

    device: IntArray
    time_s: FloatArray
    position_m: FloatArray
    velocity_mps: FloatArray
    until_s: float
    remarks: tuple[str, ...] = ()

    @property
    def start_m(self) -> FloatArray:
        """Where each device is at the start, (n, 3) [m]."""
        _, first = np.unique(self.device, return_index=True)
        return self.position_m[first]

    @property
    def ends_m(self) -> FloatArray:
        """Where legs begin, and where the last ones are at the end of the run, (k, 3) [m]."""
        last = np.append(np.flatnonzero(np.diff(self.device)), len(self.device) - 1)
        lasts_s = np.maximum(self.until_s - self.time_s[last], 0.0)
        ends_m = self.position_m[last] + self.velocity_mps[last] * lasts_s[:, np.newaxis]
        return np.vstack([self.position_m, ends_m])

    @property
    def heights_m(self) -> FloatArray:
        """Lowest and highest place of each device, (n, 2) [m]; legs are level."""
        z_m = [self.position_m[own, 2] for own in self._legs()]
        return np.array([[z.min(), z.max()] for z in z_m])

    def least_distances_m(self, on_ground: bool = False) -> tuple[FloatArray, FloatArray]:
        """Return how near each pair comes and when, both (n, n), upper triangle [m], [s].

        Between two changes of either device the gap is g + w s: nearest at s = -g.w / w.w, held to
        the stretch. on_ground: without heights.
        """
        legs = self._legs()
        axes = slice(0, 2 if on_ground else 3)
        least_m, at_s = np.full((2, len(legs), len(legs)), np.inf)
        for i, j in combinations(range(len(legs)), 2):
            times_s = np.unique(np.concatenate([self.time_s[legs[i]], self.time_s[legs[j]]]))
            lasts_s = np.diff(np.append(times_s, max(self.until_s, times_s[-1])))
            here_m, here_mps = self._at(legs[i], times_s)
            there_m, there_mps = self._at(legs[j], times_s)
            gap_m, closing_mps = (there_m - here_m)[:, axes], (there_mps - here_mps)[:, axes]
            speed_sq = (closing_mps**2).sum(axis=1)
            toward = -(gap_m * closing_mps).sum(axis=1)
            after_s = np.divide(toward, speed_sq, out=np.zeros_like(toward), where=speed_sq > 0)
            after_s = np.clip(after_s, 0.0, lasts_s)
            apart_m = np.linalg.norm(gap_m + closing_mps * after_s[:, None], axis=1)
            nearest = int(apart_m.argmin())
            least_m[i, j], at_s[i, j] = apart_m[nearest], times_s[nearest] + after_s[nearest]
        return least_m, at_s

    def _legs(self) -> list[slice]:
        """Each device's own legs."""
        bounds = np.searchsorted(self.device, np.arange(self.device[-1] + 2))
        return [slice(low, high) for low, high in pairwise(bounds)]

    def _at(self, own: slice, times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Position and velocity of a device at each time, (t, 3)."""
        leg = np.searchsorted(self.time_s[own], times_s, side="right") - 1
        velocity_mps = self.velocity_mps[own][leg]
        since_s = times_s - self.time_s[own][leg]
        return self.position_m[own][leg] + velocity_mps * since_s[:, None], velocity_mps
