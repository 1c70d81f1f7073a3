"""Makes ns-3's radios of their description."""

from __future__ import annotations

from typing import Any

from ns3_scenarios.description.radio import RATE_MANAGERS, Radio
from ns3_scenarios.description.rates import BANDS, guards_ns

# Slots that an access category waits outside any network (OCB), where no frame takes the medium for
# longer than its own exchange (IEEE 802.11-2020, table 9-156); windows as in a network.
OCB_AIFSN = {"BK": 9, "BE": 6, "VI": 3, "VO": 2}


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
    if radio.rate_manager in ("constant", "per_station"):
        attributes["ConstantRateWifiManager::ControlMode"] = radio.control_mode
    if radio.guard_interval_ns is not None:
        is_short = str(radio.guard_interval_ns == 400).lower()
        if 3200 in guards_ns(radio.standard):
            attributes["HeConfiguration::GuardInterval"] = f"{radio.guard_interval_ns}ns"
        else:
            attributes["HtConfiguration::ShortGuardIntervalSupported"] = is_short
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
    if radio.antennas > 1:
        attributes |= {
            "Antennas": radio.antennas,
            "MaxSupportedTxSpatialStreams": radio.spatial_streams,
            "MaxSupportedRxSpatialStreams": radio.spatial_streams,
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
    if radio.standard == "80211p":
        mac.SetType(mac_type, "QosSupported", ns.StringValue("true"))
        for category, aifsn in OCB_AIFSN.items():
            values = "Aifsns", ns.StringValue(str(aifsn)), "TxopLimits", ns.StringValue("0us")
            mac.SetEdca(getattr(ns, f"AC_{category}"), *values)
    else:
        mac.SetType(mac_type)
    return wifi.Install(phy, mac, nodes)
