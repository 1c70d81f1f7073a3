"""The scenarios by name."""

from collections.abc import Callable
from typing import Any

from ns3_scenarios import adhoc80211, mesh80211
from ns3_scenarios.scenario import NetworkScenario

Builder = Callable[[Any, NetworkScenario], tuple[list[Any], list[Any]]]

SCENARIOS: dict[str, Builder] = {
    "adhoc80211": adhoc80211.build,
    "mesh80211": mesh80211.build,
}
CHECKS: dict[str, Callable[[NetworkScenario], None]] = {"mesh80211": mesh80211.check}


def builder(name: str) -> Builder:
    """Return the function that builds the named scenario."""
    return SCENARIOS[name]


def check(scenario: NetworkScenario) -> None:
    """Raise ScenarioError where a scenario cannot be built as it is described."""
    if scenario.name in CHECKS:
        CHECKS[scenario.name](scenario)
