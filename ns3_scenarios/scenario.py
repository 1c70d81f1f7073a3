"""The plain description of a network that a session builds."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.channel import Channel
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.mobility import Mobility
from ns3_scenarios.radio import Radio
from ns3_scenarios.transport import Transport

RADIO_STATES = ("tx", "rx", "idle", "cca_busy", "switching", "sleep", "off")


@dataclass(frozen=True)
class RadioCurrents:
    """Supply current of the radio in each state [A]; off draws nothing.

    Source of the defaults: ns-3 WifiRadioEnergyModel.
    """

    tx_a: float = 0.380
    rx_a: float = 0.313
    idle_a: float = 0.273
    cca_busy_a: float = 0.273
    switching_a: float = 0.273
    sleep_a: float = 0.033

    def with_linear_tx(
        self, tx_power_dbm: float, supply_voltage_v: float, efficiency: float
    ) -> RadioCurrents:
        """Let the transmit current follow the transmit power: I = P / (V eta) + I_idle.

        Source: LinearWifiTxCurrentModel of ns-3 (eta 0.1 by default).
        """
        tx_power_w = 1e-3 * 10 ** (0.1 * tx_power_dbm)
        return replace(self, tx_a=tx_power_w / (supply_voltage_v * efficiency) + self.idle_a)

    def power_w(self, supply_voltage_v: float) -> list[float]:
        """Return power per state in the order of RADIO_STATES [W]: P = I V."""
        currents = [getattr(self, field.name) for field in fields(self)]
        return [supply_voltage_v * current for current in [*currents, 0.0]]


@dataclass(frozen=True)
class RadioProfile:
    """What a radio draws, and where that is from.

    tx_efficiency: where a source has several powers, I_tx = tx_overhead_a + P / (V tx_efficiency)
    in place of currents.tx_a; 0: it has one, and the current does not follow the power.
    """

    currents: RadioCurrents
    supply_voltage_v: float
    source: str
    tx_overhead_a: float = 0.0
    tx_efficiency: float = 0.0

    def currents_at(self, tx_power_dbm: float) -> RadioCurrents:
        """Return the currents of a radio that transmits at this power."""
        if self.tx_efficiency == 0:
            return self.currents
        tx_power_w = 1e-3 * 10 ** (0.1 * tx_power_dbm)
        tx_a = self.tx_overhead_a + tx_power_w / (self.supply_voltage_v * self.tx_efficiency)
        return replace(self.currents, tx_a=tx_a)


RADIO_PROFILES = {
    "ns3": RadioProfile(
        RadioCurrents(), 3.0, "ns-3 WifiRadioEnergyModel: a laptop's 802.11n card at one antenna"
    ),
    # Transmitting is the line through the peaks at 20 MHz: 200 mA at 13 dBm (802.11n), 220 mA at 15
    # (g), 310 mA at 19.5 (b), to 2 mA (averages are over a duty cycle of one half); a receiver that
    # listens draws what it draws when it receives.
    "esp32_s2": RadioProfile(
        RadioCurrents(
            tx_a=0.200,
            rx_a=0.063,
            idle_a=0.063,
            cca_busy_a=0.063,
            switching_a=0.063,
            sleep_a=0.00055,
        ),
        3.3,
        "Espressif ESP32-S2-WROOM data sheet v1.1, tables 7 and 8; transmitting, 169 mA plus"
        " transmit power / (3.3 V x 0.19)",
        tx_overhead_a=0.169,
        tx_efficiency=0.19,
    ),
}


# Airtime of a frame at a link's rate, alone or times the attempts that measured losses imply.
MESH_METRICS = ("rate", "rate_and_loss")


@dataclass(frozen=True)
class MeshSettings:
    """802.11s: when a peer link closes, lifetime of a reactive HWMP path, metric, proactive root.

    metric: one of MESH_METRICS. root: device that announces itself as root of a tree of paths, -1
    for none.
    """

    max_packet_failure: int
    max_beacon_loss: int
    path_lifetime_s: float
    metric: str
    root: int


@dataclass(frozen=True)
class Recordings:
    """Files of ns-3's own kinds that a run writes."""

    pcap: bool = False
    flow_monitor: bool = False
    netanim: bool = False


@dataclass(frozen=True)
class Interference:
    """Senders that take no part, each with a receiver; see interference.py.

    position_m (pairs, 2, 3): sender and receiver. rate_bps while it sends; on_s, off_s: means of
    exponential distributions, off_s 0 for no pause.
    """

    kind: str
    position_m: FloatArray
    rate_bps: float
    on_s: float
    off_s: float


@dataclass(frozen=True)
class NetworkScenario:
    """A network of n devices, in SI units.

    position_m (n, 3): at the start of the simulation; boot_s: how long devices are on before the
    first round; neighbours (n, n): row greets column then, so that paths stand.
    contact_distance_m: devices this close are in contact, for the tables only. initial_energy_j
    (at the start of the first round), battery_capacity_j, harvest_power_w (n).
    routing: direct, or the routing protocol of an ad hoc network. ap_height_m: of the access point,
    where there is one; ap_is_device: it is device 0. radio_sleep: a radio sleeps while its device
    computes. board_idle_w: what a living device draws besides radio and computing [W]. revival_j:
    battery at which a device that ran empty comes back, some time after; inf for never.
    ns3_defaults: attributes of ns-3 by their names below ns3::, on top of what the scenario sets.
    Raises ScenarioError where a field does not fit the others.
    """

    name: str
    position_m: FloatArray
    mobility: Mobility
    radio: Radio
    channel: Channel
    mesh: MeshSettings
    transport: Transport
    boot_s: float
    neighbours: BoolArray
    contact_distance_m: float
    initial_energy_j: FloatArray
    battery_capacity_j: FloatArray
    harvest_power_w: FloatArray
    supply_voltage_v: float
    currents: RadioCurrents
    rng_seed: int
    rng_run: int
    routing: str
    ap_height_m: float
    ap_is_device: bool
    ns3_defaults: dict[str, str]
    interference: Interference
    radio_sleep: bool = False
    board_idle_w: float = 0.0
    revival_j: float = np.inf
    recordings: Recordings = Recordings()
    energy_audit: bool = False

    @property
    def num_devices(self) -> int:
        """Number of devices n."""
        return len(self.position_m)

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
        for name, shape in shapes.items():
            value = getattr(self, name)
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
        for name in ("initial_energy_j", "battery_capacity_j", "harvest_power_w"):
            if np.any(getattr(self, name) < 0):
                raise ScenarioError(f"{name}: expected at least 0, got {getattr(self, name).min()}")
        if not 0 <= self.board_idle_w < np.inf:
            raise ScenarioError(f"board_idle_w: expected at least 0, got {self.board_idle_w}")
        if np.any(self.initial_energy_j > self.battery_capacity_j):
            raise ScenarioError("initial_energy_j: expected at most battery_capacity_j")
        least_j = float(self.battery_capacity_j.min())
        if np.isfinite(self.revival_j) and not 0 < self.revival_j <= least_j:
            raise ScenarioError(
                f"energy.revival_j: expected more than 0 and at most the smallest battery"
                f" ({least_j:g} J), got {self.revival_j:g}; lower it or use larger batteries"
            )
        self.mobility.check(self.position_m)
        self.transport.check(self.radio)
