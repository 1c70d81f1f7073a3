"""Sets the attributes that ns-3 makes its objects with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ns3_scenarios import radio, transport
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.scenario import NetworkScenario


def set_defaults(ns: Any, scenario: NetworkScenario, own: Mapping[str, Any] | None = None) -> None:
    """Set those of the radio and the transport, then a builder's own, then the user's.

    Names are those below ns3::. Raises ScenarioError for what ns-3 does not know.
    """
    attributes = (
        radio.defaults(scenario.radio)
        | transport.defaults(scenario.transport, scenario.radio)
        | dict(own or {})
        | scenario.ns3_defaults
    )
    for name, value in attributes.items():
        if not ns.Config.SetDefaultFailSafe(f"ns3::{name}", ns.StringValue(str(value))):
            raise ScenarioError(
                f"network.ns3_defaults: expected an attribute of ns-3 and a value that fits it, got"
                f" ns3::{name} = {value}"
            )
