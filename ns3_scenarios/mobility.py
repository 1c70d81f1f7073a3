"""Where devices are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray


def grid_positions_m(num_devices: int, spacing_m: float) -> FloatArray:
    """Place devices row by row on the smallest square grid that holds them, (n, 3) [m]."""
    side = int(np.ceil(np.sqrt(num_devices)))
    index = np.arange(num_devices)
    z_m = np.zeros(num_devices)
    return np.column_stack([index % side * spacing_m, index // side * spacing_m, z_m])


def neighbours_within(position_m: FloatArray, distance_m: float) -> BoolArray:
    """Return which devices are at most distance_m apart, (n, n); none is its own neighbour."""
    apart_m = np.linalg.norm(position_m[:, None] - position_m, axis=-1)
    return np.asarray((apart_m <= distance_m) & ~np.eye(len(position_m), dtype=np.bool_))


def make_nodes(ns: Any, position_m: FloatArray) -> Any:
    """Return one node per position (NodeContainer); they do not move."""
    nodes = ns.NodeContainer()
    nodes.Create(len(position_m))
    positions = ns.CreateObject[ns.ListPositionAllocator]()
    for x_m, y_m, z_m in position_m:
        positions.Add(ns.Vector(float(x_m), float(y_m), float(z_m)))
    mobility = ns.MobilityHelper()
    mobility.SetPositionAllocator(positions)
    mobility.SetMobilityModel("ns3::ConstantPositionMobilityModel")
    mobility.Install(nodes)
    return nodes
