"""Medium access: the throughput of saturated senders against Bianchi's model and against airtimes.

o o o ... o      all devices within 1 m: everybody hears everybody equally well
i -> i + 1       each sends to the next one, its MAC queue never runs empty
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from ns3_scenarios import catalogue
from ns3_scenarios.description.radio import Radio
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.validation import theory_airtime, theory_dcf
from ns3_scenarios.validation.check import Check, Make, Row, on_line, relative
from ns3_scenarios.validation.child import in_children

PAYLOAD_BYTES = 1500
BIANCHI_LIMIT = 0.02
LINK_LIMIT = 0.02
NO_RTS = {"rts_threshold_bytes": 4692480}
PLAIN = {"rate_manager": "constant", "shadowing_sigma_db": 0, "max_ampdu_bytes": 0, **NO_RTS}
# Bianchi's stations repeat a frame until it arrives: no limit of tries, nor of time in the queue.
BIANCHI = {
    **PLAIN,
    "standard": "80211a",
    "boot_s": 1,
    "ns3_defaults": {"WifiMac::FrameRetryLimit": "65535", "WifiMacQueue::MaxDelay": "100000s"},
}
# Four addresses and the mesh control field (IEEE 802.11-2020, 9.3.2.1.2 and 9.2.4.8.3).
MESH_EXTRA_BYTES = 6 + 6
SETTLE_S = 0.1
LINKS: list[tuple[str, dict[str, Any]]] = [
    ("adhoc80211", {"standard": "80211a"}),
    ("adhoc80211", {"standard": "80211b", "band_ghz": 2.4, "channel_width_mhz": 22}),
    ("adhoc80211", {"standard": "80211p", "channel_width_mhz": 10}),
    ("adhoc80211", {"standard": "80211p", "channel_width_mhz": 5}),
    ("adhoc80211", {"standard": "80211n"}),
    ("adhoc80211", {"standard": "80211ac"}),
    ("adhoc80211", {"standard": "80211ax"}),
    ("adhoc80211", {"standard": "80211be"}),
    ("mesh80211", {"standard": "80211ax"}),
]
BEACON_BPS, BEACON_BYTES, BEACON_INTERVAL_S = 6e6, 100, 0.5


def senders_of(scenario: NetworkScenario) -> tuple[Any, Any, list[Any]]:
    """Return ns-3, the scenario's devices as senders, and their radios; runs in a child process."""
    from ns3_scenarios.session import load_ns3  # noqa: PLC0415

    ns = load_ns3()
    ns.RngSeedManager.SetSeed(scenario.rng_seed)
    ns.RngSeedManager.SetRun(scenario.rng_run)
    devices, radios = catalogue.builder(scenario.name)(ns, scenario)
    senders = ns.cosim_native.Saturation(PAYLOAD_BYTES)
    for device, radio in zip(devices, radios, strict=True):
        senders.AddDevice(device, radio)
    return ns, senders, radios


def saturated(scenario: NetworkScenario, flows: list[tuple[int, int]]) -> Any:
    """Return a function that runs on at a rate for a time; runs in a child process.

    at(mcs, span_s) gives the payload throughput of all flows together [bit/s] and how long the last
    frame was on the air [s].
    """
    ns, senders, radios = senders_of(scenario)
    for src, dst in flows:
        senders.AddFlow(src, dst)
    senders.Run(scenario.settings.boot_s)

    def at(mcs: int, span_s: float) -> tuple[float, float]:
        for radio in radios:
            ns.cosim_native.SetDataMode(radio, scenario.radio.mode_name(mcs))
        senders.Run(SETTLE_S)  # what was under way at the last rate ends
        before = sum(senders.ReceivedBytes())
        senders.Run(span_s)
        got_bytes = sum(senders.ReceivedBytes()) - before
        return 8 * got_bytes / span_s, float(senders.FrameS())

    return at


def received_bps(
    scenario: NetworkScenario,
    flows: list[tuple[int, int]],
    rates: list[int],
    spans_s: list[float],
) -> list[float]:
    """Return the payload throughput of all flows together at each rate [bit/s]. Runs in a child."""
    at = saturated(scenario, flows)
    return [at(mcs, span_s)[0] for mcs, span_s in zip(rates, spans_s, strict=True)]


