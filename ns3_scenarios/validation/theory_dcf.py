"""Bianchi's model of the saturated DCF.

G. Bianchi, "Performance analysis of the IEEE 802.11 distributed coordination function", IEEE
Journal on Selected Areas in Communications 18(3), 2000. Ideal channel, no hidden terminals, no
capture, frames are repeated until they arrive, basic access.

The model lets every station count down once per busy period. EDCA does so (802.11n and later: it
also counts at the end of AIFS, IEEE 802.11-2020, 10.23.2.4); the legacy DCF does not (10.3.4.3), so
that in the slot after a busy period only its sender can transmit, if it drew 0. For the latter:
I. Tinnirello, G. Bianchi, Y. Xiao, "Refinements on IEEE 802.11 distributed coordination function
modeling approaches", IEEE Transactions on Vehicular Technology 59(3), 2010.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.optimize import brentq

from ns3_scenarios.validation.theory_airtime import PhyFormat, Timing, data_ppdu_s, exchange_s


@dataclass(frozen=True)
class Contention:
    """A station sends in a slot with probability tau; what it sends collides with p."""

    tau: float
    p: float


def transmission_probability(p: float, window: int, stages: int, slots_saved: float = 0.0) -> float:
    """Return tau of a station whose frames collide with probability p.

    tau = 2 / (1 + W + p W sum_{i<m} (2 p)^i - 2 (1 - p) d), W = CW_min + 1, W 2^m = CW_max + 1.
    With d = 0 it is Bianchi's eq. 7 without its hole at p = 1/2. d (slots_saved): by how much the
    mean of the first backoff is below (W - 1) / 2.
    Source: Bianchi 2000, eq. 7; with d, tau = mean attempts of a frame / mean slots of a frame.
    """
    doublings = sum((2 * p) ** i for i in range(stages))
    return 2.0 / (1.0 + window + p * window * doublings - 2.0 * (1.0 - p) * slots_saved)


def contention(num_stations: int, window: int, stages: int, slots_saved: float = 0.0) -> Contention:
    """Solve tau = tau(p) and p = 1 - (1 - tau)^(n - 1); the solution is unique (Bianchi 2000)."""

    def excess(p: float) -> float:
        tau = transmission_probability(p, window, stages, slots_saved)
        return p - (1.0 - (1.0 - tau) ** (num_stations - 1))

    p = float(brentq(excess, 0.0, 1.0, xtol=1e-14))
    return Contention(transmission_probability(p, window, stages, slots_saved), p)


def num_stages(timing: Timing) -> int:
    """Return how often the window doubles: CW_max + 1 = 2^m (CW_min + 1)."""
    return ((timing.cw_max + 1) // (timing.cw_min + 1)).bit_length() - 1


def saturation_throughput_bps(
    num_stations: int,
    phy: PhyFormat,
    timing: Timing,
    rate_bps: float,
    payload_bytes: int,
    freezes: bool,
) -> float:
    """Return the payload throughput of all stations together [bit/s].

    S = P_s 8 L / (P_i slot + P_s T_s + P_c T_c), with P_i = (1 - tau)^n,
    P_s = n tau (1 - tau)^(n - 1), P_c = 1 - P_i - P_s, T_s the exchange with its IFS,
    T_c = T_data + IFS. With freezes (legacy DCF): a success goes on with probability B = 1 / W for
    another frame, L / (1 - B) and T_s / (1 - B) in the mean; a slot without any other sender ends
    every busy period; the first backoff has no 0 and lacks that slot, (W - 2) / 2 in the mean.
    Source: Bianchi 2000, eq. 10 to 14; Tinnirello et al. 2010, section IV.
    """
    window = timing.cw_min + 1
    again = 1.0 / window if freezes else 0.0
    extra_s = timing.slot_s if freezes else 0.0
    saved = 0.5 if freezes else 0.0
    tau = contention(num_stations, window, num_stages(timing), saved).tau
    idle = (1 - tau) ** num_stations
    success = num_stations * tau * (1 - tau) ** (num_stations - 1)
    exchanges = 1.0 / (1.0 - again)
    success_s = exchanges * exchange_s(phy, timing, rate_bps, payload_bytes) + extra_s
    collision_s = data_ppdu_s(phy, rate_bps, payload_bytes) + timing.ifs_s + extra_s
    slot_s = idle * timing.slot_s + success * success_s + (1 - idle - success) * collision_s
    return success * exchanges * 8 * payload_bytes / slot_s
