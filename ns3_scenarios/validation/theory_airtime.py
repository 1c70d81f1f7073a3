"""How long 802.11 frames and their exchanges take, by the standard's formulas.

20 MHz in the 5 GHz band, one spatial stream, no protection, no aggregation of several frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

LLC_BYTES = 8
FCS_BYTES = 4
ACK_BYTES = 14
SERVICE_AND_TAIL_BITS = 16 + 6
# Data rates that every 802.11a station must have, and of these the control frames take theirs.
MANDATORY_BPS = (6e6, 12e6, 24e6)


@dataclass(frozen=True)
class Timing:
    """What the medium access of a standard waits for [s], and the range of its backoff [slots].

    Source: IEEE 802.11-2020, table 17-21 (SIFS, slot, CWmin, CWmax of OFDM), table 9-155 (AIFSN of
    best effort: 3), 10.3.2.3 (DIFS = SIFS + 2 slots, AIFS = SIFS + AIFSN slots).
    """

    ifs_slots: int
    slot_s: float = 9e-6
    sifs_s: float = 16e-6
    cw_min: int = 15
    cw_max: int = 1023

    @property
    def ifs_s(self) -> float:
        """DIFS, or AIFS of best effort [s]."""
        return self.sifs_s + self.ifs_slots * self.slot_s


@dataclass(frozen=True)
class PhyFormat:
    """A PPDU format at 20 MHz: preamble [s], symbol [s], MAC overhead [bytes]."""

    preamble_s: float
    symbol_s: float
    mac_header_bytes: int
    delimiter_bytes: int


# Preambles: legacy 20 us (17.3.2); + HT-SIG 8, STF 4, LTF 4 (19.3.2); + VHT-SIG-A 8, STF 4, LTF 4,
# SIG-B 4 (21.3.2); + RL-SIG 4, HE-SIG-A 8, STF 4, LTF 16 (802.11ax-2021, 27.3.4, guard interval
# 3.2 us). VHT and HE send every frame as an A-MPDU, so a lone one carries a delimiter (9.7.1).
FORMATS = {
    "80211a": PhyFormat(20e-6, 4e-6, 24, 0),
    "80211n": PhyFormat(36e-6, 4e-6, 26, 0),
    "80211ac": PhyFormat(40e-6, 4e-6, 26, 4),
    "80211ax": PhyFormat(52e-6, 16e-6, 26, 4),
}
# By how much ns-3.44's preambles are shorter than the standard's: no VHT-SIG-B for a single user
# (VhtPhy::GetSigBDuration), an HE-LTF of 8 us whatever the guard interval (HePhy::
# GetTrainingDuration).
NS3_SHORTER_S = {"80211a": 0.0, "80211n": 0.0, "80211ac": 4e-6, "80211ax": 8e-6}
TIMINGS = {
    "80211a": Timing(ifs_slots=2),
    "80211n": Timing(ifs_slots=3),
    "80211ac": Timing(ifs_slots=3),
    "80211ax": Timing(ifs_slots=3),
}


def ns3_format(standard: str) -> PhyFormat:
    """Return the format with the preamble that ns-3 sends."""
    phy = FORMATS[standard]
    return replace(phy, preamble_s=phy.preamble_s - NS3_SHORTER_S[standard])


def ppdu_s(phy: PhyFormat, rate_bps: float, psdu_bytes: int) -> float:
    """Return the duration of a PPDU [s].

    T = T_preamble + T_symbol ceil((16 + 8 L + 6) / N_DBPS), with N_DBPS = rate T_symbol [bits].
    Source: IEEE 802.11-2020, 17.4.3 (TXTIME; 19.4.3 and 21.4.3 alike with one encoder).
    """
    bits_per_symbol = rate_bps * phy.symbol_s
    # The rates are multiples of whole bits a symbol up to rounding of the floating point.
    symbols = ceil((SERVICE_AND_TAIL_BITS + 8 * psdu_bytes) / bits_per_symbol - 1e-9)
    return phy.preamble_s + symbols * phy.symbol_s


def data_ppdu_s(
    phy: PhyFormat, rate_bps: float, payload_bytes: int, extra_header_bytes: int = 0
) -> float:
    """Return the duration of a data frame that carries payload behind LLC [s]."""
    psdu_bytes = (
        phy.delimiter_bytes
        + phy.mac_header_bytes
        + extra_header_bytes
        + LLC_BYTES
        + payload_bytes
        + FCS_BYTES
    )
    return ppdu_s(phy, rate_bps, psdu_bytes)


def ack_ppdu_s(ack_rate_bps: float) -> float:
    """Return the duration of an acknowledgement [s]; it goes in the legacy format."""
    return ppdu_s(FORMATS["80211a"], ack_rate_bps, ACK_BYTES)


def ack_rate_bps(data_rate_bps: float) -> float:
    """Return the rate of the answer: the fastest mandatory one up to the data's [bit/s].

    Source: IEEE 802.11-2020, 10.6.6.5.2.
    """
    return max(rate for rate in MANDATORY_BPS if rate <= data_rate_bps)


def exchange_s(
    phy: PhyFormat,
    timing: Timing,
    rate_bps: float,
    payload_bytes: int,
    extra_header_bytes: int = 0,
) -> float:
    """Return the time that one frame and its answer hold the medium [s].

    T_s = T_data + SIFS + T_ack + IFS, the backoff left out.
    Source: Bianchi 2000 (see theory_dcf), eq. 14: basic access, here without propagation delay.
    """
    data_s = data_ppdu_s(phy, rate_bps, payload_bytes, extra_header_bytes)
    return data_s + timing.sifs_s + ack_ppdu_s(ack_rate_bps(rate_bps)) + timing.ifs_s


def link_throughput_bps(
    phy: PhyFormat,
    timing: Timing,
    rate_bps: float,
    payload_bytes: int,
    extra_header_bytes: int = 0,
) -> float:
    """Return the throughput of one saturated, lossless sender alone [bit/s].

    S = 8 L / (IFS + slot CW_min / 2 + T_data + SIFS + T_ack). Without losses the backoff is drawn
    from 0 to CW_min before each frame.
    """
    backoff_s = timing.slot_s * timing.cw_min / 2
    held_s = exchange_s(phy, timing, rate_bps, payload_bytes, extra_header_bytes)
    return 8 * payload_bytes / (held_s + backoff_s)
