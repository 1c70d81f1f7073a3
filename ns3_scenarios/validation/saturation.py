from __future__ import annotations

from typing import Any
import numpy as np
from dataclasses import replace
from ns3_scenarios import catalogue
from ns3_scenarios.scenario import NetworkScenario


def received_bps(
    scenario: NetworkScenario,
    payload_bytes: int,
    flows: list[tuple[int, int]],
    modes: list[str],
    span_s: float,
) -> list[float]:
    from ns3_scenarios.session import load_ns3

    ns = load_ns3()
    ns.RngSeedManager.SetSeed(scenario.rng_seed)
    ns.RngSeedManager.SetRun(scenario.rng_run)
    _, radios = catalogue.builder(scenario.name)(ns, scenario)
    source = ns.cosim_native.Saturation(payload_bytes)
    for radio in radios:
        source.AddDevice(radio)
    for src, dst in flows:
        source.AddFlow(src, dst)
    measured = []
    for mode in modes:
        for radio in radios:
            ns.cosim_native.SetDataMode(radio, mode)
        source.Run(0.2)
        before = sum(source.ReceivedBytes())
        source.Run(span_s)
        measured.append(8 * (sum(source.ReceivedBytes()) - before) / span_s)
    return measured
