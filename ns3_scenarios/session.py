"""Owns ns-3: loads it, builds a scenario, runs rounds. The only module that imports cppyy.

One simulation per process (`Stop; Run` again and again, one `Destroy`): clock, peering, queues
and batteries carry over from round to round. Run it through `worker.Ns3Network`, which keeps it in
a child process.
"""

from __future__ import annotations

import ctypes
import faulthandler
import math
import signal
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ns3_scenarios import catalogue
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.build import interferers
from ns3_scenarios.description.energy import RADIO_PROFILES, RADIO_STATES
from ns3_scenarios.description.mobility import contact_s
from ns3_scenarios.description.radio import ACCESS_CATEGORIES
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import NetworkUnavailableError
from ns3_scenarios.installation import (
    NATIVE,
    NS3_RELEASE,
    REPLACED_SUFFIX,
    check_installation,
    clean_environment,
    is_built,
    native_build,
)
from ns3_scenarios.readings import BatteryTotals, array, read_causes, read_flows, read_links
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic, Transmit

TX = RADIO_STATES.index("tx")
# In the order of their dependencies; only what the scenarios use, since each costs start-up time.
NS3_MODULES = [
    "core",
    "network",
    "mobility",
    "propagation",
    "stats",
    "antenna",
    "spectrum",
    "energy",
    "bridge",
    "traffic-control",
    "internet",
    "csma",
    "wifi",
    "applications",
    "mesh",
    "olsr",
    "aodv",
    "flow-monitor",
    "netanim",
    "config-store",
]


def load_ns3(headers: Sequence[str] = (), is_replaced: bool = False) -> Any:
    """Load ns-3, more of its headers, and the native part; return the C++ namespace ns3.

    Without the files that `precompile` makes, cppyy compiles the native part now. is_replaced: the
    functions of native/replaced take the place of ns-3's own, where they are compiled.
    """
    folder = check_installation()
    header, library = native_build(".pch"), native_build(".so")
    has_header, has_library = is_built(header), is_built(library)
    clean_environment(header if has_header else None)
    if is_replaced and is_built(replaced := native_build(REPLACED_SUFFIX)):
        _load_first(replaced)
    import cppyy
    import libcppyy

    libcppyy.AddSmartPtrType("Ptr")
    cppyy.add_include_path(str(folder / "include"))
    cppyy.add_include_path(str(NATIVE))
    for module in NS3_MODULES:  # by its whole path, whatever LD_LIBRARY_PATH has of that name
        cppyy.load_library(str(folder / "lib64" / f"libns{NS3_RELEASE}-{module}.so"))
    if not has_header:
        cppyy.include("api.h")
    if has_library:
        cppyy.load_library(str(library))
    else:
        for source in sorted(NATIVE.glob("*.cpp")):
            cppyy.include(source.name)
    for name in headers:
        cppyy.include(name)
    _die_of_crashes()
    ns = cppyy.gbl.ns3
    ns.cosim_native = cppyy.gbl.cosim_native
    return ns


def _load_first(library: Path) -> None:
    """Load a library before ns-3, which then calls its functions in place of its own."""
    try:
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise NetworkUnavailableError(
            f"ns-3: expected {library} to load, got {error}; build it again with:"
            " python -m ns3_scenarios.precompile"
        ) from None


def _die_of_crashes() -> None:
    """Take back cppyy's handlers, which run a debugger for half a minute before the process ends.

    What ns-3 and C++ say of an abort is written before the signal comes; Python adds the line that
    called, which a scenario of the user's own needs to find a fault in it.
    """
    for name in ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    faulthandler.enable(all_threads=False)


