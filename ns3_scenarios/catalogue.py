"""The scenarios by name."""

from collections.abc import Callable
from typing import Any

from ns3_scenarios import mesh80211
from ns3_scenarios.scenario import NetworkScenario

Builder = Callable[[Any, NetworkScenario], tuple[Any, list[Any], list[Any]]]

SCENARIOS: dict[str, Builder] = {"mesh80211": mesh80211.build}


def builder(name: str) -> Builder:
    """Return the function that builds the named scenario."""
    return SCENARIOS[name]
