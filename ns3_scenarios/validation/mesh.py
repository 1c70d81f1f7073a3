"""The mesh over several hops: what a line can carry at most, and which way it takes."""

from __future__ import annotations

import numpy as np

from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.validation import theory_airtime, theory_path_loss
from ns3_scenarios.validation.check import Check, Make, Row, absolute, on_line
from ns3_scenarios.validation.child import in_children
from ns3_scenarios.validation.energy import run_rounds, traffic_of
from ns3_scenarios.validation.saturation import MESH_EXTRA_BYTES

# 30 m: -75 dBm from the next device, -84 dBm from the one behind it, which is below detection.
LINE = {
    "placement": "line",
    "rate_manager": "constant",
    "mcs": 0,
    "max_ampdu_bytes": 0,
    "shadowing_sigma_db": 0,
}
PERIOD_S = 4.0
UDP_IP_BYTES = 8 + 20
# The farther end is audible here, but at a low rate.
DETOUR = {
    "num_devices": 3,
    "placement": "line",
    "path_loss_exponent": 4,
    "preamble_detection_dbm": -95,
    "shadowing_sigma_db": 0,
}


def chain_rows(make: Make, quick: bool) -> list[Row]:
    """Compare what a line of h hops delivers with C / min(h, 3), which it cannot exceed.

    A radio does one thing at a time, and while device i + 2 sends, i + 1 hears nothing of i: of any
    three hops in a row one is on the air. C is the rate of a saturated link without any
    acknowledgement of the transport. Source: J. Li et al., "Capacity of ad hoc wireless networks",
    MobiCom 2001, section 3.1 (interference range of one hop).
    """
    hops = [3] if quick else [1, 2, 3, 4, 5]
    scenarios = [make("mesh80211", num_devices=h + 1, **LINE) for h in hops]
    cases = []
    for h, scenario in zip(hops, scenarios, strict=True):
        cases.append((scenario, [traffic_of(scenario, 0, [(0, h)], 10_000_000, PERIOD_S)]))
    rows = []
    for h, scenario, (report,) in zip(hops, scenarios, in_children(run_rounds, cases), strict=True):
        most_bps = _link_bps(scenario) / min(h, 3)
        measured_bps = 8 * report.flows.delivered_bytes[0] / report.duration_s
        share = measured_bps / most_bps
        # Above the bound is wrong, and so is nothing at all.
        error = share - 1 if share > 0 else np.inf
        texts = f"<= {most_bps / 1e6:.3f} Mbit/s", f"{measured_bps / 1e6:.3f} Mbit/s"
        rows.append(Row(f"line of {h} hops", *texts, float(error), 0.0))
    return rows


def _link_bps(scenario: NetworkScenario) -> float:
    return theory_airtime.link_throughput_bps(
        theory_airtime.ns3_format("80211ax"),
        theory_airtime.timing("80211ax"),
        scenario.radio.rates_bps[0],
        scenario.transport.segment_bytes,
        UDP_IP_BYTES + MESH_EXTRA_BYTES,
    )


def relay_rows(make: Make, quick: bool) -> list[Row]:
    """Compare the next hop from end to end of three devices with the cheaper way by airtimes.

    c = O + B / r (IEEE 802.11-2020, 14.9, in the form of native/link_metric.h), r by Shannon's
    formula at an SNR 6 dB lower, from the link budget.
    """
    spacings_m = [14.0] if quick else [8.0, 14.0]
    cases, expected = [], []
    for spacing_m in spacings_m:
        scenario = on_line(make("mesh80211", **DETOUR), spacing_m * np.arange(3))
        pairs = [(0, 2), (2, 0), (0, 1), (2, 1)]
        cases.append((scenario, [traffic_of(scenario, i, pairs, 20_000, 2.0) for i in range(2)]))
        direct_s, hop_s = (_airtime_s(scenario, d_m) for d_m in (2 * spacing_m, spacing_m))
        expected.append(1 if 2 * hop_s < direct_s else 2)
    rows = []
    for spacing_m, best, reports in zip(
        spacings_m, expected, in_children(run_rounds, cases), strict=True
    ):
        links = reports[-1].links
        name = f"{spacing_m:g} m a hop: ends are peers"
        rows.append(absolute(name, 1, int(links.is_peer[0, 2]), "", 0))
        name = f"{spacing_m:g} m a hop: next hop from 0 to 2"
        rows.append(absolute(name, best, int(links.next_hop[0, 2]), "", 0))
    return rows


def _airtime_s(scenario: NetworkScenario, d_m: float) -> float:
    radio, exponent = scenario.radio, scenario.channel.path_loss_exponent
    reference_db = theory_path_loss.free_space_db(1.0, radio.frequency_hz)
    loss_db = theory_path_loss.log_distance_db(d_m, exponent, reference_db)
    noise_dbm = -174 + 10 * np.log10(radio.bandwidth_hz) + 7.0  # the default noise figure
    snr = 10 ** (0.1 * (radio.tx_power_dbm - loss_db - noise_dbm - 6))
    rate_bps = radio.bandwidth_hz * np.log2(1 + snr)
    return float(185e-6 + 8192 / np.clip(rate_bps, min(radio.rates_bps), max(radio.rates_bps)))


CHECKS = (
    Check(
        "Mesh in a line against its upper bound (error: share above it)",
        LINE,
        "one message that never ends, from end to end",
        chain_rows,
    ),
    Check(
        "Mesh takes two good hops rather than a poor one (next hop)",
        DETOUR,
        "three devices, the rate manager adapts",
        relay_rows,
    ),
)
