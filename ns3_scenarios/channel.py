"""The radio channel that scenarios share: path loss, shadowing, fading."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.loss_trace import LossTrace
from ns3_scenarios.mobility import distances_m
from ns3_scenarios.path_loss import PATH_LOSSES, check_heights

if TYPE_CHECKING:
    from ns3_scenarios.scenario import NetworkScenario

FADINGS = ("none", "nakagami", "nakagami_per_frame")
# Random streams of ns-3, clear of those of radios, endpoints and mobility.
SHADOWING_STREAM, FADING_STREAM, SIGHT_STREAM = 1 << 21, 1 << 22, 1 << 23


@dataclass(frozen=True)
class Channel:
    """Loss of a link: L = path loss + X_ij - fading gain [dB], the same in both directions.

    path_loss: a key of PATH_LOSSES; log_distance is L0 + 10 n log10(d / 1 m).
    shadowing_db (n, n): X in sight at the start, symmetric; where devices move it follows them with
    shadowing_sigma_db and decorrelation_distance_m (Gudmundson); out of sight it is
    hidden_sigma_db / shadowing_sigma_db times that. sight_distance_m: over which a model with line
    of sight keeps it. fading: nakagami draws the power
    gain Gamma(m, 1/m) of a link every coherence_time_s; nakagami_per_frame is ns-3's own model,
    which draws for every frame and receiver: no coherence, not reciprocal. spectrum: Spectrum
    instead of Yans PHY. A trace is the whole loss: shadowing is not added.
    Raises ScenarioError where the parts do not fit.
    """

    path_loss: str
    path_loss_exponent: float
    reference_loss_db: float
    shadowing_db: FloatArray
    shadowing_sigma_db: float
    hidden_sigma_db: float
    decorrelation_distance_m: float
    sight_distance_m: float
    fading: str
    nakagami_m: float
    coherence_time_s: float
    spectrum: bool
    trace: LossTrace | None = None

    def __post_init__(self) -> None:
        """Check what a reciprocal channel must fulfil."""
        if not np.all(np.isfinite(self.shadowing_db)):
            raise ScenarioError("shadowing_db: expected finite values")
        if not np.array_equal(self.shadowing_db, self.shadowing_db.T):
            raise ScenarioError("shadowing_db: expected a symmetric matrix; a link is reciprocal")
        if (self.path_loss == "trace") != (self.trace is not None):
            raise ScenarioError(
                "network.loss_trace: expected a file with path_loss trace and none else, got"
                f" {'none' if self.trace is None else 'one'} with {self.path_loss}"
            )

    def check(self, heights_m: FloatArray, links: BoolArray) -> None:
        """Refuse heights (n, 2), lowest and highest of each device, that the model is not for."""
        check_heights(self.path_loss, heights_m, links)


def log_normal_shadowing_db(
    num_devices: int, sigma_db: float, rng: np.random.Generator
) -> FloatArray:
    """Draw one log-normal shadowing value per link, X_ij = X_ji ~ N(0, sigma^2), (n, n) [dB].

    Links are independent of each other, also those that share an end.
    """
    upper = np.triu(rng.normal(0.0, sigma_db, (num_devices, num_devices)), k=1)
    return np.asarray(upper + upper.T)


def link_loss_db(channel: Channel, position_m: FloatArray) -> FloatArray:
    """Return the loss L of every pair of devices, (n, n) [dB]; the diagonal has no meaning.

    A distance below 1 m counts as 1 m, as in ns-3's LogDistancePropagationLossModel.
    """
    apart_m = np.maximum(distances_m(position_m), 1.0)
    distance_db = 10 * channel.path_loss_exponent * np.log10(apart_m)
    return np.asarray(channel.reference_loss_db + distance_db + channel.shadowing_db)


def make_phy(ns: Any, scenario: NetworkScenario, nodes: Any) -> Any:
    """Return a WifiPhyHelper on one channel with the losses of the scenario."""
    losses = make_losses(ns.cosim_native, scenario, nodes)
    return ns.cosim_native.PhyOn(losses[0], scenario.channel.spectrum)


def make_losses(native: Any, scenario: NetworkScenario, nodes: Any) -> list[Any]:
    """Return the loss models of the scenario, each linked to the next."""
    channel = scenario.channel
    losses = [_path_loss(native, scenario, nodes)]
    decorrelation_m = channel.decorrelation_distance_m if scenario.mobility.moves else 0.0
    if channel.trace is None:
        sigma_db = channel.shadowing_sigma_db
        losses.append(
            native.Shadowing(
                nodes,
                channel.shadowing_db.ravel().tolist(),
                sigma_db,
                decorrelation_m,
                SHADOWING_STREAM,
                losses[0],
                channel.hidden_sigma_db / sigma_db if sigma_db else 1.0,
            )
        )
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


def _path_loss(native: Any, scenario: NetworkScenario, nodes: Any) -> Any:
    channel, frequency_hz = scenario.channel, scenario.radio.frequency_hz
    moves = scenario.mobility.moves
    if channel.trace is not None:
        trace = channel.trace
        return native.LossTrace(
            nodes,
            trace.times_s.tolist(),
            trace.loss_db.ravel().tolist(),
            scenario.boot_s,
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
