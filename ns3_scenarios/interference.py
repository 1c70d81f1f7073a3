"""Other people's traffic on the same channel: flows between pairs of extra radios, or networks.

s --> r        s --> r     each sender has one receiver at a set distance, on mains power
   o     o     o           the devices of the scenario among them hear it all
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ns3_scenarios import radio
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.scenario import NetworkScenario

INTERFERENCES = {
    "flows": "from one ad hoc radio to another",
    "bss": "from an access point, with its beacons, to a station",
}
STREAM = 1 << 26  # clear of all others


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


def add(ns: Any, scenario: NetworkScenario, beside: Any) -> Any:
    """Put the interferers of a scenario on the channel of a radio; return what they run on."""
    wanted = scenario.interference
    phy = ns.cosim_native.PhyBeside(beside)
    radio.configure(ns, scenario.radio, phy)
    macs = ("Ap", "Sta") if wanted.kind == "bss" else ("Adhoc", "Adhoc")
    ends = [
        radio.install(
            ns,
            scenario.radio,
            phy,
            f"ns3::{mac}WifiMac",
            ns.cosim_native.StaticNodes(position_m.ravel().tolist()),
        )
        for mac, position_m in zip(macs, wanted.position_m.swapaxes(0, 1), strict=True)
    ]
    for i, devices in enumerate(ends):
        ns.WifiHelper.AssignStreams(devices, STREAM + 1000 * (i + 1))
    load = ns.cosim_native.Load(wanted.rate_bps, wanted.on_s, wanted.off_s)
    return ns.cosim_native.SendBetween(*ends, load, STREAM)
