"""An own scenario: 802.11a radios along a street, over a channel with a two-slope loss.

      o    o    o    o    n devices at scenario.position_m, in a line by default
    ======================

python cosim/run.py --scenario ns3_scenarios/examples/street.py --network.placement line
"""

from typing import Any


def build(ns: Any, scenario: Any) -> list[Any]:
    """Make the nodes and their devices; return the devices, one a node."""
    nodes = ns.NodeContainer()
    nodes.Create(scenario.num_devices)
    places = ns.CreateObject[ns.ListPositionAllocator]()
    for x, y, z in scenario.position_m:
        places.Add(ns.Vector(float(x), float(y), float(z)))
    mobility = ns.MobilityHelper()
    mobility.SetPositionAllocator(places)
    mobility.SetMobilityModel("ns3::ConstantPositionMobilityModel")
    mobility.Install(nodes)

    channel = ns.YansWifiChannelHelper()
    channel.SetPropagationDelay("ns3::ConstantSpeedPropagationDelayModel")
    channel.AddPropagationLoss(
        "ns3::ThreeLogDistancePropagationLossModel",
        *("Distance1", ns.DoubleValue(40.0), "Exponent0", ns.DoubleValue(2.0)),
    )
    phy = ns.YansWifiPhyHelper()
    phy.SetChannel(channel.Create())
    phy.Set("TxPowerStart", ns.DoubleValue(scenario.radio.tx_power_dbm))
    phy.Set("TxPowerEnd", ns.DoubleValue(scenario.radio.tx_power_dbm))

    wifi = ns.WifiHelper()
    wifi.SetStandard(ns.WIFI_STANDARD_80211a)
    wifi.SetRemoteStationManager("ns3::AarfWifiManager")
    mac = ns.WifiMacHelper()
    mac.SetType("ns3::AdhocWifiMac")
    devices = wifi.Install(phy, mac, nodes)
    ns.WifiHelper.AssignStreams(devices, 0)
    return [devices.Get(i) for i in range(scenario.num_devices)]
