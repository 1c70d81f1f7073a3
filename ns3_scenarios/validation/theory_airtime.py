"""How long 802.11 frames and their exchanges take, by the standard's formulas.

No protection, no aggregation of several frames, no signal extension (2.4 GHz OFDM).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, inf

LLC_BYTES = 8
FCS_BYTES = 4
ACK_BYTES = 14


@dataclass(frozen=True)
class Timing:
    """What the medium access of a standard waits for [s], and the range of its backoff [slots].

    Source: IEEE 802.11-2020, tables 17-21 (SIFS, slot, CWmin, CWmax of OFDM) and 16-4 (DSSS), table
    9-155 (AIFSN of best effort: 3) and 9-156 (outside any network: 6), 10.3.2.3 (DIFS = SIFS + 2
    slots, AIFS = SIFS + AIFSN slots).
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
    """A PPDU format: preamble [s], symbol with its guard interval [s], MAC overhead [bytes].

    service_bits and tail_bits (of each encoder) surround the data; an encoder takes encoder_bps at
    most. answer: the format of acknowledgements, none: its own; answer_bps: the rates that every
    station must have, of which an acknowledgement takes its own.
    """

    preamble_s: float
    symbol_s: float
    mac_header_bytes: int
    delimiter_bytes: int = 0
    service_bits: int = 16
    tail_bits: int = 6
    encoder_bps: float = inf
    answer: PhyFormat | None = None
    answer_bps: tuple[float, ...] = (6e6, 12e6, 24e6)


LEGACY = PhyFormat(20e-6, 4e-6, 24)
MAC_HEADER_BYTES = {"80211a": 24, "80211b": 24}  # others: 26, with QoS control
HE_OR_LATER = ("80211ax", "80211be")
# Most that one binary convolutional encoder takes with a guard interval of 0.8 us, read off the
# tables of 19.5 and 21.5; of HE, which has one or LDPC, no limit.
ENCODER_BPS = {"80211n": 320e6, "80211ac": 540e6}


def timing(standard: str, width_mhz: int = 20) -> Timing:
    """Return the medium access of a standard in its own band (n, ac, ax: 5 GHz)."""
    if standard == "80211b":
        return Timing(2, 20e-6, 10e-6, cw_min=31)
    if standard == "80211p":
        return Timing(6, 13e-6, 32e-6) if width_mhz == 10 else Timing(6, 21e-6, 64e-6)
    return Timing(2 if standard in MAC_HEADER_BYTES else 3)


def phy_format(
    standard: str, width_mhz: int = 20, guard_ns: int | None = None, streams: int = 1
) -> PhyFormat:
    """Return the format that data go in; guard_ns: none for the longest.

    Preambles: DSSS, long, 144 + 48 us (16.2.2.2); legacy 20 us (17.3.2), at 10 and 5 MHz twice and
    four times that (table 17-5); + HT-SIG 8, STF 4, LTFs 4 each (19.3.2); + VHT-SIG-A 8, STF 4,
    LTFs 4 each, SIG-B 4 (21.3.2); + RL-SIG 4, HE-SIG-A 8, STF 4, LTFs of 16 us with a guard
    interval of 3.2 us and 7.2 with 0.8 (802.11ax-2021, 27.3.4 and 27.3.11.10); 802.11be has U-SIG 8
    and EHT-SIG 8 in place of HE-SIG-A (802.11be-2024, 36.3.4: 52 bits for one user at its MCS 0).
    As many LTFs as streams, but 4 for 3. VHT and later send every frame as an A-MPDU, so a lone one
    carries a delimiter (9.7.1). A DSSS frame ends with a whole microsecond (16.2.3.5).
    """
    header_bytes = MAC_HEADER_BYTES.get(standard, 26)
    if standard == "80211b":
        return PhyFormat(*(192e-6, 1e-6, header_bytes, 0, 0, 0), answer_bps=(1e6, 2e6, 5.5e6, 11e6))
    if standard == "80211p":
        slower = 20 // width_mhz
        rates_bps = tuple(rate / slower for rate in LEGACY.answer_bps)
        return PhyFormat(slower * 20e-6, slower * 4e-6, header_bytes, answer_bps=rates_bps)
    ltfs = 4 if streams == 3 else streams
    short = guard_ns is not None and guard_ns < (3200 if standard in HE_OR_LATER else 800)
    he_ltf_s, symbol_s = (7.2e-6, 13.6e-6) if short else (16e-6, 16e-6)
    if standard not in HE_OR_LATER:
        symbol_s = 3.6e-6 if short else 4e-6
    more_s, delimiter_bytes = {
        "80211a": (0, 0),
        "80211n": (12e-6 + 4e-6 * ltfs, 0),
        "80211ac": (16e-6 + 4e-6 * ltfs, 4),
        "80211ax": (16e-6 + he_ltf_s * ltfs, 4),
        "80211be": (24e-6 + he_ltf_s * ltfs, 4),
    }[standard]
    return PhyFormat(
        LEGACY.preamble_s + more_s,
        symbol_s,
        header_bytes,
        delimiter_bytes,
        encoder_bps=ENCODER_BPS.get(standard, inf) * 4e-6 / symbol_s,
        answer=LEGACY,
    )


