"""The Wi-Fi radios that scenarios share."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from ns3_scenarios.description.fields import Settings, choice, quantity
from ns3_scenarios.description.network_kind import WITH_CHANNEL, WITH_PACKETS, WITH_RADIOS
from ns3_scenarios.description.rates import (
    CHANNELS,
    OFDM,
    WIDTHS_MHZ,
    frequency_mhz,
    guards_ns,
    has_legacy_rates,
    mode_name,
    rates_bps,
    slowest_mode,
    streams_of,
)
from ns3_scenarios.errors import ScenarioError

BOLTZMANN_J_PER_K = 1.380649e-23

LIGHT_SPEED_M_PER_S = 299_792_458.0

RATE_MANAGERS = {
    "ideal": "ns3::IdealWifiManager",
    "minstrel_ht": "ns3::MinstrelHtWifiManager",
    "thompson": "ns3::ThompsonSamplingWifiManager",
    "constant": "ns3::ConstantRateWifiManager",
    "per_station": "cosim::PerStationWifiManager",
}

# Signal over noise that detecting a preamble takes besides [dB]: ns-3's
# ThresholdPreambleDetectionModel::Threshold.
PREAMBLE_SNR_DB = 4.0

# By 802.11e access category: the IP type of service that ns-3 maps to it, by its first three bits.
ACCESS_CATEGORIES = {"BE": 0x00, "BK": 0x20, "VI": 0xA0, "VO": 0xC0}

WITH_MCS = [name for name in WIDTHS_MHZ if not has_legacy_rates(name)]
WITH_CATEGORIES = ["80211p", *WITH_MCS]


class RadioSettings(Settings):
    """The 802.11 radio."""

    standard: Literal[tuple(WIDTHS_MHZ)] = choice(  # type: ignore[valid-type]
        "80211ax",
        f"IEEE 802.11 standard: {', '.join(WIDTHS_MHZ)}; 80211p: outside any network (OCB), for"
        " adhoc80211 and d2d",
        when={"kind": WITH_CHANNEL},
    )
    band_ghz: float = quantity(
        5.0,
        "Band: 2.4, 5 or 6, as the standard has it; the channels of 802.11p are in 5",
        "GHz",
        2.4,
        6.0,
        when={"kind": WITH_CHANNEL},
    )
    channel_width_mhz: int = quantity(
        20,
        "Channel width: 20, 40, 80 or 160, as the standard has it in the band; of 802.11b 22, of"
        " 802.11p 10 or 5",
        "MHz",
        5,
        160,
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
        " hidden devices if it is high); per_station (infrastructure): between each station and the"
        " access point a rate that stays, as planned with rate_margin_db, or the column mcs of"
        " energy.device_file",
        when={"kind": WITH_PACKETS},
    )
    mcs: int = quantity(
        0,
        "Rate of rate_manager constant, counted from the slowest",
        "",
        0,
        13,
        when={"kind": WITH_PACKETS, "rate_manager": ["constant"]},
    )
    rate_margin_db: float = quantity(
        3.0,
        "What rate_manager per_station leaves between the SNR of a link at the start, without"
        " fading, and that of a rate at a bit error rate of 1e-6 (of ideal: 0)",
        "dB",
        0.0,
        40.0,
        when={"kind": WITH_PACKETS, "rate_manager": ["per_station"]},
    )
    guard_interval_ns: int | None = quantity(
        None,
        "Guard interval of frames to one receiver (those to all have 800): 800 or 400 with 802.11n"
        " and ac, 3200 or 800 with 802.11ax and be; by default the first",
        "ns",
        400,
        3200,
        when={"kind": WITH_PACKETS, "standard": WITH_MCS},
    )
    antennas: int = quantity(
        1,
        "Antennas, each way; r of them add 10 log10(r / streams) dB to the SNR of what is received",
        "",
        1,
        8,
        when={"kind": WITH_PACKETS},
    )
    spatial_streams: int = quantity(
        1,
        "Most spatial streams, up to antennas: s streams carry s times the rate at the same SNR"
        " (ns-3 has neither a channel's rank nor a power that streams share)",
        "",
        1,
        4,
        when={"kind": WITH_PACKETS, "standard": WITH_MCS},
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
        65535,
        "Largest A-MPDU; 0 for none (802.11n and later)",
        "bytes",
        0,
        6500631,
        when={"kind": WITH_PACKETS, "standard": WITH_MCS},
    )
    max_amsdu_bytes: int = quantity(
        0,
        "Largest A-MSDU; 0 for none (802.11n and later)",
        "bytes",
        0,
        11398,
        when={"kind": WITH_PACKETS, "standard": WITH_MCS},
    )
    access_category: Literal[tuple(ACCESS_CATEGORIES)] = choice(  # type: ignore[valid-type]
        "BE",
        "802.11e access category of what devices exchange (not in a mesh; 802.11a, b and g have"
        " none)",
        when={"kind": WITH_PACKETS, "standard": WITH_CATEGORIES},
    )


class Radio(RadioSettings):
    """One 802.11 radio, the same on every device.

    Raises ScenarioError where the standard has no such band, width, channel, MCS, guard interval or
    number of streams.
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
        if self.rate_manager == "minstrel_ht" and has_legacy_rates(self.standard):
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

    @model_validator(mode="after")
    def _streams_fit(self) -> Radio:
        guards, streams = guards_ns(self.standard), streams_of(self.standard)
        if self.guard_interval_ns not in (None, *guards):
            has = f"expected one of {_listed(guards)}" if guards else "expected none"
            why = " (ns-3.44 has no third one)" if len(guards) and guards[0] == 3200 else ""
            raise ScenarioError(
                f"network.guard_interval_ns: {has} with standard {self.standard}{why}, got"
                f" {self.guard_interval_ns}"
            )
        if self.spatial_streams not in streams:
            raise ScenarioError(
                f"network.spatial_streams: expected one of {_listed(streams)} with standard"
                f" {self.standard}, got {self.spatial_streams}"
            )
        if self.spatial_streams > self.antennas:
            raise ScenarioError(
                f"network.spatial_streams: expected at most antennas ({self.antennas}), got"
                f" {self.spatial_streams}; give more antennas or fewer streams"
            )
        return self

    @property
    def guard_ns(self) -> int:
        """The guard interval in use [ns]; that of 802.11b, which has none, is 0."""
        of_standard = OFDM[self.standard].guard_ns if self.standard in OFDM else (0,)
        return self.guard_interval_ns or of_standard[0]

    @property
    def rates_bps(self) -> list[float]:
        """PHY rates by MCS with all streams, from the slowest on [bit/s]."""
        return rates_bps(
            self.standard, self.channel_width_mhz, self.guard_interval_ns, self.spatial_streams
        )

    @property
    def slowest_bps(self) -> float:
        """The slowest PHY rate of data, that of one stream [bit/s]."""
        return min(self.rates_bps) / self.spatial_streams

    @property
    def channel(self) -> int:
        """The channel number in use."""
        return self.channel_number or CHANNELS[self.band_ghz, self.channel_width_mhz][0]

    @property
    def frequency_hz(self) -> float:
        """Centre of the channel [Hz]."""
        return 1e6 * frequency_mhz(self.band_ghz, self.channel_width_mhz, self.channel)

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
        audible_dbm = self.noise_power_dbm + PREAMBLE_SNR_DB - float(10 * np.log10(self.antennas))
        return max(self.preamble_detection_dbm, self.rx_sensitivity_dbm, audible_dbm)

    @property
    def free_space_loss_db(self) -> float:
        """Free-space loss at 1 m at the channel's centre, to 0.1 dB: 20 log10(4 pi f / c)."""
        return round(float(20 * np.log10(4 * np.pi * self.frequency_hz / LIGHT_SPEED_M_PER_S)), 1)

    def mode_name(self, mcs: int) -> str:
        """ns-3's name of a rate by its index, from the slowest."""
        return mode_name(self.standard, self.channel_width_mhz, mcs, self.spatial_streams)

    def broadcast_mode_name(self, mcs: int) -> str:
        """ns-3's name of a rate of frames to all, which have one stream."""
        return mode_name(self.standard, self.channel_width_mhz, mcs)

    @property
    def control_mode(self) -> str:
        """ns-3's name of the rate of control frames of rate_managers constant and per_station."""
        return slowest_mode(self.standard, self.channel_width_mhz, self.band_ghz)


def _listed(values: Any) -> str:
    numbers = [f"{value:g}" for value in values]
    if len(numbers) > 14:
        numbers = [*numbers[:6], "...", numbers[-1]]
    return ", ".join(numbers)
