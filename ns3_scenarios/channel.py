"""The radio channel that scenarios share: path loss, shadowing, fading."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.errors import ScenarioError

if TYPE_CHECKING:
    from ns3_scenarios.scenario import NetworkScenario

TRACE_ENDS = ("hold", "loop", "stop")
FADINGS = ("none", "nakagami", "nakagami_per_frame")
# Random streams of ns-3, clear of those of radios, endpoints and mobility.
SHADOWING_STREAM, FADING_STREAM, SIGHT_STREAM = 1 << 21, 1 << 22, 1 << 23
ALIGNED_HEIGHT_M = {"umi": (10.0, 1.5, 10.0), "uma": (25.0, 1.5, 22.5)}
LOW_HEIGHT_M = 0.1


@dataclass(frozen=True)
class _Model:
    """A path-loss model of ns-3 and, where it knows line of sight, who decides on that."""

    text: str
    ns3_name: str = ""
    condition: str = ""


PATH_LOSSES = {
    "log_distance": _Model("exponent and loss at 1 m", "LogDistance"),
    "friis": _Model("free space", "Friis"),
    "two_ray": _Model("two-ray ground", "TwoRayGround"),
    "itu_p1411": _Model("ITU-R P.1411 line of sight, mean of its bounds", "ItuR1411Los"),
    "d2d": _Model("outdoor device to device like 3GPP TR 36.843"),
    "umi": _Model(
        "3GPP TR 38.901 street canyon", "ThreeGppUmiStreetCanyon", "ThreeGppUmiStreetCanyon"
    ),
    "uma": _Model("3GPP TR 38.901 urban macro", "ThreeGppUma", "ThreeGppUma"),
    "inh": _Model(
        "3GPP TR 38.901 mixed office", "ThreeGppIndoorOffice", "ThreeGppIndoorMixedOffice"
    ),
    "v2v_urban": _Model("3GPP TR 37.885 vehicles in streets"),
    "v2v_highway": _Model("3GPP TR 37.885 vehicles on a highway"),
    "trace": _Model("a table of losses from a file"),
}


@dataclass(frozen=True)
class LossTrace:
    """Measured or ray-traced losses: row t of loss_db (t, n, n) [from, to] holds from times_s[t].

    times_s (t) from the start of the first round on [s]; before that the first row holds. end:
    hold keeps the last row, loop starts again after the last time plus the last step, stop refuses
    runs that outlast it.
    """

    times_s: FloatArray
    loss_db: FloatArray
    end: str

    @property
    def period_s(self) -> float:
        """How long the trace lasts [s]: the last row as long as the one before."""
        last_step_s = self.times_s[-1] - self.times_s[-2] if len(self.times_s) > 1 else np.inf
        return float(self.times_s[-1] + last_step_s)


@dataclass(frozen=True)
class Channel:
    """Loss of a link: L = path loss + X_ij - fading gain [dB], the same in both directions.

    path_loss: a key of PATH_LOSSES; log_distance is L0 + 10 n log10(d / 1 m).
    shadowing_db (n, n): X at the start, symmetric; where devices move it follows them with
    shadowing_sigma_db and decorrelation_distance_m (Gudmundson). fading: nakagami draws the power
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
    decorrelation_distance_m: float
    sight_update_s: float
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

    def check(self, position_m: FloatArray, neighbours: Any) -> None:
        """Refuse device heights that a model was not made for."""
        z_m = position_m[:, 2]
        if self.path_loss in ("two_ray", "itu_p1411") and np.any(z_m < LOW_HEIGHT_M):
            raise ScenarioError(
                f"network.device_height_m: expected above {LOW_HEIGHT_M:g} m with path loss"
                f" {self.path_loss}, got {z_m.min():g}"
            )
        if self.path_loss in ALIGNED_HEIGHT_M:
            base_m, low_m, high_m = ALIGNED_HEIGHT_M[self.path_loss]
            up = z_m == base_m
            down = (z_m >= low_m) & (z_m < high_m) & ~up
            fits = (up[:, None] & down) | (down[:, None] & up)
            if np.any(neighbours & ~fits):
                i, j = np.argwhere(neighbours & ~fits)[0]
                raise ScenarioError(
                    f"network.path_loss: expected one end of each link at {base_m:g} m and the"
                    f" other from {low_m:g} to {high_m:g} m with {self.path_loss} (3GPP TR 38.901,"
                    f" 7.4.1), got devices {i} and {j} at {z_m[i]:g} and {z_m[j]:g} m; use inh or"
                    " d2d between devices of one height"
                )


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
    apart_m = np.linalg.norm(position_m[:, None] - position_m, axis=-1)
    distance_db = 10 * channel.path_loss_exponent * np.log10(np.maximum(apart_m, 1.0))
    return np.asarray(channel.reference_loss_db + distance_db + channel.shadowing_db)


