"""How long one frame is on the air: at every rate of every kind of radio, to the nanosecond.

0 -> 1      1 m apart, one frame a PPDU, 1500 bytes
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from ns3_scenarios import catalogue
from ns3_scenarios.description.radio import Radio
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.validation import theory_airtime
from ns3_scenarios.validation.check import Check, Make, Row, on_line, relative
from ns3_scenarios.validation.child import in_children
from ns3_scenarios.validation.saturation import MESH_EXTRA_BYTES, PAYLOAD_BYTES, PLAIN, saturated

LIMIT = 1e-9
SPAN_S = 0.01
RADIOS: list[tuple[str, dict[str, Any]]] = [
    ("d2d", {"standard": "80211p", "channel_width_mhz": 10}),
    ("adhoc80211", {"standard": "80211p", "channel_width_mhz": 5}),
    ("adhoc80211", {"standard": "80211b", "band_ghz": 2.4, "channel_width_mhz": 22}),
]


def frame_times_s(scenario: NetworkScenario, rates: list[int]) -> list[float]:
    """Return how long a frame takes at each rate [s]. Runs in a child process."""
    at = saturated(scenario, [(0, 1)])
    return [at(mcs, SPAN_S)[1] for mcs in rates]


def frame_rows(make: Make, quick: bool) -> list[Row]:
    """Compare the PHY's own time of one frame with theory_airtime, at every rate."""
    cases, expected_s, names = [], [], []
    for name, settings in RADIOS:
        still = {"mobility": "static", "path_loss": "log_distance", "num_devices": 2}
        scenario = on_line(make(name, **(still | settings | PLAIN)), np.array([0.0, 1.0]))
        radio = scenario.radio
        rates = list(range(len(radio.rates_bps)))
        rates = rates[:: len(rates) - 1] if quick else rates
        cases.append((scenario, rates))
        expected_s += [_frame_s(name, radio, radio.rates_bps[mcs]) for mcs in rates]
        label = f"{name} {radio.standard} {radio.channel_width_mhz} MHz"
        names += [f"{label} {radio.mode_name(mcs)}" for mcs in rates]
    measured_s = list(chain.from_iterable(in_children(frame_times_s, cases)))
    return [
        relative(name, 1e6 * expected, 1e6 * measured, "us", LIMIT)
        for name, expected, measured in zip(names, expected_s, measured_s, strict=True)
    ]


def _frame_s(name: str, radio: Radio, rate_bps: float) -> float:
    phy = theory_airtime.ns3_format(radio.standard, radio.channel_width_mhz)
    extra_bytes = MESH_EXTRA_BYTES if catalogue.SCENARIOS[name].forwards else 0
    return theory_airtime.data_ppdu_s(phy, rate_bps, PAYLOAD_BYTES, extra_bytes)


CHECKS = (
    Check(
        "One frame on the air against the standard's formulas (relative error)",
        PLAIN,
        "two devices 1 m apart, one frame of 1500 bytes a PPDU; the preambles and symbols are"
        " ns-3.44's, where they differ (theory_airtime.py)",
        frame_rows,
    ),
)
