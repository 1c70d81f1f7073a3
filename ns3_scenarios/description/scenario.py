"""The plain description of a network that a session builds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from pydantic import Field

from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.description.channel import Channel
from ns3_scenarios.description.energy import RADIO_STATES, Draws, EnergySettings
from ns3_scenarios.description.fields import Settings, choice, quantity
from ns3_scenarios.description.harvest import Harvest, constant
from ns3_scenarios.description.interference import Interference
from ns3_scenarios.description.link_trace import LinkTrace
from ns3_scenarios.description.mobility import Mobility
from ns3_scenarios.description.network_kind import RUNS_NS3, WITH_PACKETS
from ns3_scenarios.description.radio import Radio
from ns3_scenarios.description.transport import Transport
from ns3_scenarios.errors import ScenarioError


class MeshSettings(Settings):
    """802.11s: when a peer link closes, and how HWMP finds its paths."""

    mesh_max_packet_failure: int = quantity(
        1000,
        "Frames in a row that fail before a mesh peer link closes",
        "",
        1,
        65535,
        when={"kind": WITH_PACKETS, "scenario": ["mesh80211"]},
    )
    mesh_max_beacon_loss: int = quantity(
        4,
        "Beacons (0.5 s) missed before a mesh peer link closes",
        "",
        1,
        65535,
        when={"kind": WITH_PACKETS, "scenario": ["mesh80211"]},
    )
    mesh_path_lifetime_s: float = quantity(
        1000.0,
        "Lifetime of a reactive HWMP path",
        "s",
        0.1,
        3600.0,
        when={"kind": WITH_PACKETS, "scenario": ["mesh80211"]},
    )
    mesh_metric: Literal["rate", "rate_and_loss"] = choice(
        "rate",
        "Airtime metric of HWMP: by the rate that the received power allows, or also by"
        " the share of frames that the sender has seen lost",
        when={"kind": WITH_PACKETS, "scenario": ["mesh80211"]},
    )
    mesh_root: int = quantity(
        -1,
        "Device that is the root of proactive HWMP paths; -1: reactive paths only",
        "",
        -1,
        99,
        when={"kind": WITH_PACKETS, "scenario": ["mesh80211"]},
    )


class RecordingSettings(Settings):
    """Files of ns-3's own kinds that a run writes."""

    pcap: bool = choice(
        False,
        "Write what each radio sends and hears (folder pcap)",
        when={"kind": RUNS_NS3},
    )
    flow_monitor: bool = choice(
        False,
        "Write ns-3's flow statistics (XML)",
        when={"kind": RUNS_NS3},
    )
    netanim: bool = choice(
        False,
        "Write an animation for NetAnim (XML)",
        when={"kind": RUNS_NS3},
    )


class ScenarioSettings(Settings):
    """What belongs to the network as a whole."""

    routing: Literal["direct", "olsr", "aodv"] = choice(
        "direct",
        "Ad hoc and d2d: direct neighbours only, or forwarding by olsr (which needs"
        " boot_s of 15 or so to find its routes) or aodv",
        when={"kind": WITH_PACKETS},
    )
    ap_height_m: float = quantity(
        3.0,
        "Height of the access point",
        "m",
        0.0,
        200.0,
        when={"scenario": ["infrastructure"]},
    )
    ap_is_device: bool = Field(
        False,
        description="Infrastructure: device 0 is the access point itself, in the middle of the"
        " others (or where placement file has it), with a battery like any other"
        " (energy.device_file); the server of a star is then one hop away",
    )
    boot_s: float = quantity(
        3.0,
        "Time before the first round, without charge to the batteries, in which devices find"
        " their peers and the paths to their neighbours",
        "s",
        1.0,
        3600.0,
        when={"kind": WITH_PACKETS},
    )
    neighbour_distance_m: float = quantity(
        35.0,
        "Devices up to this far apart exchange what they learn (where devices move: all do, and"
        " this is the distance of a contact)",
        "m",
        1.0,
        1e6,
    )
    ns3_defaults: dict[str, str] = choice(
        {},
        "Any other attribute of ns-3, as in Config::SetDefault: a table of the TOML"
        " file, or NAME=VALUE pairs",
        when={"kind": WITH_PACKETS},
    )


