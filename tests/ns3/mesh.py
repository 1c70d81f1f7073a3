"""Meshes and traffic for tests and studies of the network alone."""

from pathlib import Path
from typing import Any

import numpy as np

from ns3_scenarios.reports import RoundReport
from ns3_scenarios.scenario import (
    NetworkScenario,
    RadioCurrents,
    grid_positions_m,
    log_normal_shadowing_db,
)
from ns3_scenarios.traffic import RoundTraffic
from ns3_scenarios.worker import Ns3Network


def make_mesh(
    num_devices: int = 9,
    battery_j: Any = 1e6,
    seed: int = 1,
    shadowing_sigma_db: float = 4.0,
    **changes: Any,
) -> NetworkScenario:
    """The default mesh of the preset, with other batteries, seeds or fields."""
    battery = np.broadcast_to(np.asarray(battery_j, dtype=float), num_devices).copy()
    fields: dict[str, Any] = {
        "name": "mesh80211",
        "position_m": grid_positions_m(num_devices, 30.0),
        "channel_number": 36,
        "tx_power_dbm": 16.0,
        "path_loss_exponent": 3.0,
        "reference_loss_db": 46.7,
        "shadowing_db": log_normal_shadowing_db(
            num_devices, shadowing_sigma_db, np.random.default_rng(seed)
        ),
        "noise_figure_db": 7.0,
        "preamble_detection_dbm": -82.0,
        "rate_manager": "ideal",
        "rts_threshold_bytes": 500,
        "segment_bytes": 1400,
        "max_window_segments": 32,
        "mesh_max_packet_failure": 1000,
        "mesh_max_beacon_loss": 4,
        "mesh_path_lifetime_s": 1000.0,
        "initial_energy_j": battery,
        "battery_capacity_j": battery,
        "harvest_power_w": np.zeros(num_devices),
        "supply_voltage_v": 3.0,
        "currents": RadioCurrents(),
        "rng_seed": 1,
        "rng_run": seed,
    }
    return NetworkScenario(**(fields | changes))


def neighbour_pairs(scenario: NetworkScenario, distance_m: float = 35.0) -> Any:
    """Ordered pairs of devices up to a distance apart: (src, dst)."""
    apart = np.linalg.norm(scenario.position_m[:, None] - scenario.position_m, axis=-1)
    return np.nonzero((apart <= distance_m) & (apart > 0))


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
    """One message per pair; every device computes alike."""
    src, dst = neighbour_pairs(scenario) if pairs is None else pairs
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


def run_mesh(
    scenario: NetworkScenario, folder: Path, rounds: int, **traffic: Any
) -> list[RoundReport]:
    """Run rounds of equal traffic in a child process of their own."""
    network = Ns3Network(scenario, folder / "ns3.log")
    try:
        return [network.run_round(make_traffic(scenario, i, **traffic)) for i in range(rounds)]
    finally:
        network.close()
