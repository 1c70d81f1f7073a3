"""What each 802.11 standard has: bands, widths, channels, guard intervals, streams and rates."""

from __future__ import annotations

from dataclasses import dataclass

# Widths [MHz] that a standard has in a band [GHz] and ns-3.44 can play.
WIDTHS_MHZ: dict[str, dict[float, tuple[int, ...]]] = {
    "80211a": {5.0: (20,)},
    "80211b": {2.4: (22,)},
    "80211g": {2.4: (20,)},
    "80211p": {5.0: (10, 5)},
    "80211n": {2.4: (20, 40), 5.0: (20, 40)},
    "80211ac": {5.0: (20, 40, 80, 160)},
    "80211ax": {2.4: (20, 40), 5.0: (20, 40, 80, 160), 6.0: (20, 40, 80, 160)},
    "80211be": {2.4: (20, 40), 5.0: (20, 40, 80, 160), 6.0: (20, 40, 80, 160)},
}

# Channel numbers of a band [GHz] and width [MHz], as ns-3.44 knows them.
CHANNELS: dict[tuple[float, int], tuple[int, ...]] = {
    (2.4, 20): tuple(range(1, 14)),
    (2.4, 22): tuple(range(1, 15)),
    (2.4, 40): tuple(range(3, 12)),
    (5.0, 5): tuple(range(171, 184, 2)),
    (5.0, 10): tuple(range(172, 185, 2)),
    (5.0, 20): (*range(36, 65, 4), *range(100, 145, 4), *range(149, 166, 4)),
    (5.0, 40): (38, 46, 54, 62, 102, 110, 118, 126, 134, 142, 151, 159),
    (5.0, 80): (42, 58, 106, 122, 138, 155),
    (5.0, 160): (50, 114, 163),
    (6.0, 20): tuple(range(1, 234, 4)),
    (6.0, 40): tuple(range(3, 228, 8)),
    (6.0, 80): tuple(range(7, 216, 16)),
    (6.0, 160): tuple(range(15, 208, 32)),
}

# ns-3's name of a band [GHz], and where its channel numbers count from [MHz].
BANDS = {2.4: ("BAND_2_4GHZ", 2407), 5.0: ("BAND_5GHZ", 5000), 6.0: ("BAND_6GHZ", 5950)}

# Data bits per subcarrier and symbol: modulation times code rate, from the slowest rate on.
LEGACY_BITS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 4.5)

MCS_BITS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 4.5, 5.0, 6.0, 20 / 3, 7.5, 25 / 3, 9.0, 10.0)

# Of 802.11b, DSSS and CCK (IEEE 802.11-2020, 16.3.3).
DSSS_BPS = (1e6, 2e6, 5.5e6, 11e6)


@dataclass(frozen=True)
class Ofdm:
    """Rates of a standard: data subcarriers by width, symbol, bits, ns-3's name, streams.

    symbol_ns: without its guard interval, at 20 MHz and wider; narrower symbols are as much longer.
    guard_ns: the guard intervals, the default first. ns-3.44 has no 1.6 us: a station is told of
    0.8 us or, without it, 3.2 us. streams: none is left out where the standard has holes in its
    rates (VHT with three).
    Source: IEEE 802.11-2020, 17.4, 19.5, 21.5, table 17-5 (10 and 5 MHz); 802.11ax-2021, 27.5;
    802.11be-2024, 36.5.
    """

    subcarriers: dict[int, int]
    symbol_ns: int
    guard_ns: tuple[int, ...]
    bits: tuple[float, ...]
    prefix: str
    streams: tuple[int, ...] = (1,)


