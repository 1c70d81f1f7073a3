"""Makes ns-3's nodes, which move as described."""

from __future__ import annotations

from typing import Any

from ns3_scenarios.description.scenario import NetworkScenario

# Random streams of ns-3, clear of those of radios and endpoints.
FIRST_STREAM = 1 << 24


def make_nodes(ns: Any, scenario: NetworkScenario) -> Any:
    """Return one node per device (NodeContainer), which moves as it should."""
    native, mobility = ns.cosim_native, scenario.mobility
    flat = scenario.position_m.ravel().tolist()
    speeds_mps = mobility.min_speed_mps, mobility.max_speed_mps
    if mobility.movement is not None:
        legs = mobility.movement
        return native.TraceNodes(
            flat,
            legs.device.tolist(),
            (scenario.settings.boot_s + legs.time_s).tolist(),
            legs.position_m.ravel().tolist(),
            legs.velocity_mps.ravel().tolist(),
        )
    if mobility.mobility == "random_waypoint":
        area = native.Area(*mobility.area_m)
        return native.WaypointNodes(flat, area, *speeds_mps, mobility.pause_s, FIRST_STREAM)
    if mobility.mobility == "gauss_markov":
        area = native.Area(*mobility.area_m)
        return native.GaussMarkovNodes(
            flat, area, *speeds_mps, mobility.gauss_markov_memory, FIRST_STREAM
        )
    return native.StaticNodes(flat)
