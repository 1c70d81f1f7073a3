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


@dataclass(frozen=True)
class _Ofdm:
    """Rates of one spatial stream: data subcarriers by width, symbol time, modulations, MCS name.

    highest: bits per subcarrier and code rate of the best MCS; worst is always half a bit.
    Source: IEEE 802.11-2020, 17.4, 19.5, 21.5; 802.11ax-2021, 27.5 (guard interval of ns-3.44's
    default: 0.8 us, HE 3.2 us).
    """

    subcarriers: dict[int, int]
    symbol_s: float
    highest_bits: float
    mcs_prefix: str
    num_mcs: int


OFDM = {
    "80211a": _Ofdm({20: 48}, 4e-6, 6 * 3 / 4, "OfdmRate", 8),
    "80211g": _Ofdm({20: 48}, 4e-6, 6 * 3 / 4, "ErpOfdmRate", 8),
    "80211n": _Ofdm({20: 52, 40: 108}, 4e-6, 6 * 5 / 6, "HtMcs", 8),
    "80211ac": _Ofdm({20: 52, 40: 108, 80: 234}, 4e-6, 8 * 5 / 6, "VhtMcs", 10),
    "80211ax": _Ofdm({20: 234, 40: 468, 80: 980}, 16e-6, 10 * 5 / 6, "HeMcs", 12),
}
LEGACY_RATES_MBPS = (6, 9, 12, 18, 24, 36, 48, 54)


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
        if self.rate_manager == "minstrel_ht" and self.standard in ("80211a", "80211g"):
            raise ScenarioError(
                "network.rate_manager: expected one for legacy rates with standard"
                f" {self.standard}, got minstrel_ht; use ideal, thompson or constant"
            )
        if self.mcs >= self.num_mcs:
            raise ScenarioError(
                f"network.mcs: expected 0 to {self.num_mcs - 1} with standard {self.standard},"
                f" {self.channel_width_mhz} MHz wide, got {self.mcs}"
            )

    @property
    def num_mcs(self) -> int:
        """Number of rates; VHT MCS 9 does not exist in 20 MHz with one stream."""
        lacks = self.standard == "80211ac" and self.channel_width_mhz == 20
        return OFDM[self.standard].num_mcs - lacks

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
    def free_space_loss_db(self) -> float:
        """Free-space loss at 1 m at the channel's centre, to 0.1 dB: 20 log10(4 pi f / c)."""
        return round(float(20 * np.log10(4 * np.pi * self.frequency_hz / LIGHT_SPEED_M_PER_S)), 1)

    @property
    def rate_range_bps(self) -> tuple[float, float]:
        """Slowest and fastest PHY rate [bit/s]: subcarriers x bits / symbol time."""
        ofdm = OFDM[self.standard]
        per_bit = ofdm.subcarriers[self.channel_width_mhz] / ofdm.symbol_s
        lacks = self.standard == "80211ac" and self.channel_width_mhz == 20
        return 0.5 * per_bit, (8 * 3 / 4 if lacks else ofdm.highest_bits) * per_bit

    @property
    def mode(self) -> str:
        """ns-3's name of the rate that rate_manager constant sends data at."""
        prefix = OFDM[self.standard].mcs_prefix
        if self.standard in ("80211a", "80211g"):
            return f"{prefix}{LEGACY_RATES_MBPS[self.mcs]}Mbps"
        return f"{prefix}{self.mcs}"

    @property
    def control_mode(self) -> str:
        """ns-3's name of the slowest OFDM rate, for control frames of rate_manager constant."""
        return "ErpOfdmRate6Mbps" if self.band_ghz == 2.4 else "OfdmRate6Mbps"


def _listed(values: Any) -> str:
    numbers = [f"{value:g}" for value in values]
    if len(numbers) > 14:
        numbers = [*numbers[:6], "...", numbers[-1]]
    return ", ".join(numbers)


def set_defaults(ns: Any, radio: Radio) -> None:
    """Set the ns-3 attributes that every radio is made with."""
    defaults: dict[str, Any] = {
        "WifiRemoteStationManager::RtsCtsThreshold": radio.rts_threshold_bytes,
        "ThresholdPreambleDetectionModel::MinimumRssi": radio.preamble_detection_dbm,
        "WifiMac::BE_MaxAmsduSize": radio.max_amsdu_bytes,
        "WifiMac::BE_MaxAmpduSize": radio.max_ampdu_bytes,
    }
    for name, value in defaults.items():
        ns.Config.SetDefault(f"ns3::{name}", ns.StringValue(str(value)))


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


def rate_manager(radio: Radio) -> tuple[str, dict[str, str]]:
    """Return ns-3's type of the rate manager and its attributes."""
    attributes: dict[str, str] = {}
    if radio.rate_manager == "constant":
        attributes = {"DataMode": radio.mode, "ControlMode": radio.control_mode}
    return RATE_MANAGERS[radio.rate_manager], attributes


def standard(ns: Any, radio: Radio) -> Any:
    """Return ns-3's enumerator of the standard."""
    return getattr(ns, f"WIFI_STANDARD_{radio.standard}")


def install(ns: Any, radio: Radio, phy: Any, mac_type: str, nodes: Any, **mac: Any) -> Any:
    """Give each node a radio with the named MAC; return the devices (NetDeviceContainer).

    phy: a configured WifiPhyHelper; mac: attributes of the MAC. No queue disc above the MAC, so
    that what was sent leaves in the MAC's order.
    """
    wifi = ns.WifiHelper()
    wifi.SetStandard(standard(ns, radio))
    manager, attributes = rate_manager(radio)
    wifi.SetRemoteStationManager(manager, *_pairs(ns, attributes))
    wifi.DisableFlowControl()
    helper = ns.WifiMacHelper()
    helper.SetType(mac_type, *_pairs(ns, mac))
    return wifi.Install(phy, helper, nodes)


def _pairs(ns: Any, attributes: dict[str, Any]) -> list[Any]:
    """Return attributes as ns-3's helpers take them: name, value, name, value."""
    flat: list[Any] = []
    for name, value in attributes.items():
        flat += [name, ns.StringValue(str(value))]
    return flat
