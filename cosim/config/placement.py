"""Where devices stand, how they move, and with whom they exchange."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from cosim.config.given_traffic import given_traffic
from cosim.config.model import RunConfig
from cosim.config.network import NetworkConfig
from cosim.config.section import part
from cosim.seeds import stream
from learning.methods.catalogue import topology_of
from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.description.mobility import (
    Mobility,
    MobilitySettings,
    bounding_area_m,
    disc_positions_m,
    file_positions_m,
    grid_positions_m,
    line_positions_m,
    neighbours_within,
)
from ns3_scenarios.description.movement import Movement
from ns3_scenarios.description.ns2_movement import read_ns2_movement
from ns3_scenarios.errors import ScenarioError


def positions_m(config: RunConfig) -> FloatArray:
    """Return where devices stand at the start, (n, 3) [m]; an access point in their midst."""
    position_m = _placed_m(config)
    if not config.network.ap_is_device or config.network.placement == "file":
        return position_m
    # In the middle of the others.
    middle_m = position_m[1:, :2].mean(axis=0)
    return np.vstack([[*middle_m, config.network.ap_height_m], position_m[1:]])


def _placed_m(config: RunConfig) -> FloatArray:
    net, n, height_m = config.network, config.network.num_devices, config.network.device_height_m
    if (net.placement == "file") != (net.placement_file is not None):
        raise ScenarioError(
            "network.placement_file: expected a CSV file with placement file and none else,"
            f" got {net.placement_file} with {net.placement}"
        )
    if net.placement == "file":
        return file_positions_m(Path(str(net.placement_file)), n, height_m)
    if net.placement == "disc":
        rng = stream(config.seed, "placement")
        return disc_positions_m(n, net.disc_radius_m, rng, height_m)
    place = line_positions_m if net.placement == "line" else grid_positions_m
    return place(n, net.spacing_m, height_m)


def named_links(config: RunConfig) -> BoolArray | None:
    """Say who exchanges with whom as topology or traffic name it; none: they go by distance."""
    if not config.learning.learns:
        return given_traffic(config).links
    links = topology_of(config.learning.method).links
    return None if links is None else links(config.network.num_devices)


def planned_neighbours(config: RunConfig, position_m: FloatArray) -> BoolArray:
    """Say who exchanges with whom, by distance, or as topology or traffic name it."""
    net, links = config.network, named_links(config)
    if links is not None:
        return links
    return neighbours_within(position_m, np.inf if net.moves else net.neighbour_distance_m)


def run_s(config: RunConfig) -> float:
    """How long the run lasts at most, from the start of the first round on [s]."""
    return config.learning.rounds * config.network.round_period_s


def read_movement(config: RunConfig) -> Movement | None:
    """Read the movements of a trace, which also places the devices."""
    net = config.network
    if (net.mobility == "ns2_trace") != (net.mobility_trace is not None):
        raise ScenarioError(
            "network.mobility_trace: expected a file with mobility ns2_trace and none else,"
            f" got {net.mobility_trace} with {net.mobility}"
        )
    if net.mobility_trace is None:
        return None
    if net.placement_file is not None:
        raise ScenarioError(
            "network.placement_file: expected none with mobility ns2_trace, got"
            f" {net.placement_file} (the trace places the devices); leave one of them out"
        )
    return read_ns2_movement(
        Path(net.mobility_trace), net.num_devices, net.device_height_m, run_s(config)
    )


def make_mobility(
    net: NetworkConfig, position_m: FloatArray, movement: Movement | None
) -> Mobility:
    """Say how devices move, and in which area: given, or that of their places."""
    low_x, high_x, low_y, high_y = bounding_area_m(position_m)
    side_m = net.mobility_area_m
    if side_m is None:
        # Outwards to whole metres, so that rounding leaves nobody outside.
        low_x, low_y = math.floor(low_x), math.floor(low_y)
        side_m = max(math.ceil(high_x) - low_x, math.ceil(high_y) - low_y, 1)
    return Mobility(
        **part(net, MobilitySettings),
        area_m=(low_x, low_x + side_m, low_y, low_y + side_m),
        movement=movement,
    )
