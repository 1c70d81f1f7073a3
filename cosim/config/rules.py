"""Rules between fields of several sections: what cannot run is refused."""

from __future__ import annotations

from cosim.config.given_traffic import given_traffic
from cosim.config.model import RunConfig
from cosim.planning.forecast import BELIEFS
from cosim.planning.rules import find_rule
from cosim.policies.catalogue import find_policy
from ns3_scenarios.catalogue import kind_of
from ns3_scenarios.description.network_kind import NETWORK_KINDS, RUNS_NS3
from ns3_scenarios.description.path_loss import PATH_LOSSES
from ns3_scenarios.description.scenario import RecordingSettings
from ns3_scenarios.description.transport import ANSWERED, TRANSPORTS
from ns3_scenarios.errors import ScenarioError

RECORDINGS = tuple(RecordingSettings.model_fields)


def check(config: RunConfig) -> None:
    """Raise ScenarioError where fields contradict each other, or an own rule is none."""
    find_rule(config.iteration.rule)
    _check_policy(config)
    _check_codecs(config)
    _check_kind(config)
    _check_segments(config)
    _check_transport(config)
    if BELIEFS[config.iteration.costs].is_formula and config.network.path_loss != "log_distance":
        others = " or ".join(name for name, belief in BELIEFS.items() if not belief.is_formula)
        raise ScenarioError(
            f"iteration.costs: expected {others} with network.path_loss {config.network.path_loss},"
            f" got {config.iteration.costs}; its formula knows log_distance only"
        )


def _check_policy(config: RunConfig) -> None:
    """Refuse a choice of neighbours where nobody answers, so that nobody knows who is there."""
    policy, transport = find_policy(config.policy, config.policy_options), config.network.transport
    if policy.chooses and not TRANSPORTS[transport].is_answered:
        others = " or ".join(name for name, each in TRANSPORTS.items() if each.is_answered)
        raise ScenarioError(
            f"network.transport: expected {others} with policy {config.policy}, which chooses"
            f" neighbours, got {transport}"
        )


def _check_codecs(config: RunConfig) -> None:
    """Refuse a policy that chooses codecs where the exchange leaves it no choice."""
    learning = config.learning
    sets_codec = find_policy(config.policy, config.policy_options).sets_codec
    if sets_codec and (len(learning.codecs) == 1 or not learning.learns):
        field, expected, got = "mixing", "metropolis", str(learning.mixing)
        if not learning.learns:
            field, expected, got = "method", "one that learns", learning.method
        elif learning.late_weight > 0:
            field, expected, got = "late_weight", "0", f"{learning.late_weight:g}"
        raise ScenarioError(
            f"learning.{field}: expected {expected} with policy {config.policy}, which chooses"
            f" codecs, got {got}"
        )


def _check_kind(config: RunConfig) -> None:
    """Refuse what the kind of network has not."""
    net, energy = config.network, config.energy
    reads = NETWORK_KINDS[net.kind].needs
    if reads and getattr(net, reads) is None:
        raise ScenarioError(
            f"network.{reads}: expected what network.kind {net.kind} reads, got none; name it with"
            f" --network.{reads}"
        )
    if NETWORK_KINDS[net.kind].has_packets:
        return
    # (field, what it has to be, what it is, whether that is so, what the others have)
    needs = (
        ("network.mobility", "static", net.mobility, not net.moves, "moves devices"),
        ("network.interferers", "0", net.interferers, net.interferers == 0, "has contention"),
        ("energy.radio_sleep", "false", "true", not energy.radio_sleep, "has sleeping radios"),
        (
            *("energy.revival_j", "none", energy.revival_j, energy.revival_j is None),
            "brings devices back",
        ),
    )
    for field, expected, got, is_so, what in needs:
        if not is_so:
            said = f"{got:g}" if isinstance(got, float) else got
            raise ScenarioError(
                f"{field}: expected {expected} with network.kind {net.kind}, got {said};"
                f" only {' and '.join(RUNS_NS3)} {what}"
            )
    if reads and not TRANSPORTS[net.transport].is_answered:
        raise ScenarioError(
            f"network.transport: expected {' or '.join(ANSWERED)} with network.kind {net.kind},"
            f" got {net.transport} (a mean loss does not say which datagrams are lost)"
        )
    plain = (net.path_loss, net.fading) == ("log_distance", "none")
    if NETWORK_KINDS[net.kind].has_channel and not plain:
        raise ScenarioError(
            f"network.path_loss: expected log_distance without fading with network.kind {net.kind},"
            f" got {net.path_loss} with fading {net.fading}; use --network.kind ns3"
        )


def _check_segments(config: RunConfig) -> None:
    """Refuse what a network that begins anew cannot go on with."""
    net = config.network
    if net.segment_rounds is None or net.kind not in RUNS_NS3:
        return
    kind, model = kind_of(config.scenario), PATH_LOSSES[net.path_loss]
    fixed_ap = kind is not None and kind.has_access_point and not net.ap_is_device
    # (field, what it has to be, whether that is so); where nothing moves, a link stays as it is.
    needs = (
        ("network.mobility", "no ns2_trace", net.mobility != "ns2_trace"),
        ("network.path_loss", "one without line of sight", net.moves or model.sight_m is None),
        ("network.ap_is_device", "true", not fixed_ap),
        ("network.interferers", "0", net.interferers == 0),
        ("network.loss_trace", "none", net.loss_trace is None),
        ("energy.revival_j", "none", config.energy.revival_j is None),
        *((f"network.{name}", "false", not getattr(net, name)) for name in RECORDINGS),
    )
    for field, expected, is_so in needs:
        if not is_so:
            raise ScenarioError(
                f"{field}: expected {expected} with network.segment_rounds, since ns-3 begins anew"
                " in each segment; take one of them out"
            )


def _check_transport(config: RunConfig) -> None:
    """Refuse what the transport does not carry."""
    net, late_weight = config.network, config.learning.late_weight
    transport = TRANSPORTS[net.transport]
    if net.sync == "oracle" and not transport.is_answered:
        raise ScenarioError(
            f"network.sync: expected fixed_period with transport {net.transport}, got oracle"
            " (nobody can tell when what was lost would have arrived)"
        )
    if transport.one_for_all and config.learning.mixing == "push_sum":
        others = ", ".join(name for name, each in TRANSPORTS.items() if not each.one_for_all)
        raise ScenarioError(
            f"network.transport: expected {' or '.join(others.rsplit(', ', 1))} with"
            f" learning.mixing push_sum, got {net.transport} (each neighbour is sent totals of its"
            " own)"
        )
    learning = config.learning
    if transport.one_for_all and not learning.learns and given_traffic(config).links is not None:
        raise ScenarioError(
            f"learning.traffic_file: expected no column dst with transport {net.transport}, whose"
            f" transmissions are for all in range, got one in {learning.traffic_file}"
        )
    if late_weight > 0 and transport.no_rests:
        raise ScenarioError(
            f"learning.late_weight: expected 0 with transport {net.transport}, got"
            f" {late_weight:g} ({transport.no_rests})"
        )
