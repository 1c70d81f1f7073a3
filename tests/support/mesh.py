"""Meshes and traffic for tests and studies of the network alone."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.description.channel import log_normal_shadowing_db
from ns3_scenarios.description.energy import Draws
from ns3_scenarios.description.harvest import Harvest
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic
from ns3_scenarios.worker import Ns3Network


def make_mesh(
    num_devices: int = 9,
    battery_j: Any = 1e6,
    seed: int = 1,
    shadowing_sigma_db: float = 4.0,
    **changes: Any,
) -> NetworkScenario:
    """The default mesh of the preset, with other batteries, seeds or fields.

    changes: fields of the scenario or of one of its parts.
    """
    flags = ["--network.num_devices", str(num_devices), "--seed", str(seed)]
    battery = np.broadcast_to(np.asarray(battery_j, dtype=float), num_devices).copy()
    scenario = replace(
        make_scenario(load(flags, None, None)), initial_energy_j=battery, battery_capacity_j=battery
    )
    shadowing_db = log_normal_shadowing_db(
        num_devices, shadowing_sigma_db, np.random.default_rng(seed)
    )
    return change(scenario, **({"shadowing_db": shadowing_db} | changes))


def change(scenario: NetworkScenario, **changes: Any) -> NetworkScenario:
    """Change fields of a scenario, or of one of its parts."""
    n, parts = scenario.num_devices, {}
    own = {f.name: changes[f.name] for f in fields(Draws) if f.name in changes}
    alike = {name: np.array(np.broadcast_to(v, n), dtype=float) for name, v in own.items()}
    parts["draws"] = replace(scenario.draws, **alike)
    changes.pop("board_idle_w", None)
    for name in ("radio", "channel", "mesh", "transport", "settings", "energy"):
        part = getattr(scenario, name)
        own = {key: changes.pop(key) for key in type(part).model_fields if key in changes}
        parts[name] = type(part)(**dict(part) | own)
    return replace(scenario, **parts, **changes)


def with_changing_harvest(scenario: NetworkScenario) -> NetworkScenario:
    """The same with harvest that changes within rounds and between them, and is none for a time."""
    times_s = np.array([0.0, 0.05, 1.3, 2.0, 3.7, 6.0])
    power_w = np.outer([0.3, 0.0, 2.0, 5.0, 0.0, 0.1], np.arange(scenario.num_devices) + 1.0)
    trace = Harvest(times_s, power_w)
    return replace(scenario, harvest_power_w=power_w[0], harvest_trace=trace)


def make_traffic(
    scenario: NetworkScenario,
    round_index: int,
    pairs: Any = None,
    payload_bytes: int = 80_000,
    period_s: float = 3.0,
    compute_s: float = 0.2,
    compute_j: float = 0.5,
    oracle: bool = False,
) -> RoundTraffic:
    """One message per pair (by default, of neighbours); every device computes alike."""
    src, dst = np.nonzero(scenario.neighbours) if pairs is None else pairs
    n = scenario.num_devices
    return RoundTraffic(
        round_index=round_index,
        src=np.asarray(src),
        dst=np.asarray(dst),
        part=np.zeros_like(src),
        payload_bytes=np.full(len(src), payload_bytes),
        compute_s=np.full(n, compute_s),
        compute_j=np.full(n, compute_j),
        period_s=period_s,
        stop_when_settled=oracle,
    )


def play(scenario: NetworkScenario, folder: Path, rounds: list[RoundTraffic]) -> list[RoundReport]:
    """The reports of rounds in a network of its own."""
    network = Ns3Network(scenario, folder / "ns3.log")
    try:
        return [network.run_round(each) for each in rounds]
    finally:
        network.close()


def run_mesh(
    scenario: NetworkScenario, folder: Path, rounds: int, **traffic: Any
) -> list[RoundReport]:
    """Run rounds of equal traffic in a child process of their own."""
    return play(scenario, folder, [make_traffic(scenario, i, **traffic) for i in range(rounds)])


def traffic_of_three(messages: list[tuple[int, int, int]], **changes: Any) -> RoundTraffic:
    """Messages (src, dst, bytes) in a round of 4 s, of which all compute one at 2 W."""
    src, dst, size = np.array(messages, dtype=np.int64).reshape(-1, 3).T
    fields: dict[str, Any] = {
        "round_index": 0,
        "src": src,
        "dst": dst,
        "part": np.zeros_like(src),
        "payload_bytes": size,
        "compute_s": np.full(3, 1.0),
        "compute_j": np.full(3, 2.0),
        "period_s": 4.0,
        "stop_when_settled": False,
    }
    return RoundTraffic(**(fields | changes))
