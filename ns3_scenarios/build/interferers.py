"""Makes the senders that take no part, and their receivers."""

from __future__ import annotations

from typing import Any

from ns3_scenarios.build import wifi
from ns3_scenarios.description.scenario import NetworkScenario

STREAM = 1 << 26  # clear of all others


def add(ns: Any, scenario: NetworkScenario, beside: Any) -> Any:
    """Put the interferers of a scenario on the channel of a radio; return what they run on."""
    wanted = scenario.interference
    phy = ns.cosim_native.PhyBeside(beside)
    wifi.configure(ns, scenario.radio, phy)
    macs = ("Ap", "Sta") if wanted.interference == "bss" else ("Adhoc", "Adhoc")
    ends = [
        wifi.install(
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
    load = ns.cosim_native.Load(
        wanted.rate_bps, wanted.interference_on_s, wanted.interference_off_s
    )
    return ns.cosim_native.SendBetween(*ends, load, STREAM)
