"""An access point and its stations: devices reach each other through the access point.

            AP             n stations, by default on a 3 x 3 grid with 30 m spacing
       .   :   :   .       the AP in their middle, at a height of its own, on mains power
      o   o  o  o   o       any 802.11 OFDM standard, one radio each
                            a message is on the air twice: up to the AP and down again
    one battery per station, none at the AP, unless it is a device

A link of the tables is such a pair of hops: its frames, airtime and losses are those of both, and
each of the two is_peer if both are associated. With ap_is_device the access point is device 0, has
a battery, and sends and receives itself: links with it are one hop.

Left out: roaming between access points, power save, a wire behind the access point. With umi and
uma the AP must have the model's height of a base station; what one station then hears of another
(which only matters to carrier sensing) is outside the model, and ns-3 takes the lower one as base.
"""

from typing import Any

import numpy as np

from ns3_scenarios.build import attributes, losses, station_rates, wifi
from ns3_scenarios.build import nodes as placed
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.scenario_kind import ScenarioKind


def check(scenario: NetworkScenario) -> None:
    """Refuse channels that say nothing of the access point, and frames that mix destinations."""
    if scenario.channel.path_loss == "trace" and not scenario.settings.ap_is_device:
        raise ScenarioError(
            "network.path_loss: expected a model with scenario infrastructure, got trace (it has no"
            " row for the access point)"
        )
    if scenario.radio.max_amsdu_bytes:
        raise ScenarioError(
            "network.max_amsdu_bytes: expected 0 with scenario infrastructure, got"
            f" {scenario.radio.max_amsdu_bytes} (an A-MSDU to the access point has several"
            " destinations)"
        )
    if scenario.settings.ap_is_device and scenario.mobility.moves:
        raise ScenarioError(
            f"network.mobility: expected static with ap_is_device, got {scenario.mobility.mobility}"
            " (the access point would move, too)"
        )
    planned = scenario.radio.rate_manager == "per_station" and scenario.station_mcs is None
    if planned and scenario.mobility.moves:
        raise ScenarioError(
            "network.mobility: expected static with rate_manager per_station, got"
            f" {scenario.mobility.mobility} (rates are planned for where stations stand); give each"
            " its own as column mcs of energy.device_file, or use a rate_manager that adapts"
        )
    heights_m = scenario.mobility.heights_m(scenario.position_m)
    ap = 0
    if not scenario.settings.ap_is_device:
        ap = scenario.num_devices
        heights_m = np.vstack([heights_m, np.full(2, scenario.settings.ap_height_m)])
        if (scenario.position_m == _ap_position_m(scenario)).all(axis=1).any():
            raise ScenarioError(
                "network.ap_height_m: expected another than that of the devices, one of which"
                f" stands where the access point is, got {scenario.settings.ap_height_m:g}"
            )
    to_ap = np.zeros((len(heights_m), len(heights_m)), dtype=np.bool_)
    to_ap[ap, :] = to_ap[:, ap] = True
    to_ap[ap, ap] = False
    scenario.channel.check(heights_m, to_ap)


def build(ns: Any, scenario: NetworkScenario) -> tuple[list[Any], list[Any]]:
    """Build the network; return the devices and their radios, then that of a relaying AP."""
    attributes.set_defaults(ns, scenario)
    nodes = placed.make_nodes(ns, scenario)
    phy = losses.make_phy(ns, scenario, nodes)
    wifi.configure(ns, scenario.radio, phy)
    n = scenario.num_devices
    if scenario.settings.ap_is_device:
        stations = ns.NodeContainer()
        for i in range(1, n):
            stations.Add(nodes.Get(i))
        parts = (("Ap", ns.NodeContainer(nodes.Get(0))), ("Sta", stations))
    else:
        ap = ns.cosim_native.StaticNodes(_ap_position_m(scenario).tolist())
        parts = (("Sta", nodes), ("Ap", ap))
    both = ns.NetDeviceContainer()
    for mac, on in parts:
        both.Add(wifi.install(ns, scenario.radio, phy, f"ns3::{mac}WifiMac", on))
    ns.WifiHelper.AssignStreams(both, 0)
    radios = [both.Get(i) for i in range(both.GetN())]
    if scenario.radio.rate_manager == "per_station":
        station_rates.give(ns, scenario, radios, 0 if scenario.settings.ap_is_device else n)
    return radios[:n], radios


def _ap_position_m(scenario: NetworkScenario) -> Any:
    middle_m = scenario.position_m.mean(axis=0)
    return np.array([middle_m[0], middle_m[1], scenario.settings.ap_height_m])


SCENARIO = ScenarioKind(build, has_access_point=True, check=check)
