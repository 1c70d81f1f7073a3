"""An access point and its stations: devices reach each other through the access point.

            AP             n stations, by default on a 3 x 3 grid with 30 m spacing
       .   :   :   .       the AP in their middle, at a height of its own, on mains power
      o   o  o  o   o       any 802.11 OFDM standard, one radio each
                            a message is on the air twice: up to the AP and down again
    one battery per station, none at the AP

A link of the tables is such a pair of hops: its frames, airtime and losses are those of both, and
each of the two is_peer if both are associated.

Left out: roaming between access points, power save, a server behind the access point. With umi and
uma the AP must have the model's height of a base station; what one station then hears of another
(which only matters to carrier sensing) is outside the model, and ns-3 takes the lower one as base.
"""

from typing import Any

import numpy as np

from ns3_scenarios import attributes, channel, mobility, radio
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.scenario import NetworkScenario


def check(scenario: NetworkScenario) -> None:
    """Refuse channels that say nothing of the access point, and frames that mix destinations."""
    if scenario.channel.path_loss == "trace":
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
    n = scenario.num_devices
    to_ap = np.zeros((n + 1, n + 1), dtype=np.bool_)
    to_ap[n, :n] = to_ap[:n, n] = True
    scenario.channel.check(np.vstack([scenario.position_m, _ap_position_m(scenario)]), to_ap)


def build(ns: Any, scenario: NetworkScenario) -> tuple[list[Any], list[Any]]:
    """Build the network; return the stations' devices (IP and radio) and, behind them, the AP."""
    attributes.set_defaults(ns, scenario)
    nodes = mobility.make_nodes(ns, scenario.position_m, scenario.mobility)
    ap_node = ns.cosim_native.StaticNodes(_ap_position_m(scenario).tolist())
    phy = channel.make_phy(ns, scenario, nodes)
    radio.configure(ns, scenario.radio, phy)
    stations = radio.install(ns, scenario.radio, phy, "ns3::StaWifiMac", nodes)
    access_point = radio.install(ns, scenario.radio, phy, "ns3::ApWifiMac", ap_node)
    stations.Add(access_point)
    ns.WifiHelper.AssignStreams(stations, 0)
    n = scenario.num_devices
    devices = [stations.Get(i) for i in range(n)]
    return devices, [*devices, stations.Get(n)]


def _ap_position_m(scenario: NetworkScenario) -> Any:
    middle_m = scenario.position_m.mean(axis=0)
    return np.array([middle_m[0], middle_m[1], scenario.ap_height_m])
