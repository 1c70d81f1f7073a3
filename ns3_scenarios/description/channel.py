"""The radio channel that scenarios share: path loss, shadowing, fading."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.description.fields import Settings, choice, quantity
from ns3_scenarios.description.loss_trace import LossTrace
from ns3_scenarios.description.mobility import distances_m
from ns3_scenarios.description.network_kind import RUNS_NS3, WITH_CHANNEL, WITH_PACKETS
from ns3_scenarios.description.path_loss import PATH_LOSSES, check_heights
from ns3_scenarios.description.shadowing import ShadowingField
from ns3_scenarios.errors import ScenarioError


def _sigmas() -> list[str]:
    """Say which shadowing each model has, in sight and without."""
    of: dict[str, list[str]] = {}
    for name, model in PATH_LOSSES.items():
        if name != "trace":
            of.setdefault(" / ".join(f"{x:g}" for x in dict.fromkeys(model.sigma_db)), []).append(
                name
            )
    return [f"{sigma} dB {', '.join(names)}" for sigma, names in of.items()]


class ChannelSettings(Settings):
    """Path loss, shadowing, fading."""

    path_loss: Literal[tuple(PATH_LOSSES)] = choice(  # type: ignore[valid-type]
        "log_distance",
        "; ".join(f"{name}: {model.text}" for name, model in PATH_LOSSES.items()),
        when={"kind": WITH_PACKETS},
    )
    path_loss_exponent: float = quantity(
        3.0,
        "Exponent of log-distance path loss",
        "",
        1.5,
        6.0,
        when={"kind": WITH_CHANNEL, "path_loss": ["log_distance"]},
    )
    reference_loss_db: float | None = quantity(
        None,
        "Path loss at 1 m; by default that of free space in the channel",
        "dB",
        0.0,
        100.0,
        when={"kind": WITH_CHANNEL, "path_loss": ["log_distance"]},
    )
    shadowing_sigma_db: float | None = quantity(
        None,
        "Standard deviation of log-normal shadowing; by default path_loss's own: "
        + "; ".join(_sigmas()),
        "dB",
        0.0,
        20.0,
        when={"kind": WITH_CHANNEL, "path_loss": "not trace"},
    )
    shadowing_model: Literal["independent", "network"] = choice(
        "independent",
        "independent: a value of each link's own; network: what the link crosses of one field of"
        " obstacles, so that links near each other, or with an end in common, have much in common"
        " (Agrawal, Patwari 2009)",
        when={"kind": WITH_CHANNEL, "path_loss": "not trace"},
    )
    shadowing_decay_m: float = quantity(
        0.21,
        "Distance over which the field of shadowing_model network changes; links of about this"
        " length and below have less than shadowing_sigma_db",
        "m",
        0.01,
        1e4,
        when={
            "kind": WITH_CHANNEL,
            "path_loss": "not trace",
            "shadowing_model": ["network"],
        },
    )
    decorrelation_distance_m: float = quantity(
        20.0,
        "Distance over which shadowing (independent) and line of sight (d2d; of others: "
        + ", ".join(f"{k} {v.sight_m:g} m" for k, v in PATH_LOSSES.items() if v.sight_m)
        + ") of moving devices change",
        "m",
        0.1,
        1e4,
        when={
            "mobility": ["random_waypoint", "gauss_markov", "ns2_trace"],
            "path_loss": "not trace",
        },
    )
    fading: Literal["none", "nakagami", "nakagami_per_frame"] = choice(
        "none",
        "none; nakagami: reciprocal, constant for coherence_time_s; nakagami_per_frame:"
        " ns-3's own, drawn for every frame and receiver",
        when={"kind": WITH_PACKETS},
    )
    nakagami_m: float = quantity(
        1.0,
        "Nakagami's m; 1 is Rayleigh fading",
        "",
        0.5,
        100.0,
        when={"fading": ["nakagami", "nakagami_per_frame"]},
    )
    coherence_time_s: float = quantity(
        0.1, "Time between two draws of fading", "s", 1e-4, 1e6, when={"fading": ["nakagami"]}
    )
    loss_trace_end: Literal["hold", "loop", "stop"] = choice(
        "hold",
        "After the last time: hold the last losses; loop; stop: refuse a run that"
        " outlasts the trace",
        when={"path_loss": ["trace"]},
    )
    phy: Literal["yans", "spectrum"] = choice(
        "yans",
        "PHY model of ns-3; spectrum also models partly overlapping channels",
        when={"kind": WITH_PACKETS},
    )
    air: Literal["stock", "lean"] = choice(
        "lean",
        "How phy yans carries frames: stock, as ns-3 does; lean, the same results with less work:"
        " losses kept between devices that stay, arrivals below rx_sensitivity_dbm left out, those"
        " below preamble_detection_dbm put off until a radio hears more (in 20 MHz), sums of power"
        " read in place",
        when={"kind": RUNS_NS3, "phy": ["yans"]},
    )


class Channel(ChannelSettings):
    """Loss of a link: L = path loss + X_ij - fading gain [dB], the same in both directions.

    log_distance is L0 + 10 n log10(d / 1 m), with L0 = reference_loss_db.
    shadowing_db (n, n): X in sight at the start, symmetric; where devices move it follows them with
    shadowing_sigma_db and decorrelation_distance_m (Gudmundson), or as shadowing_field has it, if
    there is one; out of sight it is hidden_sigma_db / shadowing_sigma_db times that.
    sight_distance_m: over which a model with line of sight keeps it. fading: nakagami draws the
    power gain Gamma(m, 1/m) of a link every coherence_time_s; nakagami_per_frame is ns-3's own
    model, which draws for every frame and receiver: no coherence, not reciprocal. A trace is the
    whole loss: shadowing is not added.
    Raises ScenarioError where the parts do not fit.
    """

    reference_loss_db: float
    shadowing_db: Any  # (n, n) of floats
    shadowing_sigma_db: float
    hidden_sigma_db: float
    sight_distance_m: float
    shadowing_field: ShadowingField | None = None
    trace: LossTrace | None = None

    @model_validator(mode="after")
    def _is_reciprocal(self) -> Channel:
        if not np.all(np.isfinite(self.shadowing_db)):
            raise ScenarioError("shadowing_db: expected finite values")
        if not np.array_equal(self.shadowing_db, self.shadowing_db.T):
            raise ScenarioError("shadowing_db: expected a symmetric matrix; a link is reciprocal")
        if (self.path_loss == "trace") != (self.trace is not None):
            raise ScenarioError(
                "network.loss_trace: expected a file with path_loss trace and none else, got"
                f" {'none' if self.trace is None else 'one'} with {self.path_loss}"
            )
        in_field = self.shadowing_model == "network" and self.trace is None
        if in_field != (self.shadowing_field is not None):
            raise ScenarioError(
                "shadowing_field: expected one with shadowing_model network (but no trace), and"
                f" none else, got {self.shadowing_model}"
            )
        return self

    @property
    def is_lean(self) -> bool:
        """Whether ns-3 carries frames with less work than its own channel."""
        return self.phy == "yans" and self.air == "lean"

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
