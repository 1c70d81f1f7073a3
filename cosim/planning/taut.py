"""The taut string: spending as equal as a floor and a ceiling of what was spent so far allow."""

from __future__ import annotations

import numpy as np

from ns3_scenarios.arrays import FloatArray


def taut_shares(weight: FloatArray, least: FloatArray, most: FloatArray) -> FloatArray:
    """Share most[-1] among p periods in proportion to weight, as nearly as the bounds allow.

    The cumulative sum after each period is within [least, most], and its polygon over the sum of
    weights is the shortest: a piece bends only where it touches a bound, so no other shares within
    the bounds have a larger least, or a smaller largest, share per weight. weight (p) > 0; least
    <= most (p), most rising from 0. Source of the form: Barlow, Bartholomew, Bremner, Brunk,
    Statistical Inference under Order Restrictions, 1972 (taut strings); the search is a plain one.
    """
    reached = np.cumsum(weight)
    # Without a bound in the way: one division, so that nothing is rounded twice.
    slope = most[-1] / reached[-1]
    line = slope * reached[:-1]
    if ((least[:-1] <= line) & (line <= most[:-1])).all():
        return np.asarray(slope * weight)
    least = np.append(least[:-1], most[-1])
    shares = np.empty(len(weight))
    begin, spent, at = 0, 0.0, 0.0
    while begin < len(weight):
        end, slope = _piece(reached[begin:] - at, least[begin:] - spent, most[begin:] - spent)
        end, slope = end + begin, max(slope, 0.0)  # a rounding below, where a bound was touched
        shares[begin : end + 1] = slope * weight[begin : end + 1]
        spent += slope * (reached[end] - at)
        at, begin = reached[end], end + 1
    return shares


def _piece(reached: FloatArray, least: FloatArray, most: FloatArray) -> tuple[int, float]:
    """Return where the first straight piece from the origin ends, and its slope."""
    low, high, low_at, high_at = -np.inf, np.inf, 0, 0
    for i, x in enumerate(reached):
        if least[i] / x > high:
            return high_at, high
        if most[i] / x < low:
            return low_at, low
        if least[i] / x >= low:
            low, low_at = least[i] / x, i
        if most[i] / x <= high:
            high, high_at = most[i] / x, i
    return len(reached) - 1, high
