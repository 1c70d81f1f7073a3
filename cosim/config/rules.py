"""Rules between fields of several sections: what cannot run is refused."""

from __future__ import annotations

from cosim.config.model import RunConfig
from cosim.planning.rules import find_rule
from ns3_scenarios.description.transport import UNANSWERED
from ns3_scenarios.errors import ScenarioError


def check(config: RunConfig) -> None:
    """Raise ScenarioError where fields contradict each other, or an own rule is none."""
    find_rule(config.iteration.rule)
    net = config.network
    if net.kind != "ns3" and net.mobility != "static":
        raise ScenarioError(
            f"network.mobility: expected static with network.kind {net.kind}, got {net.mobility};"
            " only ns3 moves devices"
        )
    if net.kind == "analytic" and (net.path_loss, net.fading) != ("log_distance", "none"):
        raise ScenarioError(
            "network.path_loss: expected log_distance without fading with network.kind analytic,"
            f" got {net.path_loss} with fading {net.fading}; use --network.kind ns3"
        )
    if net.sync == "oracle" and net.transport in UNANSWERED:
        raise ScenarioError(
            f"network.sync: expected fixed_period with transport {net.transport}, got oracle"
            " (nobody can tell when what was lost would have arrived)"
        )
    if net.transport == "broadcast" and config.learning.mixing == "push_sum":
        raise ScenarioError(
            "network.transport: expected arq, tcp or udp with learning.mixing push_sum, got"
            " broadcast (each neighbour is sent totals of its own)"
        )
    if net.transport != "arq" and config.learning.late_weight > 0:
        reason = "its senders do not know what is missing"
        if net.transport == "tcp":
            reason = "its connections cannot take back what they hold"
        raise ScenarioError(
            f"learning.late_weight: expected 0 with transport {net.transport}, got"
            f" {config.learning.late_weight:g} ({reason})"
        )
    if net.kind != "ns3" and net.interferers:
        raise ScenarioError(
            f"network.interferers: expected 0 with network.kind {net.kind}, got {net.interferers};"
            " only ns3 has contention"
        )
    if net.kind != "ns3" and config.energy.radio_sleep:
        raise ScenarioError(
            f"energy.radio_sleep: expected false with network.kind {net.kind}, got true; only ns3"
            " has sleeping radios"
        )
    if net.kind != "ns3" and config.energy.revival_j is not None:
        raise ScenarioError(
            f"energy.revival_j: expected none with network.kind {net.kind}, got"
            f" {config.energy.revival_j:g}; only ns3 brings devices back"
        )
