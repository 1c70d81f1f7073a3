"""Makes ns-3's losses of the channel's description."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ns3_scenarios.description.path_loss import PATH_LOSSES
from ns3_scenarios.description.scenario import NetworkScenario

# Random streams of ns-3, clear of those of radios, endpoints and mobility.
SHADOWING_STREAM, FADING_STREAM, SIGHT_STREAM = 1 << 21, 1 << 22, 1 << 23


def make_phy(ns: Any, scenario: NetworkScenario, nodes: Any) -> Any:
    """Return a WifiPhyHelper on one channel with the losses of the scenario."""
    native, channel = ns.cosim_native, scenario.channel
    losses = make_losses(native, scenario, nodes)
    if channel.is_lean:
        stays = not scenario.mobility.moves and channel.fading == "none" and channel.trace is None
        return native.LeanPhyOn(losses[0], stays)
    return native.PhyOn(losses[0], channel.phy == "spectrum")


def make_losses(native: Any, scenario: NetworkScenario, nodes: Any) -> list[Any]:
    """Return the loss models of the scenario, each linked to the next."""
    channel = scenario.channel
    losses = [_path_loss(native, scenario, nodes)]
    if channel.trace is None:
        losses.append(_shadowing(native, scenario, nodes, losses[0]))
    losses.append(native.MakeLinkBudget())
    if channel.fading == "nakagami":
        losses.append(
            native.BlockFading(nodes, channel.nakagami_m, channel.coherence_time_s, FADING_STREAM)
        )
    elif channel.fading == "nakagami_per_frame":
        m = str(channel.nakagami_m)
        attributes = ["m0", m, "m1", m, "m2", m]
        name = "ns3::NakagamiPropagationLossModel"
        losses.append(native.Ns3Loss(name, attributes, FADING_STREAM))
    for before, after in pairwise(losses):
        before.SetNext(after)
    return losses


def _shadowing(native: Any, scenario: NetworkScenario, nodes: Any, path_loss: Any) -> Any:
    channel, moves = scenario.channel, scenario.mobility.moves
    sigma_db, field = channel.shadowing_sigma_db, channel.shadowing_field
    start_db = channel.shadowing_db.ravel().tolist()
    hidden_factor = channel.hidden_sigma_db / sigma_db if sigma_db else 1.0
    if field is not None:
        rows, columns = field.values.shape
        held = native.Field(*field.origin_m, field.step_m, rows, columns, field.values.ravel())
        return native.FieldShadowing(nodes, start_db, moves, held, path_loss, hidden_factor)
    decorrelation_m = channel.decorrelation_distance_m if moves else 0.0
    return native.Shadowing(
        *(nodes, start_db, sigma_db, decorrelation_m),
        *(SHADOWING_STREAM, path_loss, hidden_factor),
    )


def _path_loss(native: Any, scenario: NetworkScenario, nodes: Any) -> Any:
    channel, frequency_hz = scenario.channel, scenario.radio.frequency_hz
    moves = scenario.mobility.moves
    if channel.trace is not None:
        trace = channel.trace
        return native.LossTrace(
            nodes,
            trace.times_s.tolist(),
            trace.loss_db.ravel().tolist(),
            scenario.settings.boot_s,
            trace.period_s,
            native.LOOP if trace.end == "loop" else native.HOLD,
        )
    model = PATH_LOSSES[channel.path_loss]
    name = f"ns3::{model.ns3_name}PropagationLossModel" if model.ns3_name else ""
    if model.sight_m is not None:
        return native.SightedLoss(
            nodes,
            channel.path_loss,
            name,
            ["Frequency", str(frequency_hz), "ShadowingEnabled", "false"],
            frequency_hz,
            model.least_m,
            model.on_ground,
            channel.sight_distance_m if moves else 0.0,
            SIGHT_STREAM,
        )
    if channel.path_loss == "log_distance":
        # ns-3 itself holds ends apart by the reference distance.
        attributes = [
            *("Exponent", str(channel.path_loss_exponent)),
            *("ReferenceDistance", f"{model.least_m:g}"),
            *("ReferenceLoss", str(channel.reference_loss_db)),
        ]
        return native.Ns3Loss(name, attributes, SIGHT_STREAM)
    loss = native.Ns3Loss(name, ["Frequency", str(frequency_hz)], SIGHT_STREAM)
    return native.HeldApart(loss, model.least_m, model.on_ground)
