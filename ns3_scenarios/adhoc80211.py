"""An 802.11 ad hoc network: every device hears those in range and sends to them directly.

      o     o     o     n devices, by default a 3 x 3 grid with 30 m spacing
      |  X  |  X  |     any 802.11 OFDM standard, one radio each, no access point
      o - - o - - o     no forwarding: a neighbour out of range is not reached
      |  X  |  X  |     log-distance loss, one shadowing value per link
      o     o     o     one battery per device

There is no peering: a device learns who is there from the packets that reach it.
Left out: beacons of an IBSS (ns-3's ad hoc MAC sends none), several radios per device.
"""

from typing import Any

from ns3_scenarios.build import attributes, losses, wifi
from ns3_scenarios.build import nodes as placed
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.scenario_kind import ScenarioKind


def build(ns: Any, scenario: NetworkScenario) -> tuple[list[Any], list[Any]]:
    """Build the network; return its IP devices and the radios, which are the same."""
    attributes.set_defaults(ns, scenario)
    nodes = placed.make_nodes(ns, scenario)
    phy = losses.make_phy(ns, scenario, nodes)
    wifi.configure(ns, scenario.radio, phy)
    radios = wifi.install(ns, scenario.radio, phy, "ns3::AdhocWifiMac", nodes)
    ns.WifiHelper.AssignStreams(radios, 0)
    devices = [radios.Get(i) for i in range(scenario.num_devices)]
    return devices, devices


SCENARIO = ScenarioKind(build, is_ad_hoc=True)
