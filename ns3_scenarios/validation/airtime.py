"""How long one frame is on the air: at every rate of every kind of radio, to the nanosecond.

0 -> 1           1 m apart, one frame a PPDU, 1500 bytes
1 <-> 0 <-> 2    two stations of an access point, each with a rate of its own, 5 and 20 m away
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from ns3_scenarios import catalogue
from ns3_scenarios.description.radio import Radio
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.validation import theory_airtime
from ns3_scenarios.validation.check import Check, Make, Row, on_line, relative
from ns3_scenarios.validation.child import in_children
from ns3_scenarios.validation.saturation import (
    MESH_EXTRA_BYTES,
    PAYLOAD_BYTES,
    PLAIN,
    saturated,
    senders_of,
)

LIMIT = 1e-9
SPAN_S = 0.01
# What the flow before has left in a queue of 16 frames is gone long before.
DRAIN_S = 0.1
TWO = {"antennas": 2, "spatial_streams": 2}
RADIOS: list[tuple[str, dict[str, Any]]] = [
    ("d2d", {"standard": "80211p", "channel_width_mhz": 10}),
    ("adhoc80211", {"standard": "80211p", "channel_width_mhz": 5}),
    ("adhoc80211", {"standard": "80211b", "band_ghz": 2.4, "channel_width_mhz": 22}),
    ("adhoc80211", {"standard": "80211n", "guard_interval_ns": 400, **TWO}),
    (
        "adhoc80211",
        {"standard": "80211n", "channel_width_mhz": 40, "antennas": 4, "spatial_streams": 3},
    ),
    ("mesh80211", {"standard": "80211n", "guard_interval_ns": 400, **TWO}),
    ("adhoc80211", {"standard": "80211ac", "channel_width_mhz": 160, "guard_interval_ns": 400}),
    ("mesh80211", {"standard": "80211ac", "channel_width_mhz": 160, **TWO}),
    ("adhoc80211", {"standard": "80211ax", "channel_width_mhz": 160, **TWO}),
    ("adhoc80211", {"standard": "80211ax", "guard_interval_ns": 800}),
    (
        "mesh80211",
        {"standard": "80211ax", "band_ghz": 6, "channel_width_mhz": 160, "guard_interval_ns": 800},
    ),
    ("adhoc80211", {"standard": "80211be"}),
    ("adhoc80211", {"standard": "80211be", "guard_interval_ns": 800, **TWO}),
    ("mesh80211", {"standard": "80211be", "band_ghz": 6, "channel_width_mhz": 160, **TWO}),
]


# Of the access point, where it is not used, and its two stations.
STATION_MCS = (0, 7, 2)
STATIONS_M = ((0.0, 0.0, 3.0), (5.0, 0.0, 1.5), (20.0, 0.0, 1.5))
STATION_PLAIN = PLAIN | {"rate_manager": "per_station", "num_devices": 3, "boot_s": 1}


def frame_times_s(scenario: NetworkScenario, rates: list[int]) -> list[float]:
    """Return how long a frame takes at each rate [s]. Runs in a child process."""
    at = saturated(scenario, [(0, 1)])
    return [at(mcs, SPAN_S)[1] for mcs in rates]


def frame_rows(make: Make, quick: bool) -> list[Row]:
    """Compare the PHY's own time of one frame with theory_airtime, at every rate."""
    cases, expected_s, names = [], [], []
    for name, settings in RADIOS[:: 4 if quick else 1]:
        still = {"mobility": "static", "path_loss": "log_distance", "num_devices": 2}
        scenario = on_line(make(name, **(still | settings | PLAIN)), np.array([0.0, 1.0]))
        radio = scenario.radio
        rates = list(range(len(radio.rates_bps)))
        rates = rates[:: len(rates) - 1] if quick else rates
        cases.append((scenario, rates))
        expected_s += [_frame_s(name, radio, mcs) for mcs in rates]
        label = f"{name} {radio.standard} {radio.channel_width_mhz} MHz"
        label += f", {radio.guard_ns} ns, {radio.spatial_streams} streams,"
        names += [f"{label} {radio.mode_name(mcs)}" for mcs in rates]
    measured_s = list(chain.from_iterable(in_children(frame_times_s, cases)))
    return [
        relative(name, 1e6 * expected, 1e6 * measured, "us", LIMIT)
        for name, expected, measured in zip(names, expected_s, measured_s, strict=True)
    ]


def station_times_s(scenario: NetworkScenario, flows: list[tuple[int, int]]) -> list[float]:
    """Return how long a frame of each flow takes, one after the other [s]. Runs in a child."""
    _, senders, _ = senders_of(scenario)
    senders.Run(scenario.settings.boot_s)  # in which stations associate
    times_s = []
    for src, dst in flows:
        senders.EndFlows()
        senders.AddFlow(src, dst)
        senders.Run(DRAIN_S)
        times_s.append(float(senders.FrameS()))
    return times_s


def station_rows(make: Make, quick: bool) -> list[Row]:
    """Compare frames from and to a near and a far station, which have rates of their own."""
    flows, cases = [(1, 0), (0, 1), (2, 0), (0, 2)], []
    for standard in ("80211ax",) if quick else ("80211ax", "80211a", "80211n"):
        made = make("infrastructure", **STATION_PLAIN, standard=standard)
        scenario = replace(
            made,
            position_m=np.array(STATIONS_M),
            settings=made.settings.model_copy(update={"ap_is_device": True}),
            station_mcs=np.array(STATION_MCS),
        )
        cases.append((scenario, flows))
    times_s = in_children(station_times_s, cases)
    return [
        relative(
            f"{scenario.radio.standard} {'far' if 2 in flow else 'near'} station"
            f" {'down' if flow[0] == 0 else 'up'}, MCS {STATION_MCS[max(flow)]}",
            1e6 * _frame_s(scenario.name, scenario.radio, STATION_MCS[max(flow)]),
            1e6 * time_s,
            "us",
            LIMIT,
        )
        for (scenario, _), its_times_s in zip(cases, times_s, strict=True)
        for flow, time_s in zip(flows, its_times_s, strict=True)
    ]


def _frame_s(name: str, radio: Radio, mcs: int) -> float:
    phy = theory_airtime.ns3_format(
        radio.standard, radio.channel_width_mhz, radio.guard_interval_ns, radio.spatial_streams, mcs
    )
    extra_bytes = MESH_EXTRA_BYTES if catalogue.SCENARIOS[name].forwards else 0
    return theory_airtime.data_ppdu_s(phy, radio.rates_bps[mcs], PAYLOAD_BYTES, extra_bytes)


CHECKS = (
    Check(
        "One frame on the air against the standard's formulas (relative error)",
        PLAIN,
        "two devices 1 m apart, one frame of 1500 bytes a PPDU; the preambles and symbols are"
        " ns-3.44's, where they differ (theory_airtime.py)",
        frame_rows,
    ),
    Check(
        "Frames of stations that have rates of their own (relative error)",
        STATION_PLAIN,
        "an access point that is a device, stations 5 and 20 m away, one frame of 1500 bytes",
        station_rows,
    ),
)