_HE_SUBCARRIERS = {20: 234, 40: 468, 80: 980, 160: 1960}
OFDM = {
    "80211a": Ofdm({20: 48}, 3200, (800,), LEGACY_BITS, "OfdmRate"),
    "80211g": Ofdm({20: 48}, 3200, (800,), LEGACY_BITS, "ErpOfdmRate"),
    "80211p": Ofdm({10: 48, 5: 48}, 3200, (800,), LEGACY_BITS, "OfdmRate"),
    "80211n": Ofdm({20: 52, 40: 108}, 3200, (800, 400), MCS_BITS[:8], "HtMcs", (1, 2, 3, 4)),
    "80211ac": Ofdm(
        *({20: 52, 40: 108, 80: 234, 160: 468}, 3200, (800, 400)),
        *(MCS_BITS[:10], "VhtMcs", (1, 2, 4)),
    ),
    "80211ax": Ofdm(_HE_SUBCARRIERS, 12800, (3200, 800), MCS_BITS[:12], "HeMcs", (1, 2, 3, 4)),
    "80211be": Ofdm(_HE_SUBCARRIERS, 12800, (3200, 800), MCS_BITS, "EhtMcs", (1, 2, 3, 4)),
}


def frequency_mhz(band_ghz: float, width_mhz: int, number: int) -> int:
    """Return the centre of a channel [MHz]: start of the band + 5 MHz times the number.

    But channel 14 (2484 MHz), and the 5 MHz channels of 802.11p, for which ns-3.44 takes the centre
    of the 10 MHz channel above.
    """
    if (width_mhz, number) == (22, 14):
        return 2484
    return BANDS[band_ghz][1] + 5 * (number + (width_mhz == 5))


def has_legacy_rates(standard: str) -> bool:
    """Say whether a rate has its name by its Mbit/s rather than by an MCS."""
    return standard == "80211b" or OFDM[standard].bits is LEGACY_BITS


def guards_ns(standard: str) -> tuple[int, ...]:
    """Return the guard intervals to choose from, the default first [ns]; none if there is one."""
    return () if has_legacy_rates(standard) else OFDM[standard].guard_ns


def streams_of(standard: str) -> tuple[int, ...]:
    """Return the numbers of spatial streams that a standard has in ns-3.44."""
    return (1,) if standard == "80211b" else OFDM[standard].streams


def rates_bps(
    standard: str, width_mhz: int, guard_ns: int | None = None, streams: int = 1
) -> list[float]:
    """Return the PHY rates from the slowest on [bit/s]: streams x subcarriers x bits / symbol time.

    VHT MCS 9 does not exist in 20 MHz with one, two or four streams.
    """
    if standard == "80211b":
        return list(DSSS_BPS)
    ofdm = OFDM[standard]
    symbol_ns = ofdm.symbol_ns + (guard_ns or ofdm.guard_ns[0])
    per_bit = streams * ofdm.subcarriers[width_mhz] / (symbol_ns * max(1, 20 // width_mhz) / 1e9)
    lacks = standard == "80211ac" and width_mhz == 20
    return [bits * per_bit for bits in ofdm.bits[: len(ofdm.bits) - lacks]]


def mode_name(standard: str, width_mhz: int, mcs: int, streams: int = 1) -> str:
    """Return ns-3's name of a rate by its index, from the slowest; that of HT counts streams."""
    if standard == "80211n":
        return f"HtMcs{mcs + 8 * (streams - 1)}"
    if not has_legacy_rates(standard):
        return f"{OFDM[standard].prefix}{mcs}"
    mbps = f"{rates_bps(standard, width_mhz)[mcs] / 1e6:g}".replace(".", "_")
    if standard == "80211b":
        return f"DsssRate{mbps}Mbps"
    width = f"BW{width_mhz}MHz" if width_mhz < 20 else ""
    return f"{OFDM[standard].prefix}{mbps}Mbps{width}"


def slowest_mode(standard: str, width_mhz: int, band_ghz: float) -> str:
    """Return ns-3's name of the slowest rate that is no MCS: that of control frames."""
    if has_legacy_rates(standard):
        return mode_name(standard, width_mhz, 0)
    return "ErpOfdmRate6Mbps" if band_ghz == 2.4 else "OfdmRate6Mbps"