@dataclass(frozen=True)
class NetworkScenario:
    """A network of n devices, in SI units.

    position_m (n, 3): at the start of the simulation; neighbours (n, n): row greets column before
    the first round, so that paths stand. initial_energy_j (at the start of the first round),
    battery_capacity_j (n); harvest_power_w (n): at the start, and always but with a harvest_trace,
    whose first row it is. link_trace: of kind trace. station_mcs (n): of rate_manager per_station,
    index of the rate of each device's frames to the access point and of those to it, where they are
    given (that of an access point is not used). Raises ScenarioError where a field does not
    fit the others.
    """

    name: str
    position_m: FloatArray
    mobility: Mobility
    radio: Radio
    channel: Channel
    mesh: MeshSettings
    transport: Transport
    neighbours: BoolArray
    initial_energy_j: FloatArray
    battery_capacity_j: FloatArray
    harvest_power_w: FloatArray
    draws: Draws
    rng_seed: int
    rng_run: int
    settings: ScenarioSettings
    energy: EnergySettings
    interference: Interference
    recordings: RecordingSettings
    link_trace: LinkTrace | None = None
    harvest_trace: Harvest | None = None
    station_mcs: IntArray | None = None
    energy_audit: bool = False

    @property
    def num_devices(self) -> int:
        """Number of devices n."""
        return len(self.position_m)

    @property
    def harvest(self) -> Harvest:
        """Harvested power over time."""
        return self.harvest_trace or constant(self.harvest_power_w)

    def __post_init__(self) -> None:
        """Check shapes and signs once, where the scenario is made."""
        n = self.num_devices
        if n < 2:
            raise ScenarioError(f"position_m: expected at least 2 devices, got {n}; add devices")
        shapes = {
            "position_m": (n, 3),
            "neighbours": (n, n),
            "initial_energy_j": (n,),
            "battery_capacity_j": (n,),
            "harvest_power_w": (n,),
        }
        shapes |= dict.fromkeys((f.name for f in fields(Draws)), (n,))
        shapes["state_power_w"] = (n, len(RADIO_STATES))
        shaped = vars(self) | vars(self.draws)
        for name, shape in shapes.items():
            value = shaped[name]
            if value.shape != shape or not np.all(np.isfinite(value)):
                raise ScenarioError(
                    f"{name}: expected finite values of shape {shape}, got shape {value.shape};"
                    " one value per device (pair)"
                )
        if self.channel.shadowing_db.shape != (n, n):
            raise ScenarioError(
                f"shadowing_db: expected shape {(n, n)}, got {self.channel.shadowing_db.shape};"
                " one value per device pair"
            )
        if self.station_mcs is not None and self.station_mcs.shape != (n,):
            raise ScenarioError(
                f"station_mcs: expected shape {(n,)}, got {self.station_mcs.shape}; one a device"
            )
        if not np.array_equal(self.harvest.power_w[0], self.harvest_power_w):
            raise ScenarioError("harvest_power_w: expected the first row of harvest_trace")
        for name in ("initial_energy_j", "battery_capacity_j", "harvest_power_w"):
            if np.any(getattr(self, name) < 0):
                raise ScenarioError(f"{name}: expected at least 0, got {getattr(self, name).min()}")
        if np.any(self.initial_energy_j > self.battery_capacity_j):
            raise ScenarioError("initial_energy_j: expected at most battery_capacity_j")
        least_j, revival_j = float(self.battery_capacity_j.min()), self.energy.revival_j
        if revival_j is not None and revival_j > least_j:
            raise ScenarioError(
                f"energy.revival_j: expected more than 0 and at most the smallest battery"
                f" ({least_j:g} J), got {revival_j:g}; lower it or use larger batteries"
            )
        self.mobility.check(self.position_m)
        self.transport.check(self.radio)
