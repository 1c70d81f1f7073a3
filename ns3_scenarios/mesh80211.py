"""An 802.11s mesh: every device forwards for the others, HWMP finds the paths.

      o --- o --- o     n devices, by default a 3 x 3 grid with 30 m spacing
      |     |     |     any 802.11 OFDM standard, one radio each, no access point
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
- Interfaces made as any other radio and put below the mesh: MeshHelper in ns-3.44 leaves devices
  with legacy OFDM and retunes them to channel 100.
Left out: several radios per device, MCCA, power save (ns-3 has neither for 802.11s).
"""

from typing import Any

from ns3_scenarios.build import attributes, losses, wifi
from ns3_scenarios.build import nodes as placed
from ns3_scenarios.description.radio import RATE_MANAGERS
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.scenario_kind import ScenarioKind

ADDBA_TIMEOUT = "100ms"


def check(scenario: NetworkScenario) -> None:
    """Refuse what ns-3's 802.11s cannot do."""
    if scenario.radio.band_ghz == 2.4:
        raise ScenarioError(
            "network.band_ghz: expected 5 or 6 with scenario mesh80211, got 2.4 (the peering of"
            " ns-3.44's 802.11s never succeeds there); use another band or scenario adhoc80211"
        )
    if scenario.radio.access_category != "BE":
        raise ScenarioError(
            "network.access_category: expected BE with scenario mesh80211, got"
            f" {scenario.radio.access_category} (the mesh device of ns-3.44 drops the priority);"
            " use scenario adhoc80211, d2d or infrastructure"
        )
    if scenario.radio.max_amsdu_bytes:
        raise ScenarioError(
            "network.max_amsdu_bytes: expected 0 with scenario mesh80211, got"
            f" {scenario.radio.max_amsdu_bytes} (the mesh of ns-3.44 loses nearly every A-MSDU);"
            " use max_ampdu_bytes"
        )
    if len(scenario.interference.position_m) and scenario.interference.interference == "bss":
        raise ScenarioError(
            "network.interference: expected flows with scenario mesh80211, got bss (its stations"
            " hear the mesh's beacons, on which ns-3.44 aborts)"
        )
    if scenario.mesh.mesh_root >= scenario.num_devices:
        raise ScenarioError(
            f"network.mesh_root: expected -1 to {scenario.num_devices - 1}, got"
            f" {scenario.mesh.mesh_root}"
        )


def defaults(scenario: NetworkScenario) -> dict[str, Any]:
    """Return the ns-3 attributes that the mesh's objects are made with."""
    mesh = scenario.mesh
    return {
        "dot11s::PeerLink::MaxPacketFailure": mesh.mesh_max_packet_failure,
        "dot11s::PeerLink::MaxBeaconLoss": mesh.mesh_max_beacon_loss,
        "dot11s::PeerManagementProtocol::MaxNumberOfPeerLinks": min(
            max(32, scenario.num_devices), 255
        ),
        "dot11s::HwmpProtocol::Dot11MeshHWMPactivePathTimeout": f"{mesh.mesh_path_lifetime_s}s",
        "QosTxop::AddBaResponseTimeout": ADDBA_TIMEOUT,
    }


def build(ns: Any, scenario: NetworkScenario) -> tuple[list[Any], list[Any]]:
    """Build the mesh; return its IP devices and the radio below each."""
    attributes.set_defaults(ns, scenario, defaults(scenario))
    nodes = placed.make_nodes(ns, scenario)
    phy = losses.make_phy(ns, scenario, nodes)
    wifi.configure(ns, scenario.radio, phy)
    radios = ns.cosim_native.MeshRadios(
        phy,
        nodes,
        wifi.standard(ns, scenario.radio),
        RATE_MANAGERS[scenario.radio.rate_manager],
    )
    devices = ns.cosim_native.MeshOver(radios, scenario.mesh.mesh_root)
    ns.MeshHelper().AssignStreams(devices, 0)
    indices = range(scenario.num_devices)
    return [devices.Get(i) for i in indices], [radios.Get(i) for i in indices]


SCENARIO = ScenarioKind(build, forwards=True, check=check)