def ns3_format(
    standard: str,
    width_mhz: int = 20,
    guard_ns: int | None = None,
    streams: int = 1,
    mcs: int = 0,
) -> PhyFormat:
    """Return the format with the preamble and the symbols that ns-3.44 sends.

    No VHT-SIG-B for a single user (VhtPhy::GetSigBDuration), an HE-LTF of 8 us whatever the guard
    interval (HePhy::GetTrainingDuration), in place of EHT-SIG a HE-SIG-B for one user of many
    (EhtPpdu::GetEhtSigFieldSize) at the data's MCS up to 5 (EhtPhy::GetSigBMode).
    OfdmPhy::GetPayloadDuration counts symbols of 4 us at 10 and 5 MHz, too, at the right rate: the
    last one of a frame ends up to 4 and 12 us early.
    """
    phy = phy_format(standard, width_mhz, guard_ns, streams)
    if width_mhz < 20:
        return replace(phy, symbol_s=LEGACY.symbol_s)
    more_s = {"80211ac": -4e-6, "80211be": _sig_b_s(width_mhz, mcs) - 8e-6}.get(standard, 0.0)
    if standard in HE_OR_LATER:
        ltfs = 4 if streams == 3 else streams
        more_s -= ltfs * ((16e-6 if phy.symbol_s == 16e-6 else 7.2e-6) - 8e-6)
    return replace(phy, preamble_s=phy.preamble_s + more_s)


def _sig_b_s(width_mhz: int, mcs: int) -> float:
    """Return the duration of a HE-SIG-B with one user (802.11ax-2021, tables 27-24 to 27-28) [s].

    10 bits of check and tail, 8 bits for each 40 MHz, from 80 MHz on one more, and a user of 31, in
    symbols of 4 us with 52 subcarriers.
    """
    bits = 10 + 8 * max(1, width_mhz // 40) + (width_mhz > 40) + 31
    return 4e-6 * ceil(bits / (52 * (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)[min(mcs, 5)]))


def ppdu_s(phy: PhyFormat, rate_bps: float, psdu_bytes: int) -> float:
    """Return the duration of a PPDU [s].

    T = T_preamble + T_symbol ceil((16 + 8 L + 6 N_ES) / N_DBPS), N_DBPS = rate T_symbol [bits],
    N_ES the number of encoders. Source: IEEE 802.11-2020, 17.4.3, 19.4.3, 21.4.3; DSSS 16.2.3.5.
    """
    bits_per_symbol = rate_bps * phy.symbol_s
    encoders = max(1, ceil(rate_bps / phy.encoder_bps - 1e-9))
    bits = phy.service_bits + 8 * psdu_bytes + phy.tail_bits * encoders
    # The rates are multiples of whole bits a symbol up to rounding of the floating point.
    return phy.preamble_s + ceil(bits / bits_per_symbol - 1e-9) * phy.symbol_s


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


def ack_s(phy: PhyFormat, data_rate_bps: float) -> float:
    """Return the duration of the answer, at the fastest mandatory rate up to the data's [s].

    Source: IEEE 802.11-2020, 10.6.6.5.2.
    """
    rate_bps = max(rate for rate in phy.answer_bps if rate <= data_rate_bps)
    return ppdu_s(phy.answer or phy, rate_bps, ACK_BYTES)


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
    return data_s + timing.sifs_s + ack_s(phy, rate_bps) + timing.ifs_s


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
