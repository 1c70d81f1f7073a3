"""The radio channel that scenarios share: path loss and shadowing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.errors import ScenarioError


@dataclass(frozen=True)
class Channel:
    """Loss of a link: L = L0 + 10 n log10(d / 1 m) + X_ij [dB].

    shadowing_db (n, n): X, symmetric. Raises ScenarioError where it is not.
    """

    path_loss_exponent: float
    reference_loss_db: float
    shadowing_db: FloatArray

    def __post_init__(self) -> None:
        """Check what a reciprocal channel must fulfil."""
        if not np.all(np.isfinite(self.shadowing_db)):
            raise ScenarioError("shadowing_db: expected finite values")
        if not np.array_equal(self.shadowing_db, self.shadowing_db.T):
            raise ScenarioError("shadowing_db: expected a symmetric matrix; a link is reciprocal")


def log_normal_shadowing_db(
    num_devices: int, sigma_db: float, rng: np.random.Generator
) -> FloatArray:
    """Draw one log-normal shadowing value per link, X_ij = X_ji ~ N(0, sigma^2), (n, n) [dB].

    Constant in time; links are independent of each other, also those that share an end.
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


def yans_phy(ns: Any, channel: Channel, nodes: Any) -> Any:
    """Return a WifiPhyHelper on one Yans channel; propagation at light speed."""
    loss = ns.CreateObject[ns.LogDistancePropagationLossModel]()
    loss.SetPathLossExponent(channel.path_loss_exponent)
    loss.SetReference(1.0, channel.reference_loss_db)
    shadowing = ns.CreateObject[ns.MatrixPropagationLossModel]()
    shadowing.SetDefaultLoss(0.0)
    _shadow(ns, shadowing, nodes, channel.shadowing_db)
    loss.SetNext(shadowing)
    yans = ns.CreateObject[ns.YansWifiChannel]()
    yans.SetPropagationLossModel(loss)
    yans.SetPropagationDelayModel(ns.CreateObject[ns.ConstantSpeedPropagationDelayModel]())
    phy = ns.YansWifiPhyHelper()
    phy.SetChannel(yans)
    return phy


def _shadow(ns: Any, model: Any, nodes: Any, shadowing_db: FloatArray) -> None:
    """Give every link its shadowing value."""
    mobility = [
        nodes.Get(i).__deref__().GetObject[ns.MobilityModel]() for i in range(len(shadowing_db))
    ]
    for i, a in enumerate(mobility):
        for j, b in enumerate(mobility[:i]):
            model.SetLoss(a, b, float(shadowing_db[i, j]), True)
