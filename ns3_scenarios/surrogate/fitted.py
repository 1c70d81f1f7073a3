"""What was fitted to runs of packets, and for which networks; others are refused."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tomllib

from ns3_scenarios.analytic import link_snr_db
from ns3_scenarios.description.channel import ChannelSettings
from ns3_scenarios.description.radio import RadioSettings
from ns3_scenarios.description.scenario import MeshSettings, NetworkScenario
from ns3_scenarios.description.transport import TransportSettings
from ns3_scenarios.errors import ScenarioError

FILE = Path(__file__).with_name("fitted.toml")
KIND = "network.kind surrogate"
# Free within their ranges, or without an effect on what is played.
FREE = {
    *("shadowing_sigma_db", "decorrelation_distance_m", "air", "nakagami_m", "coherence_time_s"),
    *("loss_trace_end", "sight_distance_m"),
}

# Of devices, whose numbers of others in range, and of neighbours, are held against the ranges.
MOST = 0.9


@dataclass(frozen=True)
class Coefficients:
    """What the exchanges leave open, fitted to packets.

    rts_snr_db: signal over noise and interference that an RTS, or a request for a BlockAck,
    takes at its end; margin_db: how far below the SNR from which a rate is taken its frames
    still arrive; preamble_snr_db: what detecting a preamble takes, and an answer;
    overheard_snr_db: below which a frame counts as cca_busy with those who have detected it,
    not as received; noise_loss: share of frames lost without interference; edge_mpdus: frames
    lost besides those that interference covers; access_us: time between two exchanges besides
    AIFS and backoff; stray_loss: share of datagrams that the MAC counts as delivered and that
    are lost; answer_every: segments an answer of the transport; detour_share: share of paths,
    drawn anew each round, whose first link is lost (to beacons and requests that collided).
    """

    rts_snr_db: float
    margin_db: float
    preamble_snr_db: float
    overheard_snr_db: float
    noise_loss: float
    edge_mpdus: float
    access_us: float
    stray_loss: float
    answer_every: float
    detour_share: float


@dataclass(frozen=True)
class Fit:
    """The fit of one scenario: coefficients, and [least, most] of what they were fitted to.

    judged_devices: [fewest, most] of the networks judged on held-out runs; fewer are refused.
    share_error_points: [mean, worst] of the delivered share at a deadline, of those to 49 devices.
    """

    coefficients: Coefficients
    ranges: dict[str, tuple[float, float]]
    judged_devices: tuple[int, int]
    share_error_points: tuple[float, float]


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def fit_of(name: str) -> Fit:
    """Return the fit of a scenario; raise ScenarioError where there is none."""
    known = _table()["scenarios"]
    if name not in known:
        raise ScenarioError(
            f"scenario: expected {' or '.join(known)} with {KIND}, got {name}; use --network.kind"
            " ns3"
        )
    of = known[name]
    return Fit(
        Coefficients(**of["coefficients"]),
        {what: (float(low), float(high)) for what, (low, high) in of["ranges"].items()},
        (int(of["judged_devices"][0]), int(of["judged_devices"][1])),
        (float(of["share_error_points"][0]), float(of["share_error_points"][1])),
    )


def described(scenario: NetworkScenario) -> dict[str, float]:
    """Return what a network is by numbers that ranges are of.

    in_range: others whose preambles a device detects; neighbours: with whom it exchanges; both 90 %
    quantiles, which do not grow with the size of a grid as means do (less of it is edge);
    shadowing_db: standard deviation of shadowing.
    """
    radio = scenario.radio
    hears = link_snr_db(scenario) + radio.noise_power_dbm >= radio.weakest_heard_dbm
    return {
        "in_range": float(np.quantile(hears.sum(axis=0), MOST)),
        "neighbours": float(np.quantile(scenario.neighbours.sum(axis=1), MOST)),
        "shadowing_db": float(scenario.channel.shadowing_sigma_db),
    }


WORDS = {
    "in_range": ("devices in range of all but the most crowded tenth", "place them otherwise"),
    "neighbours": (
        "planned neighbours of all but the tenth with most",
        "change neighbour_distance_m",
    ),
    "shadowing_db": ("network.shadowing_sigma_db", "lower it"),
    "kilobytes": ("kB a round from a device to a neighbour", "send less"),
}


def check(scenario: NetworkScenario) -> Fit:
    """Return a scenario's fit; raise ScenarioError where the network is not what it is of."""
    fit = fit_of(scenario.name)
    _check_settings(scenario)
    fewest = fit.judged_devices[0]
    if scenario.num_devices < fewest:
        raise ScenarioError(
            f"network.num_devices: expected {fewest} or more of {scenario.name} with {KIND} (fewer"
            " were not judged, or missed its bounds), got"
            f" {scenario.num_devices}; use --network.kind ns3"
        )
    for what, value in described(scenario).items():
        _check_range(fit, what, value)
    return fit


