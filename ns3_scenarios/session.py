"""Owns ns-3: loads it, builds a scenario, runs rounds. The only module that imports cppyy.

One simulation per process (`Stop; Run` again and again, one `Destroy`): clock, peering, queues
and batteries carry over from round to round. Run it through `worker.Ns3Network`, which keeps it in
a child process.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ns3_scenarios import catalogue
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.errors import NetworkUnavailableError
from ns3_scenarios.reports import OUTCOMES, EnergyReport, FlowReport, LinkReport, RoundReport
from ns3_scenarios.scenario import RADIO_STATES, NetworkScenario
from ns3_scenarios.traffic import RoundTraffic

NS3_RELEASE = "3.44"
NATIVE = Path(__file__).parent / "native"
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
]


def check_installation() -> Path:
    """Return the folder of the ns3 wheel; raise NetworkUnavailableError where it does not fit."""
    remedy = f"install it with: pip install 'ns3=={NS3_RELEASE}.*'"
    try:
        distribution = metadata.distribution("ns3")
    except metadata.PackageNotFoundError:
        raise NetworkUnavailableError(
            f"ns-3: expected the Python package ns3 {NS3_RELEASE}, found none; {remedy}"
        ) from None
    folder = Path(str(distribution.locate_file("ns3")))
    if not (folder / "lib64" / f"libns{NS3_RELEASE}-core.so").exists():
        raise NetworkUnavailableError(
            f"ns-3: expected release {NS3_RELEASE}, got ns3 {distribution.version}; {remedy}"
        )
    if importlib.util.find_spec("cppyy") is None:
        raise NetworkUnavailableError(f"ns-3: expected the package cppyy, found none; {remedy}")
    return folder


def precompiled_header() -> Path:
    """Return where `precompile` puts the precompiled native part of this environment."""
    digest = hashlib.sha256()
    for header in sorted(NATIVE.glob("*.h")):
        digest.update(header.read_bytes())
    # Of no use to another version of the compiler or of the native part.
    version = f"{metadata.version('cppyy-cling')}-{digest.hexdigest()[:12]}"
    return Path(sys.prefix) / f"ns3-{NS3_RELEASE}-{version}.pch"


def load_ns3() -> Any:
    """Load ns-3 and the native part; return the C++ namespace ns3."""
    folder = check_installation()
    precompiled = precompiled_header()
    if precompiled.exists():
        os.environ.setdefault("CLING_STANDARD_PCH", str(precompiled))
    import cppyy
    import libcppyy

    libcppyy.AddSmartPtrType("Ptr")
    cppyy.add_library_path(str(folder / "lib64"))
    cppyy.add_include_path(str(folder / "include"))
    cppyy.add_include_path(str(NATIVE))
    for module in NS3_MODULES:
        cppyy.load_library(f"libns{NS3_RELEASE}-{module}.so")
    if os.environ.get("CLING_STANDARD_PCH") != str(precompiled):
        cppyy.include("network.h")
    ns = cppyy.gbl.ns3
    ns.cosim_native = cppyy.gbl.cosim_native
    return ns


def _matrix(values: Any, n: int) -> FloatArray:
    """Copy a C++ vector of n x n doubles."""
    return np.fromiter(values, dtype=np.float64, count=n * n).reshape(n, n)


class Session:
    """A network under way; `run_round` moves it on."""

    def __init__(self, scenario: NetworkScenario) -> None:
        self._scenario = scenario
        self._ns = ns = load_ns3()
        ns.RngSeedManager.SetSeed(scenario.rng_seed)
        ns.RngSeedManager.SetRun(scenario.rng_run)
        # Held for as long as the session: the C++ side keeps no reference to Python's objects.
        self._nodes, self._devices, self._radios = catalogue.builder(scenario.name)(ns, scenario)
        self._network = self._attach()
        self._boot()
        self._energy = self._read_energy_totals()

    def _attach(self) -> Any:
        """Give every device an address, a battery and an endpoint."""
        ns, scenario, n = self._ns, self._scenario, self._scenario.num_devices
        ns.InternetStackHelper().Install(self._nodes)
        container = ns.NetDeviceContainer()
        for device in self._devices:
            container.Add(device)
        helper = ns.Ipv4AddressHelper()
        helper.SetBase(ns.Ipv4Address("10.0.0.0"), ns.Ipv4Mask("255.255.0.0"))
        interfaces = helper.Assign(container)
        radio = scenario.radio
        slowest_bps, *_, fastest_bps = radio.rates_bps
        band = ns.cosim_native.Band(
            radio.bandwidth_hz, radio.noise_power_dbm, slowest_bps, fastest_bps
        )
        network = ns.cosim_native.Network(
            n,
            scenario.segment_bytes,
            float(scenario.max_window_segments),
            band,
        )
        state_power_w = scenario.currents.power_w(scenario.supply_voltage_v)
        for i in range(n):
            network.AddDevice(
                self._nodes.Get(i),
                self._devices[i],
                self._radios[i],
                interfaces.GetAddress(i),
                float(scenario.initial_energy_j[i]),
                float(scenario.battery_capacity_j[i]),
                float(scenario.harvest_power_w[i]),
                state_power_w,
                scenario.energy_audit,
            )
            for j in range(n):
                if i != j:
                    network.AddPermanentNeighbour(
                        self._nodes.Get(i), interfaces.GetAddress(j), self._devices[j].GetAddress()
                    )
        network.Finish()
        return network

    def _boot(self) -> None:
        """Switch the devices on and let each greet its neighbours."""
        boot_s = self._scenario.boot_s
        for device, neighbour in np.argwhere(self._scenario.neighbours):
            self._network.Greet(int(device), int(neighbour), boot_s)
        self._network.Boot(boot_s)
        self._now_s, self._event_count = self._read_clock()

    def _read_clock(self) -> tuple[float, int]:
        """Return the simulated time [s] and how many events ns-3 has worked off."""
        simulator = self._ns.Simulator
        return 1e-9 * float(simulator.Now().GetNanoSeconds()), int(simulator.GetEventCount())

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        """Carry one round's traffic through the simulation and report what became of it."""
        network = self._network
        start_s, events_before = self._now_s, self._event_count
        network.BeginRound(traffic.round_index)
        for device, (energy_j, duration_s) in enumerate(
            zip(traffic.compute_j, traffic.compute_s, strict=True)
        ):
            network.Compute(device, float(energy_j), float(duration_s))
        ready_s = traffic.compute_s[traffic.src]
        for src, dst, size, ready in zip(
            traffic.src, traffic.dst, traffic.payload_bytes, ready_s, strict=True
        ):
            network.AddMessage(int(src), int(dst), int(size), float(ready))
        network.Run(traffic.period_s, traffic.stop_when_settled)
        self._now_s, self._event_count = self._read_clock()
        return RoundReport(
            round_index=traffic.round_index,
            start_s=start_s,
            duration_s=self._now_s - start_s,
            flows=self._flows(traffic, start_s),
            links=self._links(),
            energy=self._energy_report(),
            stale_datagrams=np.array(
                [network.StaleDatagrams(i) for i in range(network.n)], dtype=np.int64
            ),
            num_events=self._event_count - events_before,
        )

    def audit_state_s(self, boundaries_s: list[float]) -> FloatArray:
        """Return seconds per state from the PHY's own State trace, (rounds, n, states) [s].

        Runs the simulation on for a second, so that the trace has told of every state in between;
        no round can follow.
        """
        self._network.Run(1.0, False)
        audit = self._network.audit
        states = [int(getattr(self._ns.WifiPhyState, name.upper())) for name in RADIO_STATES]
        boundaries_ns = [round(1e9 * boundary) for boundary in boundaries_s]
        return np.array(
            [
                [
                    [audit.SecondsBetween(i, state, start, end) for state in states]
                    for i in range(self._scenario.num_devices)
                ]
                for start, end in pairwise(boundaries_ns)
            ]
        )

    def close(self) -> None:
        """Destroy the simulation."""
        self._ns.Simulator.Destroy()

    def _flows(self, traffic: RoundTraffic, start_s: float) -> FlowReport:
        messages = self._network.ledger.messages
        table = np.array(
            [
                (
                    m.handedBytes,
                    m.deliveredBytes,
                    m.ackedBytes,
                    m.finishedNs,
                    m.retransmissions,
                    m.gaveUp,
                )
                for m in messages
            ],
            dtype=np.int64,
        ).reshape(len(traffic.src), 6)
        handed, delivered, acked, finished_ns, retransmissions, gave_up = table.T
        dead = np.array([battery.IsDead() for battery in self._network.batteries])
        ready_s = traffic.compute_s[traffic.src]
        whole = finished_ns >= 0
        finish_s = np.where(whole, 1e-9 * finished_ns - start_s, np.inf)
        outcome = np.select(
            [
                whole,
                (gave_up > 0) & (delivered > 0),
                gave_up > 0,
                dead[traffic.src] | dead[traffic.dst],
            ],
            [OUTCOMES.index(name) for name in ("delivered", "partial", "lost", "dead")],
            OUTCOMES.index("late"),
        )
        return FlowReport(
            outcome=outcome.astype(np.int64),
            handed_bytes=handed,
            unsent_bytes=traffic.payload_bytes - handed,
            delivered_bytes=delivered,
            acked_bytes=acked,
            ready_s=ready_s,
            finish_s=finish_s,
            delay_s=finish_s - ready_s,
            retransmissions=retransmissions,
        )

    def _links(self) -> LinkReport:
        links, n = self._network.links, self._scenario.num_devices
        sent, received = _matrix(links.sentFrames, n), _matrix(links.receivedFrames, n)
        samples = _matrix(links.snrSamples, n)
        is_peer = np.zeros((n, n), dtype=np.bool_)
        for i in range(n):
            is_peer[i, list(self._network.Peers(i))] = True
        with np.errstate(invalid="ignore", divide="ignore"):
            return LinkReport(
                rate_bps=_matrix(links.rateBpsSum, n) / sent,
                snr_db=_matrix(links.snrDbSum, n) / samples,
                loss_ratio=1 - received / sent,
                frames=sent.astype(np.int64),
                airtime_s=_matrix(links.airtimeS, n),
                received_bytes=_matrix(links.receivedBytes, n).astype(np.int64),
                is_peer=is_peer,
            )

    def _read_energy_totals(self) -> dict[str, FloatArray]:
        """Read what the batteries have added up since the start of the simulation."""
        batteries = list(self._network.batteries)
        died_ns = np.array([b.DiedAtNs() for b in batteries], dtype=np.float64)
        return {
            "state_s": 1e-9
            * np.array([[b.StateNs(s) for s in range(len(RADIO_STATES))] for b in batteries]),
            "compute_j": np.array([b.ComputeJ() for b in batteries]),
            "harvested_j": np.array([b.HarvestedJ() for b in batteries]),
            "overflow_j": np.array([b.OverflowJ() for b in batteries]),
            "remaining_energy_j": np.array([b.RemainingJ() for b in batteries]),
            "died_at_s": np.where(died_ns >= 0, 1e-9 * died_ns, np.nan),
        }

    def _energy_report(self) -> EnergyReport:
        before, now = self._energy, self._read_energy_totals()
        self._energy = now
        state_s = now["state_s"] - before["state_s"]
        power_w = np.array(self._scenario.currents.power_w(self._scenario.supply_voltage_v))
        return EnergyReport(
            state_s=state_s,
            state_j=state_s * power_w,
            compute_j=now["compute_j"] - before["compute_j"],
            harvested_j=now["harvested_j"] - before["harvested_j"],
            overflow_j=now["overflow_j"] - before["overflow_j"],
            start_energy_j=before["remaining_energy_j"],
            remaining_energy_j=now["remaining_energy_j"],
            died_at_s=now["died_at_s"],
        )
