"""Shadowing that links have in common: all of them cross one random field of obstacles."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.errors import ScenarioError

# With these, the deviation of a link of ten decays or more is within 2 % of the model's.
POINTS_PER_DECAY = 4
SAMPLES_PER_POINT = 2
# The field begins again beyond this margin, over which it forgets its other edge: exp(-10).
MARGIN_DECAYS = 10
MOST_POINTS = 2**25

Area = tuple[float, float, float, float]


@dataclass(frozen=True)
class ShadowingField:
    """Obstacles p(x, y) [dB/sqrt(m)]: Gaussian, of mean 0, E[p p'] = sigma^2/(2 d) exp(-r/d).

    r: how far two points are apart; d: the decay. The shadowing of a link of length L is the
    integral of p along it over sqrt(L), so that its variance is sigma^2 (1 - (1 - exp(-L/d)) d/L),
    nearly sigma^2 where L is many d, and links that run close to each other have much in common.
    p is the same at all heights: links count as they lie on the ground.

    values (rows along y, columns along x): p at the points of a grid, linear between them, and the
    same again beyond its edges; origin_m: x and y of the first point.

    Left out: what a link has beside it for itself alone, which is fading here.
    Source: Agrawal, Patwari, "Correlated link shadow fading in multi-hop wireless networks", IEEE
    Trans. Wireless Commun. 8(8), 2009.
    """

    origin_m: tuple[float, float]
    step_m: float
    values: Any  # (rows, columns) of np.float32

    def link_db(self, from_m: FloatArray, to_m: FloatArray) -> float:
        """Return what a link loses [dB] between two places, x, y and whatever else [m]."""
        # As FieldModel::IntegralDb of native/shadowing_field.cpp does.
        gap_m = to_m[:2] - from_m[:2]
        length_m = float(np.hypot(*gap_m))
        count = max(1, int(np.ceil(SAMPLES_PER_POINT * length_m / self.step_m)))
        along = (np.arange(count) + 0.5) / count
        at = (from_m[:2] + along[:, np.newaxis] * gap_m - self.origin_m) / self.step_m
        corner = np.floor(at)
        x, y = (at - corner).T
        rows, columns = self.values.shape
        left, low = corner.astype(np.int64).T
        left, right = left % columns, (left + 1) % columns
        low, high = low % rows, (low + 1) % rows
        p = self.values
        below = (1 - x) * p[low, left] + x * p[low, right]
        above = (1 - x) * p[high, left] + x * p[high, right]
        return float(((1 - y) * below + y * above).mean() * np.sqrt(length_m))


def draw_field(
    area_m: Area, sigma_db: float, decay_m: float, rng: np.random.Generator
) -> ShadowingField:
    """Draw a field over an area (min x, max x, min y, max y).

    White noise of unit variance, each wave k of it times sqrt(S(k)) / step / (b_x b_y), where
    S = pi d sigma^2 (1 + (d k)^2)^(-3/2) is the spectrum of E[p p'] in the plane, and b = sinc^2
    undoes what being linear between the points takes off a wave.
    Raises ScenarioError where the grid would have more than MOST_POINTS.
    """
    from scipy import fft  # noqa: PLC0415

    step_m = decay_m / POINTS_PER_DECAY
    low_x, high_x, low_y, high_y = area_m
    _check_size(high_x - low_x, high_y - low_y, decay_m)
    sides_m = (span + MARGIN_DECAYS * decay_m for span in (high_y - low_y, high_x - low_x))
    rows, columns = (fft.next_fast_len(int(np.ceil(side / step_m)), real=True) for side in sides_m)
    noise = fft.rfft2(rng.standard_normal((rows, columns), dtype=np.float32))
    turns_y, turns_x = fft.fftfreq(rows)[:, np.newaxis], fft.rfftfreq(columns)  # a point
    for row, turns in enumerate(turns_y):
        u = 1 + (2 * np.pi * POINTS_PER_DECAY) ** 2 * (turns**2 + turns_x**2)
        spectrum = np.pi * decay_m * sigma_db**2 / (u * np.sqrt(u))
        noise[row] *= np.sqrt(spectrum) / step_m / (np.sinc(turns) * np.sinc(turns_x)) ** 2
    return ShadowingField((low_x, low_y), step_m, fft.irfft2(noise, s=(rows, columns)))


def network_shadowing_db(field: ShadowingField, position_m: FloatArray) -> FloatArray:
    """Return the shadowing of each pair of devices, (n, n) [dB]."""
    n = len(position_m)
    shadowing_db = np.zeros((n, n))
    for i, j in combinations(range(n), 2):
        shadowing_db[i, j] = shadowing_db[j, i] = field.link_db(position_m[i], position_m[j])
    return shadowing_db


def _check_size(width_m: float, height_m: float, decay_m: float) -> None:
    """Refuse an area of more points than are held: (w/d + margin) (h/d + margin) points^2."""
    most = MOST_POINTS / POINTS_PER_DECAY**2
    if (width_m / decay_m + MARGIN_DECAYS) * (height_m / decay_m + MARGIN_DECAYS) <= most:
        return
    cells = [width_m * height_m, MARGIN_DECAYS * (width_m + height_m), MARGIN_DECAYS**2 - most]
    least_m = 1 / np.roots(cells).real.max()
    digit_m = 10.0 ** (np.floor(np.log10(least_m)) - 1)
    raise ScenarioError(
        f"network.shadowing_decay_m: expected at least {np.ceil(least_m / digit_m) * digit_m:g} m"
        " in an area of"
        f" {width_m:.4g} x {height_m:.4g} m (the field has {MOST_POINTS} points at most,"
        f" {POINTS_PER_DECAY} a decay), got {decay_m:g}; raise it or make the area smaller"
    )
