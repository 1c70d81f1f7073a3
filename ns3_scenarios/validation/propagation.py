"""Path loss and fading: what the radios of a built network receive, against the formulas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ns3_scenarios import catalogue
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.validation import theory_path_loss as theory
from ns3_scenarios.validation.check import (
    LIMIT_STANDARD_ERRORS,
    Check,
    Make,
    Row,
    absolute,
    on_line,
)
from ns3_scenarios.validation.child import in_child

LIMIT_DB = 0.1
# Several devices at each distance, so that both kinds of sight are drawn. 3GPP: 10 m and more.
DISTANCES_M = np.repeat([12.0, 30.0, 100.0, 300.0, 900.0], 8)
HEIGHT_M = 1.5
BASE_HEIGHT_M = {"umi": 10.0, "uma": 25.0}
SETTINGS = {"shadowing_sigma_db": 0, "num_devices": 1 + len(DISTANCES_M)}
FADING_DEVICES = 100
VEHICLES, RING_M = 100, 100.0


def losses_db(scenarios: list[NetworkScenario], pairs: list[tuple[int, int]]) -> list[FloatArray]:
    """Return what the built radios' links lose [dB], asked in this order, of each scenario.

    Transmit power and antenna gains are taken off. Runs in a child process.
    """
    from ns3_scenarios.session import load_ns3  # noqa: PLC0415

    ns = load_ns3()
    ns.RngSeedManager.SetSeed(scenarios[0].rng_seed)
    losses = []
    for scenario in scenarios:
        ns.RngSeedManager.SetRun(scenario.rng_run)
        _, radios = catalogue.builder(scenario.name)(ns, scenario)
        received_dbm = [ns.cosim_native.ReceivedPowerDbm(radios[i], radios[j]) for i, j in pairs]
        radio = scenario.radio
        losses.append(radio.tx_power_dbm + 2 * radio.antenna_gain_dbi - np.array(received_dbm))
    return losses


def from_first(scenario: NetworkScenario) -> list[tuple[int, int]]:
    """List the links of the first device."""
    return [(0, j) for j in range(1, scenario.num_devices)]


def formulas_db(path_loss: str, scenario: NetworkScenario, d_m: FloatArray) -> tuple[Any, ...]:
    """Return the losses that a model can take at each distance [dB], one or one for each sight."""
    f_hz = scenario.radio.frequency_hz
    base_m = BASE_HEIGHT_M.get(path_loss, HEIGHT_M)
    formulas: dict[str, tuple[Any, ...]] = {
        # The defaults of the program: exponent 3 from the free-space loss at 1 m on.
        "log_distance": (theory.log_distance_db(d_m, 3.0, theory.free_space_db(1.0, f_hz)),),
        "friis": (theory.free_space_db(d_m, f_hz),),
        "two_ray": (theory.two_ray_db(d_m, f_hz, HEIGHT_M),),
        "itu_p1411": (theory.p1411_db(d_m, f_hz, HEIGHT_M),),
        "d2d": theory.d2d_db(d_m, f_hz),
        "umi": theory.umi_db(d_m, f_hz, base_m, HEIGHT_M),
        "uma": theory.uma_db(d_m, f_hz, base_m, HEIGHT_M),
        "inh": theory.inh_db(d_m, f_hz),
    }
    return formulas[path_loss]


def path_loss_rows(make: Make, quick: bool) -> list[Row]:
    """Compare each model that has a formula at five distances; the worst link is shown.

    A model that draws line of sight may take either of its two losses on each link.
    """
    del quick
    names = ["log_distance", "friis", "two_ray", "itu_p1411", "d2d", "umi", "uma", "inh"]
    scenarios = []
    for name in names:
        base = make("adhoc80211", **SETTINGS)
        height_m = np.full(base.num_devices, HEIGHT_M)
        height_m[0] = BASE_HEIGHT_M.get(name, HEIGHT_M)
        placed = on_line(base, np.concatenate([[0.0], DISTANCES_M]), height_m)
        scenarios.append(
            replace(placed, channel=base.channel.model_copy(update={"path_loss": name}))
        )
    rows = []
    for name, scenario, measured in zip(
        names, scenarios, in_child(losses_db, scenarios, from_first(scenarios[0])), strict=True
    ):
        d_m = np.linalg.norm(scenario.position_m[1:] - scenario.position_m[0], axis=1)
        expected = np.stack(formulas_db(name, scenario, d_m))
        nearest = expected[np.abs(expected - measured).argmin(axis=0), np.arange(len(d_m))]
        worst = int(np.abs(measured - nearest).argmax())
        rows.append(
            Row(
                f"{name}, worst at {d_m[worst]:.0f} m",
                f"{nearest[worst]:.3f} dB",
                f"{measured[worst]:.3f} dB",
                float(abs(measured[worst] - nearest[worst])),
                LIMIT_DB,
            )
        )
    return rows


def vehicle_rows(make: Make, quick: bool) -> list[Row]:
    """Compare vehicles at one distance with the losses and shares of TR 37.885 and its sources.

    A link that has neither the loss in sight nor that behind buildings has a vehicle in between,
    whose loss is a mean more; it must be the same in both directions and at every frame.
    """
    runs = 2 if quick else 8
    rows = []
    cases: list[tuple[str, Any, Any]] = [
        ("v2v_urban", theory.v2v_urban_db, theory.v2v_urban_shares),
        ("v2v_highway", theory.v2v_highway_db, theory.v2v_highway_shares),
    ]
    for name, formula, shares in cases:
        base = make("adhoc80211", num_devices=VEHICLES, shadowing_sigma_db=0)
        angle = 2 * np.pi * np.arange(1, VEHICLES) / (VEHICLES - 1)
        ring_m = RING_M * np.column_stack([np.cos(angle), np.sin(angle), np.zeros(VEHICLES - 1)])
        position_m = np.vstack([np.zeros(3), ring_m])
        position_m[:, 2] = HEIGHT_M
        base = replace(
            base, position_m=position_m, channel=base.channel.model_copy(update={"path_loss": name})
        )
        scenarios = [replace(base, rng_run=run) for run in range(1, runs + 1)]
        there = from_first(base)
        ways = [*there, *there, *((j, i) for i, j in there)]  # again, and back
        loss_db = np.hstack([db.reshape(3, -1) for db in in_child(losses_db, scenarios, ways)])
        in_sight_db, hidden_db = formula(RING_M, base.radio.frequency_hz)
        links = loss_db[0]
        sight, hidden = (abs(links - db) < LIMIT_DB for db in (in_sight_db, hidden_db))
        extra_db = (links - in_sight_db)[~sight & ~hidden]
        mean_db, deviation_db = theory.v2v_blockage_db(RING_M)
        count = len(links)
        for text, expected, measured, spread in (
            ("share in sight", p := shares(RING_M)[0], sight.mean(), (p * (1 - p) / count) ** 0.5),
            ("share hidden", p := shares(RING_M)[1], hidden.mean(), (p * (1 - p) / count) ** 0.5),
            ("dB by a vehicle", mean_db, extra_db.mean(), deviation_db / len(extra_db) ** 0.5),
        ):
            error = float(abs(measured - expected) / spread)
            label = f"{name}, {text}, {count} links"
            limit = LIMIT_STANDARD_ERRORS
            rows.append(Row(label, f"{expected:.4f}", f"{measured:.4f}", error, limit))
        changing = int((np.ptp(loss_db, axis=0) > 1e-9).sum())
        rows.append(absolute(f"{name}, links that change", 0, changing, "", 0))
    return rows


def fading_rows(make: Make, quick: bool) -> list[Row]:
    """Compare mean and variance of the power gain with those of Gamma(m, 1/m): 1 and 1/m.

    Errors in standard errors of N links: sqrt(1/(m N)) and sqrt((2 + 6/m) / N) / m (the fourth
    central moment of the gamma distribution is (3 + 6/m) / m^2).
    Source: Nakagami, The m-distribution, 1960.
    """
    cases = [(fading, m) for fading in ("nakagami", "nakagami_per_frame") for m in (1.0, 3.0)]
    cases = cases[:2] if quick else cases
    scenarios = []
    for fading, m in cases:
        base = make("adhoc80211", num_devices=FADING_DEVICES, shadowing_sigma_db=0)
        close = on_line(base, 0.01 * np.arange(FADING_DEVICES))
        channel = base.channel.model_copy(update={"fading": fading, "nakagami_m": m})
        scenarios.append(replace(close, channel=channel))
    everyone = [(i, j) for j in range(FADING_DEVICES) for i in range(j)]
    rows = []
    for (fading, m), scenario, loss_db in zip(
        cases, scenarios, in_child(losses_db, scenarios, everyone), strict=True
    ):
        gain = 10 ** (0.1 * (scenario.channel.reference_loss_db - loss_db))
        count = len(gain)
        for name, expected, measured, spread in (
            ("mean", 1.0, gain.mean(), np.sqrt(1 / m / count)),
            ("variance", 1 / m, gain.var(ddof=1), np.sqrt((2 + 6 / m) / count) / m),
        ):
            error = float(abs(measured - expected) / spread)
            label = f"{fading}, m = {m:g}, {name} of {count} gains"
            rows.append(
                Row(label, f"{expected:.4f}", f"{measured:.4f}", error, LIMIT_STANDARD_ERRORS)
            )
    return rows


CHECKS = (
    Check(
        "Path loss against the formulas of its sources (error in dB)",
        SETTINGS,
        "devices on a line, the first at 10 m (umi) or 25 m (uma) of height",
        path_loss_rows,
    ),
    Check(
        "Nakagami fading against Gamma(m, 1/m) (error in standard errors)",
        {"shadowing_sigma_db": 0, "num_devices": FADING_DEVICES},
        "all devices within 1 m",
        fading_rows,
    ),
    Check(
        "Vehicles against TR 37.885 and its line of sight (error in standard errors)",
        {"shadowing_sigma_db": 0, "num_devices": VEHICLES},
        f"one device in the middle of a circle of {RING_M:g} m",
        vehicle_rows,
    ),
)
