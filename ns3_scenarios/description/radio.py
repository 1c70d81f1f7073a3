"""The Wi-Fi radios that scenarios share: standards, bands, widths and rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from ns3_scenarios.description.fields import Settings, choice, quantity
from ns3_scenarios.description.network_kind import WITH_CHANNEL, WITH_PACKETS, WITH_RADIOS
from ns3_scenarios.errors import ScenarioError

BOLTZMANN_J_PER_K = 1.380649e-23

LIGHT_SPEED_M_PER_S = 299_792_458.0

# Widths [MHz] that a standard has in a band [GHz]; 160 MHz is left out.
WIDTHS_MHZ: dict[str, dict[float, tuple[int, ...]]] = {
    "80211a": {5.0: (20,)},
    "80211g": {2.4: (20,)},
    "80211n": {2.4: (20, 40), 5.0: (20, 40)},
    "80211ac": {5.0: (20, 40, 80)},
    "80211ax": {2.4: (20, 40), 5.0: (20, 40, 80), 6.0: (20, 40, 80)},
}

# Channel numbers of a band [GHz] and width [MHz], as ns-3.44 knows them.
CHANNELS: dict[tuple[float, int], tuple[int, ...]] = {
    (2.4, 20): tuple(range(1, 14)),
    (2.4, 40): tuple(range(3, 12)),
    (5.0, 20): (*range(36, 65, 4), *range(100, 145, 4), *range(149, 166, 4)),
    (5.0, 40): (38, 46, 54, 62, 102, 110, 118, 126, 134, 142, 151, 159),
    (5.0, 80): (42, 58, 106, 122, 138, 155),
    (6.0, 20): tuple(range(1, 234, 4)),
    (6.0, 40): tuple(range(3, 228, 8)),
    (6.0, 80): tuple(range(7, 216, 16)),
}

BANDS = {2.4: ("BAND_2_4GHZ", 2407), 5.0: ("BAND_5GHZ", 5000), 6.0: ("BAND_6GHZ", 5950)}

RATE_MANAGERS = {
    "ideal": "ns3::IdealWifiManager",
    "minstrel_ht": "ns3::MinstrelHtWifiManager",
    "thompson": "ns3::ThompsonSamplingWifiManager",
    "constant": "ns3::ConstantRateWifiManager",
}

# Signal over noise that detecting a preamble takes besides [dB]: ns-3's
# ThresholdPreambleDetectionModel::Threshold.
PREAMBLE_SNR_DB = 4.0

# By 802.11e access category: the IP type of service that ns-3 maps to it, by its first three bits.
ACCESS_CATEGORIES = {"BE": 0x00, "BK": 0x20, "VI": 0xA0, "VO": 0xC0}

# Data bits per subcarrier and symbol: modulation times code rate, from the slowest rate on.
LEGACY_BITS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 4.5)

MCS_BITS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 4.5, 5.0, 6.0, 20 / 3, 7.5, 25 / 3)


@dataclass(frozen=True)
class _Ofdm:
    """Rates of one spatial stream: data subcarriers by width, symbol time, bits, ns-3's prefix.

    Source: IEEE 802.11-2020, 17.4, 19.5, 21.5; 802.11ax-2021, 27.5 (guard interval of ns-3.44's
    default: 0.8 us, HE 3.2 us).
    """

    subcarriers: dict[int, int]
    symbol_s: float
    bits: tuple[float, ...]
    prefix: str


OFDM = {
    "80211a": _Ofdm({20: 48}, 4e-6, LEGACY_BITS, "OfdmRate"),
    "80211g": _Ofdm({20: 48}, 4e-6, LEGACY_BITS, "ErpOfdmRate"),
    "80211n": _Ofdm({20: 52, 40: 108}, 4e-6, MCS_BITS[:8], "HtMcs"),
    "80211ac": _Ofdm({20: 52, 40: 108, 80: 234}, 4e-6, MCS_BITS[:10], "VhtMcs"),
    "80211ax": _Ofdm({20: 234, 40: 468, 80: 980}, 16e-6, MCS_BITS, "HeMcs"),
}


class RadioSettings(Settings):
    """The 802.11 radio."""

    standard: Literal[tuple(WIDTHS_MHZ)] = choice(  # type: ignore[valid-type]
        "80211ax",
        f"IEEE 802.11 standard: {', '.join(WIDTHS_MHZ)}",
        when={"kind": WITH_CHANNEL},
    )
    band_ghz: float = quantity(
        5.0,
        "Band: 2.4, 5 or 6, as the standard has it",
        "GHz",
        2.4,
        6.0,
        when={"kind": WITH_CHANNEL},
    )
    channel_width_mhz: int = quantity(
        20,
        "Channel width: 20, 40 or 80, as the standard has it in the band",
        "MHz",
        20,
        80,
        when={"kind": WITH_CHANNEL},
    )
    channel_number: int = quantity(
        0,
        "IEEE channel number; 0 takes the lowest of the band and width",
        "",
        0,
        233,
        when={"kind": WITH_CHANNEL},
    )
    tx_power_dbm: float = quantity(
        16.0, "Transmit power", "dBm", -20.0, 30.0, when={"kind": WITH_RADIOS}
    )
    antenna_gain_dbi: float = quantity(
        0.0, "Antenna gain, each way", "dBi", -20.0, 40.0, when={"kind": WITH_CHANNEL}
    )
    noise_figure_db: float = quantity(
        7.0, "Receiver noise figure", "dB", 0.0, 20.0, when={"kind": WITH_CHANNEL}
    )
    preamble_detection_dbm: float = quantity(
        -82.0,
        "Weakest preamble that a receiver detects; at 20 MHz and noise_figure_db 7, -82 dBm is"
        " 12 dB over the noise, so that links that only the slowest rates could use are not heard",
        "dBm",
        -110.0,
        -50.0,
        when={"kind": WITH_PACKETS},
    )
    cca_threshold_dbm: float = quantity(
        -62.0,
        "Energy from which on an undecoded signal makes the medium busy",
        "dBm",
        -110.0,
        0.0,
        when={"kind": WITH_PACKETS},
    )
    rx_sensitivity_dbm: float = quantity(
        -101.0,
        "Signals weaker than this are dropped unseen",
        "dBm",
        -150.0,
        -50.0,
        when={"kind": WITH_PACKETS},
    )
    rate_manager: Literal[tuple(RATE_MANAGERS)] = choice(  # type: ignore[valid-type]
        "ideal",
        "ideal: rate from the last SNR; minstrel_ht: sampled, as deployed (802.11n and"
        " later); thompson: sampled by Thompson's rule; constant: always mcs (collapses among"
        " hidden devices if it is high)",
        when={"kind": WITH_PACKETS},
    )
    mcs: int = quantity(
        0,
        "Rate of rate_manager constant, counted from the slowest",
        "",
        0,
        11,
        when={"kind": WITH_PACKETS, "rate_manager": ["constant"]},
    )
    rts_threshold_bytes: int = quantity(
        500,
        "Frames longer than this are protected by RTS/CTS",
        "bytes",
        0,
        4692480,
        when={"kind": WITH_PACKETS},
    )
    max_ampdu_bytes: int = quantity(
        65535, "Largest A-MPDU; 0 for none", "bytes", 0, 6500631, when={"kind": WITH_PACKETS}
    )
    max_amsdu_bytes: int = quantity(
        0, "Largest A-MSDU; 0 for none", "bytes", 0, 11398, when={"kind": WITH_PACKETS}
    )
    access_category: Literal[tuple(ACCESS_CATEGORIES)] = choice(  # type: ignore[valid-type]
        "BE",
        "802.11e access category of what devices exchange (not in a mesh)",
        when={"kind": WITH_PACKETS},
    )


class Radio(RadioSettings):
    """One 802.11 radio with one antenna, the same on every device.

    Raises ScenarioError where the standard has no such band, width, channel or MCS.
    """

    @model_validator(mode="after")
    def _standard_has_it(self) -> Radio:
        bands = WIDTHS_MHZ[self.standard]
        if self.band_ghz not in bands:
            raise ScenarioError(
                f"network.band_ghz: expected one of {_listed(bands)} with standard"
                f" {self.standard}, got {self.band_ghz:g}; choose one or another standard"
            )
        if self.channel_width_mhz not in bands[self.band_ghz]:
            raise ScenarioError(
                f"network.channel_width_mhz: expected one of {_listed(bands[self.band_ghz])} with"
                f" standard {self.standard} at {self.band_ghz:g} GHz,"
                f" got {self.channel_width_mhz}; choose one or another band"
            )
        channels = CHANNELS[self.band_ghz, self.channel_width_mhz]
        if self.channel_number not in (0, *channels):
            raise ScenarioError(
                f"network.channel_number: expected one of {_listed(channels)} (or 0 for"
                f" {channels[0]}) at {self.band_ghz:g} GHz, {self.channel_width_mhz} MHz wide,"
                f" got {self.channel_number}"
            )
        if self.rate_manager == "minstrel_ht" and OFDM[self.standard].bits is LEGACY_BITS:
            raise ScenarioError(
                "network.rate_manager: expected one for legacy rates with standard"
                f" {self.standard}, got minstrel_ht; use ideal, thompson or constant"
            )
        highest = len(self.rates_bps) - 1
        if self.mcs > highest:
            raise ScenarioError(
                f"network.mcs: expected 0 to {highest} with standard {self.standard},"
                f" {self.channel_width_mhz} MHz wide, got {self.mcs}"
            )
        return self

    @property
    def rates_bps(self) -> list[float]:
        """PHY rates from the slowest on [bit/s]: subcarriers x bits / symbol time.

        VHT MCS 9 does not exist in 20 MHz with one stream.
        """
        ofdm = OFDM[self.standard]
        lacks = self.standard == "80211ac" and self.channel_width_mhz == 20
        per_bit = ofdm.subcarriers[self.channel_width_mhz] / ofdm.symbol_s
        return [bits * per_bit for bits in ofdm.bits[: len(ofdm.bits) - lacks]]

    @property
    def channel(self) -> int:
        """The channel number in use."""
        return self.channel_number or CHANNELS[self.band_ghz, self.channel_width_mhz][0]

    @property
    def frequency_hz(self) -> float:
        """Centre of the channel [Hz]: start of the band + 5 MHz times the number."""
        return 1e6 * (BANDS[self.band_ghz][1] + 5 * self.channel)

    @property
    def bandwidth_hz(self) -> float:
        """Width of the channel [Hz]."""
        return 1e6 * self.channel_width_mhz

    @property
    def noise_power_dbm(self) -> float:
        """Noise of a receiver, k T B F with T = 290 K [dBm]."""
        thermal_w = BOLTZMANN_J_PER_K * 290.0 * self.bandwidth_hz
        return float(10 * np.log10(thermal_w / 1e-3)) + self.noise_figure_db

    @property
    def weakest_heard_dbm(self) -> float:
        """Power from which on a receiver detects a preamble, where nothing interferes [dBm]."""
        audible_dbm = self.noise_power_dbm + PREAMBLE_SNR_DB
        return max(self.preamble_detection_dbm, self.rx_sensitivity_dbm, audible_dbm)

    @property
    def free_space_loss_db(self) -> float:
        """Free-space loss at 1 m at the channel's centre, to 0.1 dB: 20 log10(4 pi f / c)."""
        return round(float(20 * np.log10(4 * np.pi * self.frequency_hz / LIGHT_SPEED_M_PER_S)), 1)

    def mode_name(self, mcs: int) -> str:
        """ns-3's name of a rate by its index, from the slowest."""
        ofdm = OFDM[self.standard]
        if ofdm.bits is LEGACY_BITS:
            return f"{ofdm.prefix}{self.rates_bps[mcs] / 1e6:.0f}Mbps"
        return f"{ofdm.prefix}{mcs}"

    @property
    def control_mode(self) -> str:
        """ns-3's name of the slowest OFDM rate, for control frames of rate_manager constant."""
        return "ErpOfdmRate6Mbps" if self.band_ghz == 2.4 else "OfdmRate6Mbps"


def _listed(values: Any) -> str:
    numbers = [f"{value:g}" for value in values]
    if len(numbers) > 14:
        numbers = [*numbers[:6], "...", numbers[-1]]
    return ", ".join(numbers)
