"""Where devices are, and how they move."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.description.fields import Settings, quantity
from ns3_scenarios.description.movement import Movement
from ns3_scenarios.description.table_file import read_numbers
from ns3_scenarios.errors import ScenarioError


class MobilitySettings(Settings):
    """How devices move."""

    mobility: Literal["static", "random_waypoint", "gauss_markov", "ns2_trace"] = Field(
        "static",
        description="static; random_waypoint; gauss_markov; ns2_trace: from mobility_trace",
    )
    min_speed_mps: float = quantity(
        0.5,
        "Lowest speed of moving devices",
        "m/s",
        0.01,
        100.0,
        when={"mobility": ["random_waypoint", "gauss_markov"]},
    )
    max_speed_mps: float = quantity(
        1.5,
        "Highest speed of moving devices",
        "m/s",
        0.01,
        100.0,
        when={"mobility": ["random_waypoint", "gauss_markov"]},
    )
    pause_s: float = quantity(
        2.0, "Pause at each waypoint", "s", 0.0, 1e6, when={"mobility": ["random_waypoint"]}
    )
    gauss_markov_memory: float = quantity(
        0.85,
        "How much of its movement a device keeps from second to second",
        "",
        0.0,
        1.0,
        when={"mobility": ["gauss_markov"]},
    )

    @property
    def moves(self) -> bool:
        """Whether positions change."""
        return self.mobility != "static"


class Mobility(MobilitySettings):
    """How devices move.

    static; random_waypoint: straight to a point drawn uniformly in the area, at a speed drawn
    uniformly from min_speed_mps to max_speed_mps, then a pause of pause_s; gauss_markov: mean speed
    drawn likewise per device, correlated from second to second by gauss_markov_memory, reflected
    at the edges: both from the start of the simulation (before the first round) on; ns2_trace: as
    movement says.
    area_m: (min x, max x, min y, max y). Raises ScenarioError where a value does not fit.
    Sources: Camp, Boleng, Davies, "A survey of mobility models", WCMC 2002.
    """

    area_m: tuple[float, float, float, float]
    movement: Movement | None = None

    @model_validator(mode="after")
    def _speeds_fit(self) -> Mobility:
        if self.min_speed_mps > self.max_speed_mps:
            raise ScenarioError(
                f"network.min_speed_mps: expected at most max_speed_mps ({self.max_speed_mps:g}),"
                f" got {self.min_speed_mps:g}"
            )
        return self

    def heights_m(self, position_m: FloatArray) -> FloatArray:
        """Return the lowest and the highest place of each device, (n, 2) [m]."""
        if self.movement is not None:
            return self.movement.heights_m
        return position_m[:, [2, 2]]

    def check(self, position_m: FloatArray) -> None:
        """Refuse devices outside the area in which they move."""
        if not self.moves or self.movement is not None:
            return
        low_x, high_x, low_y, high_y = self.area_m
        x, y = position_m[:, 0], position_m[:, 1]
        outside = np.flatnonzero((x < low_x) | (x > high_x) | (y < low_y) | (y > high_y))
        if outside.size:
            raise ScenarioError(
                f"network.mobility_area_m: expected all devices in {low_x:g}..{high_x:g} x"
                f" {low_y:g}..{high_y:g} m, got device {outside[0]} at"
                f" ({x[outside[0]]:g}, {y[outside[0]]:g}); enlarge the area"
            )


def grid_positions_m(num_devices: int, spacing_m: float, height_m: float = 0.0) -> FloatArray:
    """Place devices row by row on the smallest square grid that holds them, (n, 3) [m]."""
    side = int(np.ceil(np.sqrt(num_devices)))
    index = np.arange(num_devices)
    z_m = np.full(num_devices, height_m)
    return np.column_stack([index % side * spacing_m, index // side * spacing_m, z_m])


def line_positions_m(num_devices: int, spacing_m: float, height_m: float = 0.0) -> FloatArray:
    """Place devices one after the other along x, (n, 3) [m]."""
    x_m = np.arange(num_devices) * spacing_m
    return np.column_stack([x_m, np.zeros(num_devices), np.full(num_devices, height_m)])


def disc_positions_m(
    num_devices: int, radius_m: float, rng: np.random.Generator, height_m: float = 0.0
) -> FloatArray:
    """Place devices uniformly in a disc around (radius, radius), (n, 3) [m]: r = R sqrt(U)."""
    r_m = radius_m * np.sqrt(rng.uniform(size=num_devices))
    angle = rng.uniform(0, 2 * np.pi, num_devices)
    x_m, y_m = radius_m + r_m * np.cos(angle), radius_m + r_m * np.sin(angle)
    return np.column_stack([x_m, y_m, np.full(num_devices, height_m)])


def file_positions_m(path: Path, num_devices: int, height_m: float = 0.0) -> FloatArray:
    """Read positions from a CSV file with columns x_m, y_m and, if it has one, z_m, (n, 3) [m]."""
    table = read_numbers(
        path,
        "network.placement_file",
        required=("x_m", "y_m"),
        optional=("z_m",),
        num_rows=num_devices,
    )
    if "z_m" not in table:
        table["z_m"] = height_m
    position_m: FloatArray = table[["x_m", "y_m", "z_m"]].to_numpy(np.float64)
    return position_m


def bounding_area_m(position_m: FloatArray) -> tuple[float, float, float, float]:
    """Return the smallest rectangle around devices: min x, max x, min y, max y [m]."""
    low, high = position_m.min(axis=0), position_m.max(axis=0)
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def distances_m(position_m: FloatArray) -> FloatArray:
    """Return how far each pair is apart, (n, n) [m], by the axes given: (n, 3), or (n, 2)."""
    return np.asarray(np.linalg.norm(position_m[:, None] - position_m, axis=-1))


def neighbours_within(position_m: FloatArray, distance_m: float) -> BoolArray:
    """Return which devices are at most distance_m apart, (n, n); none is its own neighbour."""
    return np.asarray(
        (distances_m(position_m) <= distance_m) & ~np.eye(len(position_m), dtype=np.bool_)
    )


def contact_s(position_m: FloatArray, distance_m: float, duration_s: float) -> FloatArray:
    """Return how long each pair of standing devices is within distance_m, (n, n) [s]."""
    return np.where(neighbours_within(position_m, distance_m), duration_s, 0.0)