def check_load(scenario: NetworkScenario, most_bytes: float) -> None:
    """Raise ScenarioError where devices have more for a neighbour in a round than was fitted."""
    fit = fit_of(scenario.name)
    low, high = fit.ranges["kilobytes"]
    _check_range(fit, "kilobytes", max(most_bytes / 1e3, low), f"{low:g} to {high:g}")


def _check_range(fit: Fit, what: str, value: float, said: str = "") -> None:
    low, high = fit.ranges[what]
    if not low <= value <= high:
        words, remedy = WORDS[what]
        raise ScenarioError(
            f"{KIND}: expected {said or f'{low:.3g} to {high:.3g}'} {words} (what it was fitted"
            f" to), got {value:.3g}; {remedy}, or use --network.kind ns3"
        )


def _check_settings(scenario: NetworkScenario) -> None:
    """Refuse settings of the network that were not varied in the fit."""
    parts = (
        (scenario.radio, RadioSettings()),
        (scenario.channel, ChannelSettings()),
        (scenario.transport, TransportSettings()),
        (scenario.mesh, MeshSettings()),
    )
    for part, usual in parts:
        for name in type(usual).model_fields:
            mine, fitted = getattr(part, name), getattr(usual, name)
            if name not in FREE and fitted is not None and mine != fitted:
                raise ScenarioError(
                    f"network.{name}: expected {fitted} with {KIND}, which was fitted to that, got"
                    f" {mine}; use --network.kind ns3"
                )
    power_dbm = scenario.draws.tx_power_dbm
    other = power_dbm[power_dbm != scenario.radio.tx_power_dbm]
    # (field, what it is to be, what it is, whether that is so)
    needs = (
        ("network.mobility", "static", "devices that move", not scenario.mobility.moves),
        (
            "network.routing",
            "direct",
            scenario.settings.routing,
            scenario.settings.routing == "direct",
        ),
        ("network.ns3_defaults", "none", "some", not scenario.settings.ns3_defaults),
        ("network.interferers", "0", "some", not len(scenario.interference.position_m)),
        ("energy.radio_sleep", "false", "true", not scenario.energy.radio_sleep),
        ("energy.revival_j", "none", "some", scenario.energy.revival_j is None),
        ("tx_power_dbm of devices", "the radio's", f"{other[:1]}", not len(other)),
    )
    for field, expected, got, is_so in needs:
        if not is_so:
            raise ScenarioError(
                f"{field}: expected {expected} with {KIND}, got {got}; use --network.kind ns3"
            )


def is_forwarding(name: str) -> bool:
    """Whether devices of a scenario forward for others."""
    return bool(_table()["scenarios"][name]["forwards"])


def remark(name: str, num_devices: int) -> str:
    """Say what a scenario's fit is worth for so many devices, for log and manifest."""
    fit, n = fit_of(name), num_devices
    (low, high), (fewest, most) = fit.ranges["devices"], fit.judged_devices
    mean, worst = fit.share_error_points
    said = (
        f"fitted to packets of {low:g} to {high:g} devices of {name}, judged on held-out"
        f" runs of {fewest} to {most} (results/reference/surrogate/README.md); of those to 49"
        f" devices the delivered share at a deadline was off by {mean:+g} points on average,"
        f" {worst:+g} at worst"
    )
    if n > most:
        said += f"; of {n} devices no packets were run: untested"
    return said
