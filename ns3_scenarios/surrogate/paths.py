"""Over which devices messages go: in a mesh by HWMP's airtime metric, else in one hop."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from ns3_scenarios.arrays import FloatArray, IntArray
from ns3_scenarios.surrogate.air import Air

# As native/link_metric.h has them.
SHANNON_GAP_DB, OVERHEAD_S, TEST_FRAME_BITS, UNIT_S = 6.0, 185e-6, 8192.0, 10.24e-6


def link_metric(air: Air, bandwidth_hz: float) -> FloatArray:
    """Return the airtime metric of every link, (n, n), in units of 10.24 us; 0 where none is heard.

    c = O + B / r, with r Shannon's rate with a gap of 6 dB, within the rates of the standard.
    Source: IEEE 802.11-2020, 14.9; as native/link_metric.h.
    """
    rate_bps = bandwidth_hz * np.log2(1 + air.snr * 10 ** (-0.1 * SHANNON_GAP_DB))
    rate_bps = rate_bps.clip(min(air.rates_bps), max(air.rates_bps))
    units = np.floor((OVERHEAD_S + TEST_FRAME_BITS / rate_bps) / UNIT_S)
    return np.where(air.hears, units, 0.0)


def before(metric: FloatArray, src: int | None = None) -> IntArray:
    """Return the device before column on the cheapest path from row, (n, n); negative: no path.

    src: of this row alone, (n).
    """
    found: IntArray = dijkstra(csr_matrix(metric), indices=src, return_predecessors=True)[1]
    return found.astype(np.int64)


def path(before_of: IntArray, src: int, dst: int) -> tuple[int, ...]:
    """Return the devices from src to dst, both included; empty where there is no path.

    before_of: the row of src.
    """
    devices = [dst]
    while devices[-1] != src:
        devices.append(int(before_of[devices[-1]]))
        if devices[-1] < 0:
            return ()
    return tuple(reversed(devices))


def detour(metric: FloatArray, way: tuple[int, ...]) -> tuple[int, ...]:
    """Return the cheapest path without the first link of this one; this one where there is none."""
    without, src = metric.copy(), way[0]
    without[src, way[1]] = 0.0
    return path(before(without, src), src, way[-1]) or way
