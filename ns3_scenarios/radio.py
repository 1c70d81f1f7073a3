"""The Wi-Fi radios that scenarios share: standards, bands and widths, and how ns-3 makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

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


@dataclass(frozen=True)
class Radio:
    """One 802.11 radio with one antenna, the same on every device.

    channel_number 0 takes the lowest channel of the band and width. preamble_detection_dbm is the
    weakest preamble that a receiver detects, cca_threshold_dbm the energy from which on an
    undecoded signal makes the medium busy, rx_sensitivity_dbm below which a signal is dropped
    unseen. mcs, for rate_manager constant: index of the rate, from the slowest.
    Raises ScenarioError where the standard has no such band, width, channel or MCS.
    """

    standard: str
    band_ghz: float
    channel_width_mhz: int
    channel_number: int
    tx_power_dbm: float
    antenna_gain_dbi: float
    noise_figure_db: float
    preamble_detection_dbm: float
    cca_threshold_dbm: float
    rx_sensitivity_dbm: float
    rate_manager: str
    mcs: int
    rts_threshold_bytes: int
    max_ampdu_bytes: int
    max_amsdu_bytes: int
    access_category: str

    def __post_init__(self) -> None:
        """Refuse what the standard does not have."""
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


def defaults(radio: Radio) -> dict[str, Any]:
    """Return the ns-3 attributes that every radio is made with."""
    attributes: dict[str, Any] = {
        "WifiRemoteStationManager::RtsCtsThreshold": radio.rts_threshold_bytes,
        "ThresholdPreambleDetectionModel::MinimumRssi": radio.preamble_detection_dbm,
        f"WifiMac::{radio.access_category}_MaxAmsduSize": radio.max_amsdu_bytes,
        f"WifiMac::{radio.access_category}_MaxAmpduSize": radio.max_ampdu_bytes,
    }
    if radio.rate_manager == "constant":
        attributes["ConstantRateWifiManager::DataMode"] = radio.mode_name(radio.mcs)
        attributes["ConstantRateWifiManager::ControlMode"] = radio.control_mode
    return attributes


def configure(ns: Any, radio: Radio, phy: Any) -> None:
    """Set the attributes of a WifiPhyHelper."""
    attributes = {
        "ChannelSettings": f"{{{radio.channel}, {radio.channel_width_mhz},"
        f" {BANDS[radio.band_ghz][0]}, 0}}",
        "TxPowerStart": radio.tx_power_dbm,
        "TxPowerEnd": radio.tx_power_dbm,
        "TxGain": radio.antenna_gain_dbi,
        "RxGain": radio.antenna_gain_dbi,
        "RxNoiseFigure": radio.noise_figure_db,
        "CcaEdThreshold": radio.cca_threshold_dbm,
        "RxSensitivity": radio.rx_sensitivity_dbm,
    }
    for name, value in attributes.items():
        phy.Set(name, ns.StringValue(str(value)))


def standard(ns: Any, radio: Radio) -> Any:
    """Return ns-3's enumerator of the standard."""
    return getattr(ns, f"WIFI_STANDARD_{radio.standard}")


def install(ns: Any, radio: Radio, phy: Any, mac_type: str, nodes: Any) -> Any:
    """Give each node a radio with the named MAC; return the devices (NetDeviceContainer).

    phy: a configured WifiPhyHelper. No queue disc above the MAC, so that what was sent leaves in
    the MAC's order.
    """
    wifi = ns.WifiHelper()
    wifi.SetStandard(standard(ns, radio))
    wifi.SetRemoteStationManager(RATE_MANAGERS[radio.rate_manager])
    wifi.DisableFlowControl()
    mac = ns.WifiMacHelper()
    mac.SetType(mac_type)
    return wifi.Install(phy, mac, nodes)
