"""The path-loss models: which there are, and for what each was made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.errors import ScenarioError


@dataclass(frozen=True)
class PathLoss:
    """A model of path loss, and its limits.

    ns3_name: of ns-3's model. least_m: ends that are nearer count as so far apart, on_ground
    without their heights. lowest_m: devices lower than that are refused. base_height_m (base, low,
    high): one end of a link stands at base, the other from low to below high. band_ghz: outside it
    the formula is stretched. sigma_db: shadowing in sight and without. sight_m: distance over which
    line of sight is held, None where there is none, 0 for network.decorrelation_distance_m.
    """

    text: str
    ns3_name: str = ""
    least_m: float = 1.0
    on_ground: bool = False
    lowest_m: float = 0.0
    base_height_m: tuple[float, float, float] | None = None
    band_ghz: tuple[float, float] | None = None
    sigma_db: tuple[float, float] = (4.0, 4.0)
    sight_m: float | None = None
    source: str = ""


LOW_HEIGHT_M = 0.1
# Sigma: table 7.4.1-1 (TR 37.885, 6.2.1, for vehicles; TR 36.843, A.2.1.2, for d2d). Sight: table
# 7.6.3.1-2; TR 37.885 has none for vehicles, so that of streets. uma ends below 13 m, from where on
# ns-3 draws its breakpoint for every frame.
PATH_LOSSES = {
    "log_distance": PathLoss("exponent and loss at 1 m", "LogDistance"),
    "friis": PathLoss("free space", "Friis"),
    "two_ray": PathLoss("two-ray ground", "TwoRayGround", lowest_m=LOW_HEIGHT_M),
    "itu_p1411": PathLoss(
        "ITU-R P.1411 line of sight, mean of its bounds",
        "ItuR1411Los",
        lowest_m=LOW_HEIGHT_M,
        band_ghz=(0.3, 3.0),
        source="ITU-R P.1411, UHF propagation in street canyons",
    ),
    "d2d": PathLoss(
        "outdoor device to device like 3GPP TR 36.843",
        band_ghz=(2.0, 6.0),
        sigma_db=(7.0, 7.0),
        sight_m=0.0,
        source="WINNER+ D5.3, B1",
    ),
    "umi": PathLoss(
        "3GPP TR 38.901 street canyon",
        "ThreeGppUmiStreetCanyon",
        least_m=10.0,
        on_ground=True,
        base_height_m=(10.0, 1.5, 10.0),
        band_ghz=(0.5, 100.0),
        sigma_db=(4.0, 7.82),
        sight_m=50.0,
        source="3GPP TR 38.901, 7.4.1",
    ),
    "uma": PathLoss(
        "3GPP TR 38.901 urban macro",
        "ThreeGppUma",
        least_m=10.0,
        on_ground=True,
        base_height_m=(25.0, 1.5, 13.0),
        band_ghz=(0.5, 100.0),
        sigma_db=(4.0, 6.0),
        sight_m=50.0,
        source="3GPP TR 38.901, 7.4.1",
    ),
    "inh": PathLoss(
        "3GPP TR 38.901 mixed office",
        "ThreeGppIndoorOffice",
        band_ghz=(0.5, 100.0),
        sigma_db=(3.0, 8.03),
        sight_m=10.0,
        source="3GPP TR 38.901, 7.4.1",
    ),
    "v2v_urban": PathLoss(
        "3GPP TR 37.885 vehicles in streets",
        "ThreeGppV2vUrban",
        sigma_db=(3.0, 4.0),
        sight_m=50.0,
        source="3GPP TR 37.885, 6.2.1",
    ),
    "v2v_highway": PathLoss(
        "3GPP TR 37.885 vehicles on a highway",
        "ThreeGppV2vHighway",
        sigma_db=(3.0, 4.0),
        sight_m=50.0,
        source="3GPP TR 37.885, 6.2.1",
    ),
    "trace": PathLoss("a table of losses from a file", least_m=0.0, sigma_db=(0.0, 0.0)),
}


def check_heights(name: str, heights_m: FloatArray, links: BoolArray) -> None:
    """Refuse heights (n, 2), lowest and highest of each device, that a model was not made for."""
    model = PATH_LOSSES[name]
    low_m, high_m = heights_m.T
    if np.any(low_m < model.lowest_m):
        i = int(low_m.argmin())
        raise ScenarioError(
            f"network.path_loss: expected antennas above {model.lowest_m:g} m with {name}, got"
            f" device {i} at {low_m[i]:g} m; raise network.device_height_m, or z_m of the placement"
        )
    if model.base_height_m is None:
        return
    base_m, from_m, below_m = model.base_height_m
    up = (low_m == base_m) & (high_m == base_m)
    down = (low_m >= from_m) & (high_m < below_m) & ~up
    fits = (up[:, None] & down) | (down[:, None] & up)
    if np.any(links & ~fits):
        i, j = np.argwhere(links & ~fits)[0]
        raise ScenarioError(
            f"network.path_loss: expected one end of each link at {base_m:g} m and the other from"
            f" {from_m:g} to below {below_m:g} m with {name} ({model.source}), got devices {i} and"
            f" {j} at {_span(heights_m[i])} and {_span(heights_m[j])} m; use inh or d2d between"
            " devices of one height"
        )


def remarks(
    name: str, frequency_hz: float, least_m: FloatArray, at_s: FloatArray | None
) -> list[str]:
    """Say where a run leaves what a model was made for: band, and the least distance.

    least_m, at_s (n, n): how near pairs come, and when if they move; upper triangle.
    """
    model, said = PATH_LOSSES[name], []
    f_ghz = frequency_hz / 1e9
    if model.band_ghz is not None and not model.band_ghz[0] <= f_ghz <= model.band_ghz[1]:
        low_ghz, high_ghz = model.band_ghz
        said.append(
            f"network.path_loss {name} was made for {low_ghz:g} to {high_ghz:g} GHz"
            f" ({model.source}); the channel is at {f_ghz:.3f} GHz, where it is stretched"
        )
    above = np.triu(np.ones_like(least_m, dtype=np.bool_), k=1)
    near = above & (least_m < model.least_m)
    if near.any():
        i, j = np.unravel_index(np.where(above, least_m, np.inf).argmin(), least_m.shape)
        when = "" if at_s is None else f" at {at_s[i, j]:.4g} s"
        others = f" (so do {near.sum() - 1} more pairs)" if near.sum() > 1 else ""
        ground = " on the ground" if model.on_ground else ""
        said.append(
            f"devices {i} and {j} come within {least_m[i, j]:.3g} m{ground} of each other"
            f"{when}{others}: network.path_loss {name} counts less than {model.least_m:g} m as"
            f" {model.least_m:g} m"
        )
    return said


def _span(heights_m: FloatArray) -> str:
    low_m, high_m = heights_m
    return f"{low_m:g}" if low_m == high_m else f"{low_m:g} to {high_m:g}"
