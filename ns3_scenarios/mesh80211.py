"""An 802.11s mesh: every device forwards for the others, HWMP finds the paths.

      o --- o --- o     n devices, by default a 3 x 3 grid with 30 m spacing
      |     |     |     802.11ax, 5 GHz, 20 MHz, one radio each, no access point
      o --- o --- o     peering by beacons and management frames, reactive HWMP
      |     |     |     log-distance loss, one shadowing value per link
      o --- o --- o     one battery per device

Settings that differ from ns-3's defaults and why:
- MaxPacketFailure, MaxBeaconLoss, path lifetime (1000, 4, 1000 s): with the defaults (2, 2, 5 s)
  peer links drop under load and the mesh rots after some 40 rounds. Each renewal of a path under
  load loses path requests and can pick a detour; none is due while devices stay where they are.
  Dead relays are noticed by lost beacons, and dead paths by transfers without an answer.
- Airtime metric of our own (native/link_metric.h): that of ns-3.44 does not see the rate.
- Devices boot before the first round and greet their neighbours, each at its own time, so that the
  first paths are found on a quiet medium.
- AddBaResponseTimeout 100 ms instead of 5 ms: under load an answer waits longer than 5 ms for the
  medium. The sender then goes on without the block-ack agreement that its peer already holds, and
  the first frame that is given up leaves the peer's reorder buffer waiting for it for good.
- RTS/CTS from 500 bytes on: a grid is full of hidden terminals.
- HE for real: MeshHelper in ns-3.44 leaves the devices with legacy OFDM.
Left out: several radios per device, MCCA, power save (ns-3 has neither for 802.11s).
"""

from typing import Any

from ns3_scenarios.scenario import NetworkScenario

RATE_MANAGERS = {
    "ideal": "ns3::IdealWifiManager",
    "minstrel_ht": "ns3::MinstrelHtWifiManager",
}
ADDBA_TIMEOUT = "100ms"


def set_defaults(ns: Any, scenario: NetworkScenario) -> None:
    """Set the ns-3 attributes that the mesh's objects are made with."""
    defaults = {
        "dot11s::PeerLink::MaxPacketFailure": scenario.mesh_max_packet_failure,
        "dot11s::PeerLink::MaxBeaconLoss": scenario.mesh_max_beacon_loss,
        "dot11s::PeerManagementProtocol::MaxNumberOfPeerLinks": min(
            max(32, scenario.num_devices), 255
        ),
        "dot11s::HwmpProtocol::Dot11MeshHWMPactivePathTimeout": f"{scenario.mesh_path_lifetime_s}s",
        "QosTxop::AddBaResponseTimeout": ADDBA_TIMEOUT,
        "WifiRemoteStationManager::RtsCtsThreshold": scenario.rts_threshold_bytes,
        "ThresholdPreambleDetectionModel::MinimumRssi": scenario.preamble_detection_dbm,
    }
    for name, value in defaults.items():
        ns.Config.SetDefault(f"ns3::{name}", ns.StringValue(str(value)))


def make_channel(ns: Any, scenario: NetworkScenario) -> Any:
    """Return a Yans channel: L = L0 + 10 n log10(d / 1 m) + X_ij, propagation at light speed."""
    loss = ns.CreateObject[ns.LogDistancePropagationLossModel]()
    loss.SetPathLossExponent(scenario.path_loss_exponent)
    loss.SetReference(1.0, scenario.reference_loss_db)
    shadowing = ns.CreateObject[ns.MatrixPropagationLossModel]()
    shadowing.SetDefaultLoss(0.0)
    loss.SetNext(shadowing)
    channel = ns.CreateObject[ns.YansWifiChannel]()
    channel.SetPropagationLossModel(loss)
    channel.SetPropagationDelayModel(ns.CreateObject[ns.ConstantSpeedPropagationDelayModel]())
    return channel, shadowing


def place(ns: Any, nodes: Any, scenario: NetworkScenario) -> None:
    """Put the nodes at their positions; they do not move."""
    positions = ns.CreateObject[ns.ListPositionAllocator]()
    for x_m, y_m, z_m in scenario.position_m:
        positions.Add(ns.Vector(float(x_m), float(y_m), float(z_m)))
    mobility = ns.MobilityHelper()
    mobility.SetPositionAllocator(positions)
    mobility.SetMobilityModel("ns3::ConstantPositionMobilityModel")
    mobility.Install(nodes)


def shadow(shadowing: Any, nodes: Any, ns: Any, scenario: NetworkScenario) -> None:
    """Give every link its shadowing value [dB]."""
    models = [
        nodes.Get(i).__deref__().GetObject[ns.MobilityModel]() for i in range(scenario.num_devices)
    ]
    for i, a in enumerate(models):
        for j, b in enumerate(models[:i]):
            shadowing.SetLoss(a, b, float(scenario.shadowing_db[i, j]), True)


def build(ns: Any, scenario: NetworkScenario) -> tuple[Any, list[Any], list[Any]]:
    """Build the mesh; return its nodes, their IP devices and the radio below each."""
    set_defaults(ns, scenario)
    nodes = ns.NodeContainer()
    nodes.Create(scenario.num_devices)
    place(ns, nodes, scenario)
    channel, shadowing = make_channel(ns, scenario)
    shadow(shadowing, nodes, ns, scenario)

    phy = ns.YansWifiPhyHelper()
    phy.SetChannel(channel)
    attributes = {
        "ChannelSettings": f"{{{scenario.channel_number}, 20, BAND_5GHZ, 0}}",
        "TxPowerStart": scenario.tx_power_dbm,
        "TxPowerEnd": scenario.tx_power_dbm,
        "RxNoiseFigure": scenario.noise_figure_db,
    }
    for name, value in attributes.items():
        phy.Set(name, ns.StringValue(str(value)))

    mesh = ns.MeshHelper.Default()
    mesh.SetStackInstaller("ns3::Dot11sStack")
    mesh.SetSpreadInterfaceChannels(ns.MeshHelper.ZERO_CHANNEL)
    mesh.SetMacType()
    mesh.SetRemoteStationManager(RATE_MANAGERS[scenario.rate_manager])
    mesh.SetStandard(ns.WIFI_STANDARD_80211ax)
    mesh.SetNumberOfInterfaces(1)
    devices = mesh.Install(phy, nodes)
    ns.cosim_native.UpgradeMeshToHe(devices, scenario.channel_number)
    mesh.AssignStreams(devices, 0)

    mesh_devices = [devices.Get(i) for i in range(scenario.num_devices)]
    radios = [ns.cosim_native.RadioOf(device) for device in mesh_devices]
    return nodes, mesh_devices, radios
