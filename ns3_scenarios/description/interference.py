"""Other people's traffic on the same channel: flows between pairs of extra radios, or networks.

s --> r        s --> r     each sender has one receiver at a set distance, on mains power
   o     o     o           the devices of the scenario among them hear it all
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.fields import Settings, choice, quantity

INTERFERENCES = {
    "flows": "from one ad hoc radio to another",
    "bss": "from an access point, with its beacons, to a station",
}


def pair_positions_m(
    num_pairs: int,
    area_m: tuple[float, float, float, float],
    apart_m: float,
    height_m: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Draw a sender uniformly in an area and its receiver apart_m away, (pairs, 2, 3) [m]."""
    low_x, high_x, low_y, high_y = area_m
    sender_m = rng.uniform((low_x, low_y), (high_x, high_y), (num_pairs, 2))
    angle = rng.uniform(0.0, 2 * np.pi, num_pairs)
    receiver_m = sender_m + apart_m * np.column_stack([np.cos(angle), np.sin(angle)])
    position_m = np.full((num_pairs, 2, 3), height_m)
    position_m[:, 0, :2], position_m[:, 1, :2] = sender_m, receiver_m
    return position_m


class InterferenceSettings(Settings):
    """What other people's traffic is."""

    interference: Literal[tuple(INTERFERENCES)] = choice(  # type: ignore[valid-type]
        "flows",
        "; ".join(f"{name}: {text}" for name, text in INTERFERENCES.items()),
        when={"interferers": "positive"},
    )
    interference_mbps: float = quantity(
        5.0,
        "Rate at which an interferer sends while it does",
        "Mbit/s",
        1e-3,
        1e4,
        when={"interferers": "positive"},
    )
    interference_on_s: float = quantity(
        0.5, "Mean time of sending, exponential", "s", 1e-3, 1e6, when={"interferers": "positive"}
    )
    interference_off_s: float = quantity(
        0.5,
        "Mean pause between, exponential; 0: sends all the time",
        "s",
        0.0,
        1e6,
        when={"interferers": "positive"},
    )


class Interference(InterferenceSettings):
    """Senders that take no part; position_m (pairs, 2, 3): of each and of its receiver."""

    position_m: Any

    @property
    def rate_bps(self) -> float:
        """Rate of a sender while it sends [bit/s]."""
        return 1e6 * self.interference_mbps