def read_loss_trace(path: Path, num_devices: int, end: str) -> LossTrace:
    """Read losses from a CSV or Parquet file with columns time_s, i, j, loss_db.

    A pair that is there in one direction only counts for both. Raises ScenarioError where a pair
    is missing at a time.
    """
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ScenarioError(
            f"network.loss_trace: expected a readable CSV or Parquet file, got {path} ({error})"
        ) from None
    columns = ["time_s", "i", "j", "loss_db"]
    if not set(columns) <= set(table.columns):
        raise ScenarioError(
            f"network.loss_trace: expected columns {', '.join(columns)},"
            f" got {', '.join(map(str, table.columns))} in {path}"
        )
    numbers = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if not np.all(np.isfinite(numbers)) or not len(numbers):
        raise ScenarioError(f"network.loss_trace: expected rows of numbers in {path}")
    devices = numbers[:, 1:3]
    if np.any((devices < 0) | (devices >= num_devices) | (devices % 1 != 0)):
        raise ScenarioError(
            f"network.loss_trace: expected devices 0 to {num_devices - 1} in i and j of {path}"
        )
    times_s, row = np.unique(numbers[:, 0], return_inverse=True)
    loss_db = np.full((len(times_s), num_devices, num_devices), np.nan)
    loss_db[row, devices[:, 0].astype(int), devices[:, 1].astype(int)] = numbers[:, 3]
    loss_db = np.where(np.isnan(loss_db), loss_db.transpose(0, 2, 1), loss_db)
    loss_db[:, np.arange(num_devices), np.arange(num_devices)] = 0.0
    if np.isnan(loss_db).any():
        t, i, j = np.argwhere(np.isnan(loss_db))[0]
        raise ScenarioError(
            f"network.loss_trace: expected every pair at every time, got none of devices {i} and"
            f" {j} at {times_s[t]:g} s in {path}; add the row"
        )
    return LossTrace(times_s - times_s[0], loss_db, end)


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
        losses.append(
            native.Shadowing(
                nodes,
                channel.shadowing_db.ravel().tolist(),
                channel.shadowing_sigma_db,
                decorrelation_m,
                SHADOWING_STREAM,
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
        losses.append(native.PathLoss(name, attributes, "", 0.0, FADING_STREAM))
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
    if channel.path_loss == "d2d":
        decorrelation_m = channel.decorrelation_distance_m if moves else 0.0
        return native.DeviceToDeviceLoss(nodes, frequency_hz, decorrelation_m, SIGHT_STREAM)
    sight_update_s = channel.sight_update_s if moves else 0.0
    if channel.path_loss in ("v2v_urban", "v2v_highway"):
        on_highway = channel.path_loss == "v2v_highway"
        return native.VehicleLoss(nodes, on_highway, frequency_hz, sight_update_s, SIGHT_STREAM)
    model = PATH_LOSSES[channel.path_loss]
    attributes = ["Frequency", str(frequency_hz)]
    if channel.path_loss == "log_distance":
        attributes = [
            *("Exponent", str(channel.path_loss_exponent)),
            *("ReferenceDistance", "1", "ReferenceLoss", str(channel.reference_loss_db)),
        ]
    elif model.condition:
        attributes += ["ShadowingEnabled", "false"]
    return native.PathLoss(
        f"ns3::{model.ns3_name}PropagationLossModel",
        attributes,
        f"ns3::{model.condition}ChannelConditionModel" if model.condition else "",
        sight_update_s,
        SIGHT_STREAM,
    )
