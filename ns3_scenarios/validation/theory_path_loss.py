"""Path-loss formulas [dB], from their own sources.

d_m: distance [m] in space, between antennas at h_m (low_m and high_m where they differ) [m];
f_hz: frequency [Hz].
"""

from __future__ import annotations

from typing import Any

import numpy as np

LIGHT_M_PER_S = 299_792_458.0
# Correlation distance of line of sight: TR 38.901, table 7.6.3.1-2; d2d: the program's default of
# network.decorrelation_distance_m.
SIGHT_M = {"inh": 10.0, "umi": 50.0, "uma": 50.0, "d2d": 20.0}
# In sight and without: TR 38.901, table 7.4.1-1.
INH_SIGMA_DB = 3.0, 8.03


def log_distance_db(d_m: Any, exponent: float, reference_db: float) -> Any:
    """L = L(1 m) + 10 n log d (Rappaport, Wireless Communications, 2002, eq. 4.68)."""
    return reference_db + 10 * exponent * np.log10(d_m)


def free_space_db(d_m: Any, f_hz: float) -> Any:
    """L = 20 log(4 pi d f / c) (Friis, Proceedings of the IRE 34, 1946)."""
    return 20 * np.log10(4 * np.pi * d_m * f_hz / LIGHT_M_PER_S)


def two_ray_db(d_m: Any, f_hz: float, h_m: float) -> Any:
    """Free space up to 4 pi h^2 / lambda, then 40 log d - 40 log h (Rappaport, eq. 4.52)."""
    crossover_m = 4 * np.pi * h_m**2 * f_hz / LIGHT_M_PER_S
    far_db = 40 * np.log10(d_m) - 40 * np.log10(h_m)
    return np.where(d_m <= crossover_m, free_space_db(d_m, f_hz), far_db)


def p1411_db(d_m: Any, f_hz: float, h_m: float) -> Any:
    """Mean of the lower and the upper bound of ITU-R P.1411-6, 4.2.1, both from the breakpoint."""
    wavelength_m = LIGHT_M_PER_S / f_hz
    break_m = 4 * h_m**2 / wavelength_m
    base_db = abs(20 * np.log10(wavelength_m**2 / (8 * np.pi * h_m**2)))
    before = d_m <= break_m
    lower_db = base_db + np.where(before, 20, 40) * np.log10(d_m / break_m)
    upper_db = base_db + 20 + np.where(before, 25, 40) * np.log10(d_m / break_m)
    return (lower_db + upper_db) / 2


def d2d_db(d_m: Any, f_hz: float, h_m: float = 1.5) -> tuple[Any, Any]:
    """WINNER+ B1 (D5.3, table 4.1) with the heights and offset of 3GPP TR 36.843, A.2.1.2.

    With and without line of sight, never below free space; effective height 0.8 m.
    """
    f_ghz, effective_m = f_hz / 1e9, 0.8
    near_db = 22.7 * np.log10(d_m) + 27 + 20 * np.log10(f_ghz)
    far_db = 40 * np.log10(d_m) + 7.56 - 34.6 * np.log10(effective_m) + 2.7 * np.log10(f_ghz)
    los_db = np.where(d_m < 4 * effective_m**2 * f_hz / LIGHT_M_PER_S, near_db, far_db)
    slope = 44.9 - 6.55 * np.log10(h_m)
    nlos_db = slope * np.log10(d_m) + 5.83 * np.log10(h_m) + 18.38 + 23 * np.log10(f_ghz) - 5
    floor_db = free_space_db(d_m, f_hz)
    return np.maximum(los_db, floor_db), np.maximum(nlos_db, floor_db)


def d2d_los_share(d_m: float) -> float:
    """P(LOS) = min(18/d, 1) (1 - exp(-d/36)) + exp(-d/36) (WINNER+ D5.3, B1)."""
    return float(min(18 / d_m, 1.0) * (1 - np.exp(-d_m / 36)) + np.exp(-d_m / 36))


def umi_db(d_m: Any, f_hz: float, high_m: float, low_m: float) -> tuple[Any, Any]:
    """Street canyon with and without line of sight (3GPP TR 38.901, table 7.4.1-1)."""
    los_db = _dual_slope_db(d_m, f_hz, high_m, low_m, (32.4, 21.0, 9.5))
    f_db = np.log10(f_hz / 1e9)
    nlos_db = 22.4 + 35.3 * np.log10(d_m) + 21.3 * f_db - 0.3 * (low_m - 1.5)
    return los_db, np.maximum(los_db, nlos_db)


def uma_db(d_m: Any, f_hz: float, high_m: float, low_m: float) -> tuple[Any, Any]:
    """Urban macro with and without line of sight (3GPP TR 38.901, table 7.4.1-1), low_m < 13 m."""
    los_db = _dual_slope_db(d_m, f_hz, high_m, low_m, (28.0, 22.0, 9.0))
    f_db = np.log10(f_hz / 1e9)
    nlos_db = 13.54 + 39.08 * np.log10(d_m) + 20 * f_db - 0.6 * (low_m - 1.5)
    return los_db, np.maximum(los_db, nlos_db)


