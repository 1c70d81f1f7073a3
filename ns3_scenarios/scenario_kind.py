"""What a scenario is, and what it can: asked for by ability, never by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ns3_scenarios.description.scenario import NetworkScenario

Builder = Callable[[Any, NetworkScenario], tuple[list[Any], list[Any]]]


@dataclass(frozen=True)
class ScenarioKind:
    """A way to build a network of devices.

    build(ns, scenario): IP devices, and the radios below them. is_ad_hoc: devices send to each
    other directly, as a sleeping radio, a routing protocol and a broadcast need. forwards: its MAC
    finds paths over several hops (peering by beacons). has_access_point. check: raises
    ScenarioError for what ns-3 cannot do in it.
    """

    build: Builder
    is_ad_hoc: bool = False
    forwards: bool = False
    has_access_point: bool = False
    check: Callable[[NetworkScenario], None] = lambda scenario: None