class Session:
    """A network under way; `run_round` moves it on."""

    def __init__(self, scenario: NetworkScenario, folder: Path) -> None:
        """Build the network; folder is for the files that it records."""
        self._scenario = scenario
        headers = catalogue.headers(scenario.name)
        self._ns = ns = load_ns3(headers, is_replaced=scenario.channel.is_lean)
        ns.RngSeedManager.SetSeed(scenario.rng_seed)
        ns.RngSeedManager.SetRun(scenario.rng_run)
        # Held for as long as the session: the C++ side keeps no reference to Python's objects.
        self._built = catalogue.builder(scenario.name)(ns, scenario)
        self._network = self._attach(*self._built)
        if len(scenario.interference.position_m):
            self._interferers = interferers.add(ns, scenario, self._built[1][0])
        self._recordings = self._record(self._built[1], folder)
        self._boot()
        self._transmit: Transmit | None = None
        self._batteries = self._read_batteries()

    def _attach(self, devices: list[Any], radios: list[Any]) -> Any:
        """Give every device an address, a battery and an endpoint."""
        native, scenario = self._ns.cosim_native, self._scenario
        radio = scenario.radio
        network = native.Network(
            scenario.num_devices,
            native.Transport(
                scenario.transport.transport,
                scenario.transport.segment_bytes,
                float(scenario.transport.max_window_segments),
                scenario.transport.peers_at_once,
                scenario.transport.pacing_bps,
                ACCESS_CATEGORIES[radio.access_category],
            ),
            native.Band(
                *(radio.bandwidth_hz, radio.noise_power_dbm),
                *(radio.slowest_bps, max(radio.rates_bps)),
            ),
        )
        if scenario.mesh.mesh_metric == "rate_and_loss":
            network.CountLossesInMetric()
        draws = scenario.draws
        for i, (device, below) in enumerate(zip(devices, radios, strict=False)):
            supply = native.Supply(
                float(scenario.initial_energy_j[i]),
                float(scenario.battery_capacity_j[i]),
                float(draws.board_idle_w[i]),
                native.Reals(" ".join(RADIO_STATES), [float(w) for w in draws.state_power_w[i]]),
                math.inf if scenario.energy.revival_j is None else scenario.energy.revival_j,
                *scenario.harvest.changes_of(i),
            )
            network.AddDevice(device, below, supply, scenario.energy_audit)
        for relay in radios[scenario.num_devices :]:
            network.AddRelay(relay)
        network.Finish(scenario.settings.routing)
        for own in np.flatnonzero(draws.tx_power_dbm != radio.tx_power_dbm):
            self._send_with(network, own, draws.tx_power_dbm[own], draws.state_power_w[own, TX])
        if scenario.energy.radio_sleep:
            network.SleepWhileComputing()
        return network

    def _record(self, radios: list[Any], folder: Path) -> Any:
        """Start the recordings that the scenario asks for, and tell the attributes in use."""
        wanted = self._scenario.recordings
        if wanted.pcap:
            (folder / "pcap").mkdir(exist_ok=True)
        native = self._ns.cosim_native
        options = native.RecordingOptions(
            str(folder), wanted.pcap, wanted.flow_monitor, wanted.netanim
        )
        recordings = native.Recordings(options, radios)
        recordings.WriteAttributes()
        return recordings

    def _boot(self) -> None:
        """Switch the devices on and let each greet its neighbours."""
        boot_s = self._scenario.settings.boot_s
        for device, neighbour in np.argwhere(self._scenario.neighbours):
            self._network.Greet(int(device), int(neighbour), boot_s)
        self._network.Boot(boot_s)
        if self._scenario.mobility.moves:
            self._network.TrackContacts(self._scenario.settings.neighbour_distance_m)
        self._now_s, self._event_count = self._read_clock()

    def _read_clock(self) -> tuple[float, int]:
        """Return the simulated time [s] and how many events ns-3 has worked off."""
        return float(self._network.NowS()), int(self._network.NumEvents())

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        """Carry one round's traffic through the simulation and report what became of it."""
        network = self._network
        start_s, events_before = self._now_s, self._event_count
        self._set_transmit(traffic)
        network.BeginRound(traffic.round_index, traffic.period_s)
        for sleeper in np.flatnonzero(traffic.asleep if traffic.asleep is not None else []):
            network.Sleep(int(sleeper), traffic.period_s)
        for device, (energy_j, duration_s) in enumerate(
            zip(traffic.compute_j, traffic.compute_s, strict=True)
        ):
            network.Compute(device, float(energy_j), float(duration_s))
        ready_s = traffic.compute_s[traffic.src]
        for src, dst, part, size, ready in zip(
            traffic.src, traffic.dst, traffic.part, traffic.payload_bytes, ready_s, strict=True
        ):
            network.AddMessage(int(src), int(dst), int(part), int(size), float(ready))
        network.Run(traffic.period_s, traffic.stop_when_settled)
        self._now_s, self._event_count = self._read_clock()
        before, self._batteries = self._batteries, self._read_batteries()
        power_w = traffic.state_power_w(self._scenario.draws.state_power_w)
        energy = self._batteries.since(before, power_w)
        n, is_answered = len(traffic.compute_s), self._scenario.transport.kind.is_answered
        dead = energy.dead_since(start_s)
        duration_s = self._now_s - start_s
        return RoundReport(
            round_index=traffic.round_index,
            start_s=start_s,
            duration_s=duration_s,
            energy=energy,
            causes=read_causes(
                network.MessageCauses(),
                network.DeviceCauses(),
                network.Relayed(),
                energy,
                self._scenario,
                traffic,
            ),
            flows=read_flows(network.Messages(), traffic, start_s, dead, is_answered),
            chunk_bytes=self._scenario.transport.segment_bytes,
            chunk_arrived=array(network.Chunks(), np.int64, -1) > 0,
            links=read_links(
                network.Links(),
                self.link_snr_db(),
                array(network.NextHops(), np.int64, n, n),
                self._contact_s(duration_s),
            ),
            stale_datagrams=array(network.StaleDatagrams(), np.int64, -1),
            position_m=array(network.Positions(), np.float64, -1, 3),
            num_events=self._event_count - events_before,
        )

    def _set_transmit(self, traffic: RoundTraffic) -> None:
        """Let radios send with the powers of a round, until others are given."""
        draws = self._scenario.draws
        usual = Transmit(draws.tx_power_dbm, draws.state_power_w[:, TX])
        now, before = traffic.transmit or usual, self._transmit or usual
        changed = (now.power_dbm != before.power_dbm) | (now.draw_w != before.draw_w)
        for device in np.flatnonzero(changed):
            self._send_with(self._network, device, now.power_dbm[device], now.draw_w[device])
        self._transmit = now

    @staticmethod
    def _send_with(network: Any, device: Any, power_dbm: float, draw_w: float) -> None:
        network.SetTransmitPower(int(device), float(power_dbm), float(draw_w))

    def audit_state_s(self, boundaries_s: list[float]) -> FloatArray:
        """Return seconds per state from the PHY's own State trace, (rounds, n, states) [s].

        Runs the simulation on for a second, so that the trace has told of every state in between;
        no round can follow.
        """
        self._network.Run(1.0, False)
        states = [int(getattr(self._ns.WifiPhyState, name.upper())) for name in RADIO_STATES]
        boundaries_ns = [round(1e9 * boundary) for boundary in boundaries_s]
        return np.array(
            [
                [
                    [self._network.TracedSeconds(i, state, start, end) for state in states]
                    for i in range(self._scenario.num_devices)
                ]
                for start, end in pairwise(boundaries_ns)
            ]
        )

    def reference_meter(self) -> Any:
        """Return ns-3's own energy model on every device's radio (native/validation.h)."""
        meter = self._ns.cosim_native.ReferenceMeter()
        for radio in self._built[1][: self._scenario.num_devices]:
            meter.AddDevice(radio, RADIO_PROFILES["ns3"].supply_voltage_v)
        return meter

    def close(self) -> None:
        """Destroy the simulation."""
        self._recordings.Close()
        self._ns.Simulator.Destroy()

    def link_snr_db(self) -> FloatArray:
        """See LinkReport.snr_db: received power, with all gains, less noise, (n, n) [dB]."""
        n, radio = self._scenario.num_devices, self._scenario.radio
        power_dbm: FloatArray = array(self._network.LinkPowersDbm(), np.float64, n, n)
        if self._scenario.channel.phy == "spectrum":  # whose losses are taken of 0 dBm
            usual_dbm = self._scenario.draws.tx_power_dbm
            sent_dbm = self._transmit.power_dbm if self._transmit else usual_dbm
            power_dbm += sent_dbm[:, np.newaxis] + radio.antenna_gain_dbi
        return power_dbm + radio.antenna_gain_dbi - radio.noise_power_dbm

    def _contact_s(self, duration_s: float) -> Any:
        """Return how long each pair was in contact in the round, (n, n) [s]."""
        scenario, n = self._scenario, self._scenario.num_devices
        if scenario.mobility.moves:
            return array(self._network.Contacts(), np.float64, n, n)
        return contact_s(scenario.position_m, scenario.settings.neighbour_distance_m, duration_s)

    def _read_batteries(self) -> BatteryTotals:
        return BatteryTotals.read(self._network.Batteries(), self._scenario.num_devices)