def _dual_slope_db(
    d_m: Any, f_hz: float, high_m: float, low_m: float, terms: tuple[float, float, float]
) -> Any:
    """Line of sight of table 7.4.1-1: slope of terms up to the breakpoint, then 40 log d."""
    base_db, slope, correction = terms
    break_m = 4 * (high_m - 1) * (low_m - 1) * f_hz / LIGHT_M_PER_S
    ground_m = np.sqrt(d_m**2 - (high_m - low_m) ** 2)
    at_1m_db = base_db + 20 * np.log10(f_hz / 1e9)
    bend_db = correction * np.log10(break_m**2 + (high_m - low_m) ** 2)
    near_db = at_1m_db + slope * np.log10(d_m)
    return np.where(ground_m <= break_m, near_db, at_1m_db + 40 * np.log10(d_m) - bend_db)


def inh_db(d_m: Any, f_hz: float) -> tuple[Any, Any]:
    """Indoor office with and without line of sight (3GPP TR 38.901, table 7.4.1-1)."""
    f_db = np.log10(f_hz / 1e9)
    los_db = 32.4 + 17.3 * np.log10(d_m) + 20 * f_db
    return los_db, np.maximum(los_db, 17.3 + 38.3 * np.log10(d_m) + 24.9 * f_db)


def inh_los_share(d_m: float) -> float:
    """P(LOS) of the mixed office (3GPP TR 38.901, table 7.4.2-1)."""
    if d_m <= 1.2:
        return 1.0
    if d_m < 6.5:
        return float(np.exp(-(d_m - 1.2) / 4.7))
    return float(0.32 * np.exp(-(d_m - 6.5) / 32.6))


def umi_los_share(d_m: float) -> float:
    """P(LOS) of the street canyon by distance on the ground (3GPP TR 38.901, table 7.4.2-1)."""
    return 1.0 if d_m <= 18 else float(18 / d_m + np.exp(-d_m / 36) * (1 - 18 / d_m))


def uma_los_share(d_m: float) -> float:
    """P(LOS) of the urban macro below 13 m (3GPP TR 38.901, table 7.4.2-1)."""
    return 1.0 if d_m <= 18 else float(18 / d_m + np.exp(-d_m / 63) * (1 - 18 / d_m))


def v2v_urban_db(d_m: Any, f_hz: float) -> tuple[Any, Any]:
    """Vehicles in streets, with line of sight and behind buildings (3GPP TR 37.885, 6.2.1-1)."""
    f_db = np.log10(f_hz / 1e9)
    return 38.77 + 16.7 * np.log10(d_m) + 18.2 * f_db, _v2v_hidden_db(d_m, f_db)


def v2v_highway_db(d_m: Any, f_hz: float) -> tuple[Any, Any]:
    """Vehicles on a highway, with line of sight and without (3GPP TR 37.885, table 6.2.1-1)."""
    f_db = np.log10(f_hz / 1e9)
    return 32.4 + 20 * np.log10(d_m) + 20 * f_db, _v2v_hidden_db(d_m, f_db)


def _v2v_hidden_db(d_m: Any, f_db: float) -> Any:
    return 36.85 + 30 * np.log10(d_m) + 18.9 * f_db


def v2v_urban_shares(d_m: float) -> tuple[float, float]:
    """P(line of sight) and P(behind buildings) in streets, low density; a vehicle hides the rest.

    Source: Boban, Gong, Xu, "Modeling the evolution of line-of-sight blockage for V2V channels",
    IEEE VTC Fall 2016, table I.
    """
    los = 0.8548 * np.exp(-0.0064 * d_m)
    vehicle = np.exp(-((np.log(d_m) - 5.2718) ** 2) / 3.4827) / (0.0396 * d_m)
    return float(los), float(1 - los - vehicle)


def v2v_highway_shares(d_m: float) -> tuple[float, float]:
    """P(line of sight) and P(hidden by what is not a vehicle), low density (source as above)."""
    los = 1.5e-6 * d_m**2 - 0.0015 * d_m + 1
    return los, -2.9e-7 * d_m**2 + 0.00059 * d_m + 0.0017


def v2v_blockage_db(d_m: float) -> tuple[float, float]:
    """Mean and deviation of the loss by a vehicle higher than both antennas (TR 37.885, 6.2.1)."""
    return 9.0 + max(0.0, 15 * float(np.log10(d_m)) - 41.0), 4.5


def field_covariance(first_m: Any, second_m: Any, decay_m: float) -> float:
    """C / sigma^2 of two links, ends by x and y (2, 2) [m], that cross one field of obstacles.

    The integral of exp(-r/d) over both, over 2 d sqrt(L L') (Agrawal, Patwari, IEEE Trans. Wireless
    Commun. 8(8), 2009, with sigma the deviation of a link of many d), by the midpoint rule.
    """
    along = (np.arange(1000) + 0.5)[:, np.newaxis] / 1000
    a, b = (link[0] + along * (link[1] - link[0]) for link in (first_m, second_m))
    r_m = np.linalg.norm(a[:, np.newaxis] - b, axis=-1)
    lengths_m = [np.linalg.norm(link[1] - link[0]) for link in (first_m, second_m)]
    return float(np.exp(-r_m / decay_m).mean() * np.sqrt(np.prod(lengths_m)) / (2 * decay_m))