def bianchi_rows(make: Make, quick: bool) -> list[Row]:
    """Compare n stations at constant rates with Bianchi's model, see theory_dcf.

    Left out: after a collision its senders wait for an answer, five slots longer than the others,
    and contend a little less than in the model.
    """
    stations, rates, frames = ([10], [7], 3000) if quick else ([20, 10, 5], [0, 4, 7], 8000)
    phy, timing = theory_airtime.ns3_format("80211a"), theory_airtime.timing("80211a")
    cases, names, expected_bps = [], [], []
    for n in stations:
        scenario = on_line(make("adhoc80211", num_devices=n, **BIANCHI), 0.01 * np.arange(n))
        ring = [(i, (i + 1) % n) for i in range(n)]
        for mcs in rates:
            rate_bps = scenario.radio.rates_bps[mcs]
            total_bps = theory_dcf.saturation_throughput_bps(
                n, phy, timing, rate_bps, PAYLOAD_BYTES, freezes=True
            )
            cases.append((scenario, ring, [mcs], [frames * 8 * PAYLOAD_BYTES / total_bps]))
            names.append(f"802.11a {rate_bps / 1e6:.0f} Mbit/s, {n} stations")
            expected_bps.append(total_bps)
    measured_bps = [each[0] for each in in_children(received_bps, cases)]
    return [
        relative(name, expected / 1e6, measured / 1e6, "Mbit/s", BIANCHI_LIMIT)
        for name, expected, measured in zip(names, expected_bps, measured_bps, strict=True)
    ]


def link_rows(make: Make, quick: bool) -> list[Row]:
    """Compare one saturated link at every rate with the airtime of its exchanges.

    See theory_airtime.link_throughput_bps; in the mesh with its longer header, and without the
    share of time that the beacons of both take.
    """
    frames = 500 if quick else 3000
    cases, expected_bps, names = [], [], []
    for name, settings in LINKS[:: 2 if quick else 1]:
        scenario = on_line(make(name, num_devices=2, **settings, **PLAIN), np.array([0.0, 1.0]))
        radio = scenario.radio
        rates = list(range(len(radio.rates_bps)))
        rates = [0, len(rates) // 2, len(rates) - 1] if quick else rates
        theory_bps = [_link_bps(name, radio, mcs) for mcs in rates]
        spans_s = [frames * 8 * PAYLOAD_BYTES / bps for bps in theory_bps]
        cases.append((scenario, [(0, 1)], rates, spans_s))
        expected_bps += theory_bps
        names += [f"{name} {radio.standard} {radio.mode_name(mcs)}" for mcs in rates]
    measured_bps = list(chain.from_iterable(in_children(received_bps, cases)))
    return [
        relative(name, expected / 1e6, measured / 1e6, "Mbit/s", LINK_LIMIT)
        for name, expected, measured in zip(names, expected_bps, measured_bps, strict=True)
    ]


def _link_bps(name: str, radio: Radio, mcs: int) -> float:
    phy = theory_airtime.ns3_format(radio.standard, radio.channel_width_mhz, mcs=mcs)
    rate_bps = radio.rates_bps[mcs]
    timing = theory_airtime.timing(radio.standard, radio.channel_width_mhz)
    if not catalogue.SCENARIOS[name].forwards:
        return theory_airtime.link_throughput_bps(phy, timing, rate_bps, PAYLOAD_BYTES)
    beacon_s = theory_airtime.ppdu_s(theory_airtime.LEGACY, BEACON_BPS, BEACON_BYTES) + timing.ifs_s
    free = 1 - 2 * beacon_s / BEACON_INTERVAL_S
    return free * theory_airtime.link_throughput_bps(
        phy, timing, rate_bps, PAYLOAD_BYTES, MESH_EXTRA_BYTES
    )


CHECKS = (
    Check(
        "One saturated link against airtimes (relative error)",
        PLAIN,
        "two devices 1 m apart, the sender's queue never empty, 1500 bytes a frame;"
        " preambles and symbols are ns-3.44's, where they differ (theory_airtime.py)",
        link_rows,
    ),
    Check(
        "Saturated DCF against Bianchi's model (relative error)",
        BIANCHI,
        "all devices within 1 m, queues never empty, 1500 bytes a frame",
        bianchi_rows,
    ),
)
