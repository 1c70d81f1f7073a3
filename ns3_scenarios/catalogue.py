"""The scenarios by name."""

import numpy as np

from ns3_scenarios import adhoc80211, d2d, infrastructure, mesh80211, own_scenario
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.scenario_kind import Builder, ScenarioKind

SCENARIOS: dict[str, ScenarioKind] = {
    "adhoc80211": adhoc80211.SCENARIO,
    "d2d": d2d.SCENARIO,
    "infrastructure": infrastructure.SCENARIO,
    "mesh80211": mesh80211.SCENARIO,
}


def kind_of(name: str) -> ScenarioKind | None:
    """Return what the named scenario can; None for a file, of which nothing is known."""
    return None if own_scenario.is_own(name) else SCENARIOS[name]


def builder(name: str) -> Builder:
    """Return the function that builds the named scenario, or that of a file."""
    kind = kind_of(name)
    return kind.build if kind else own_scenario.builder(name)


def headers(name: str) -> list[str]:
    """Return the ns-3 headers that a scenario needs beside those of native/api.h."""
    return own_scenario.HEADERS if own_scenario.is_own(name) else []


def check(scenario: NetworkScenario) -> None:
    """Raise ScenarioError where a scenario cannot be built as it is described.

    Of a file of the user's, nothing is known before it is built.
    """
    if scenario.channel.trace is not None and len(scenario.interference.position_m):
        raise ScenarioError(
            "network.interferers: expected 0 with path_loss trace, got"
            f" {len(scenario.interference.position_m)} (the trace has no losses to them)"
        )
    kind = kind_of(scenario.name)
    _check_radio(scenario, kind)
    if scenario.energy.radio_sleep and not (kind and kind.is_ad_hoc):
        raise ScenarioError(
            f"energy.radio_sleep: expected false with scenario {scenario.name}, got true (ns-3's"
            " 802.11s has no power save, and an access point here keeps no frames for sleepers);"
            " use scenario adhoc80211 or d2d"
        )
    if scenario.settings.ap_is_device and not (kind and kind.has_access_point):
        raise ScenarioError(
            f"network.ap_is_device: expected false with scenario {scenario.name}, got true; use"
            " scenario infrastructure"
        )
    if not scenario.mobility.moves:
        _check_apart(scenario)
    if kind is None:
        return
    if scenario.settings.routing != "direct" and not kind.is_ad_hoc:
        raise ScenarioError(
            f"network.routing: expected direct with scenario {scenario.name}, got"
            f" {scenario.settings.routing}; use scenario adhoc80211 or d2d"
        )
    routing = scenario.settings.routing
    if scenario.transport.kind.one_for_all and (not kind.is_ad_hoc or routing != "direct"):
        raise ScenarioError(
            "network.transport: expected arq, tcp or udp with scenario"
            f" {scenario.name} and routing {routing}, got broadcast (what is sent to all in range"
            " would be flooded on); use scenario adhoc80211 or d2d with routing direct"
        )
    if not kind.has_access_point:  # which has heights of its own to check
        scenario.channel.check(
            scenario.mobility.heights_m(scenario.position_m), scenario.neighbours
        )
    kind.check(scenario)


def _check_radio(scenario: NetworkScenario, kind: ScenarioKind | None) -> None:
    """Refuse radios that have no place in a scenario, or none in a PHY of ns-3."""
    standard, pairs = scenario.radio.standard, len(scenario.interference.position_m)
    if standard == "80211p" and kind is not None and not kind.is_ad_hoc:
        raise ScenarioError(
            f"network.standard: expected another than 80211p with scenario {scenario.name}, got"
            " 80211p (it speaks outside any network: no beacons, access points or peers); use"
            " scenario adhoc80211 or d2d"
        )
    if scenario.radio.rate_manager == "per_station" and not (kind and kind.has_access_point):
        raise ScenarioError(
            f"network.rate_manager: expected another than per_station in {scenario.name}, got"
            " per_station (no access point of it is known); use scenario infrastructure, or"
            " rate_manager ideal"
        )
    if standard == "80211p" and pairs and scenario.interference.interference == "bss":
        raise ScenarioError(
            "network.interference: expected flows with standard 80211p, got bss (it has no access"
            " points)"
        )
    if standard == "80211b" and scenario.channel.phy == "spectrum":
        raise ScenarioError(
            "network.phy: expected yans with standard 80211b, got spectrum (ns-3.44 aborts on its"
            " 22 MHz there)"
        )


def _check_apart(scenario: NetworkScenario) -> None:
    places, counts = np.unique(scenario.position_m, axis=0, return_counts=True)
    if np.all(counts == 1):
        return
    place_m = places[np.argmax(counts > 1)]
    here = np.flatnonzero((scenario.position_m == place_m).all(axis=1))
    raise ScenarioError(
        "network.placement: expected devices at places of their own, got devices"
        f" {', '.join(map(str, here))} at {', '.join(f'{x:g}' for x in place_m)} m; change the"
        " placement, or ap_height_m where the access point is a device"
    )
