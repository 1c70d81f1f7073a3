"""What a channel keeps over distance and time: shadowing, line of sight, block fading."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ns3_scenarios import catalogue
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.mobility import bounding_area_m
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.validation import theory_path_loss as theory
from ns3_scenarios.validation.check import LIMIT_STANDARD_ERRORS, Check, Make, Row, absolute
from ns3_scenarios.validation.child import in_child

DEVICES = 100
HEIGHT_M = 1.5
BASE_HEIGHT_M = {"umi": 10.0, "uma": 25.0}
# No planned neighbours, whose heights umi and uma would refuse before they are set here.
SETTINGS = {"num_devices": DEVICES, "neighbour_distance_m": 1.0}
# The defaults of the program.
SHADOWING_DB, SHADOWING_M = 4.0, 20.0
COHERENCE_S = 0.1
Pairs = list[tuple[int, int]]


def walked_losses_db(
    scenario: NetworkScenario, pairs: Pairs, moved_m: list[float], times_s: list[float]
) -> FloatArray:
    """Return what links lose when both ends together have moved moved_m, (t, pairs) [dB].

    At times_s. All devices walk alike, so that distances stay. Runs in a child process.
    """
    from ns3_scenarios.session import load_ns3  # noqa: PLC0415

    ns = load_ns3()
    ns.RngSeedManager.SetSeed(scenario.rng_seed)
    ns.RngSeedManager.SetRun(scenario.rng_run)
    _, radios = catalogue.builder(scenario.name)(ns, scenario)
    places = [radio.GetNode().GetObject[ns.MobilityModel]() for radio in radios]
    received_dbm = []
    for walked_m, time_s in zip(moved_m, times_s, strict=True):
        if time_s > 0:
            ns.Simulator.Stop(ns.Seconds(time_s) - ns.Simulator.Now())
            ns.Simulator.Run()
        for place, (x, y, z) in zip(places, scenario.position_m, strict=True):
            place.SetPosition(ns.Vector(float(x) + walked_m / 2, float(y), float(z)))
        received_dbm.append(
            [ns.cosim_native.ReceivedPowerDbm(radios[i], radios[j]) for i, j in pairs]
        )
    radio = scenario.radio
    return radio.tx_power_dbm + 2 * radio.antenna_gain_dbi - np.array(received_dbm)


def _walking(scenario: NetworkScenario, spacing_m: float, base_m: float) -> NetworkScenario:
    """Spread devices over a disc like a sunflower's seeds, spacing_m apart; every other at base."""
    index = np.arange(scenario.num_devices)
    r_m, angle = spacing_m * np.sqrt(index) / 1.7, index * np.pi * (3 - np.sqrt(5))
    z_m = np.where(index % 2, HEIGHT_M, base_m)
    position_m = np.column_stack([r_m * np.cos(angle), r_m * np.sin(angle), z_m])
    area_m = bounding_area_m(position_m)
    changes = {"mobility": "random_waypoint", "area_m": area_m}
    mobility = scenario.mobility.model_copy(update=changes)
    return replace(scenario, position_m=position_m, mobility=mobility)


def _pairs(scenario: NetworkScenario) -> tuple[Pairs, FloatArray, FloatArray]:
    """List the links (between bases and others, if there are any), and how long they are.

    In space and on the ground.
    """
    z_m = scenario.position_m[:, 2]
    level = bool((z_m == z_m[0]).all())
    pairs = [(i, j) for j in range(len(z_m)) for i in range(j) if level or z_m[i] != z_m[j]]
    low, high = np.array(pairs).T
    gap_m = scenario.position_m[low] - scenario.position_m[high]
    return pairs, np.linalg.norm(gap_m, axis=1), np.linalg.norm(gap_m[:, :2], axis=1)


def _row(name: str, expected: float, measured: float, spread: float, unit: str = "") -> Row:
    error = float(abs(measured - expected) / spread)
    shown = f"{expected:.4f}{unit}", f"{measured:.4f}{unit}"
    return Row(name, *shown, error, LIMIT_STANDARD_ERRORS)


def sight_rows(make: Make, quick: bool) -> list[Row]:
    """Compare the share of links in sight, and of those that change it on a walk.

    Expected: the means of P(LOS) and of 2 P (1 - P) (1 - exp(-d/d0)) over the links' own distances,
    with the variance of independent links. Which of its two losses a link has tells its sight.
    """
    del quick
    rows = []
    cases: list[tuple[str, Any, Any]] = [
        ("inh", theory.inh_los_share, theory.inh_db),
        ("d2d", theory.d2d_los_share, theory.d2d_db),
        ("umi", theory.umi_los_share, lambda d, f: theory.umi_db(d, f, 10.0, HEIGHT_M)),
        ("uma", theory.uma_los_share, lambda d, f: theory.uma_db(d, f, 25.0, HEIGHT_M)),
    ]
    for name, share, formula in cases:
        made = make("adhoc80211", **SETTINGS, path_loss=name, shadowing_sigma_db=0)
        scenario = _walking(made, 12.0, BASE_HEIGHT_M.get(name, HEIGHT_M))
        pairs, d_m, ground_m = _pairs(scenario)
        held_m = theory.SIGHT_M[name]
        moved_m = held_m / 2
        loss_db = in_child(walked_losses_db, scenario, pairs, [0.0, moved_m], [0.0, 0.0])
        in_sight_db, hidden_db = formula(d_m, scenario.radio.frequency_hz)
        sight = np.abs(loss_db - in_sight_db) < np.abs(loss_db - hidden_db)
        p = np.array([share(d) for d in ground_m])
        flips = 2 * p * (1 - p) * (1 - np.exp(-moved_m / held_m))
        for text, chance, found in (
            ("in sight", p, sight[0]),
            (f"other after {moved_m:g} m", flips, sight[0] != sight[1]),
        ):
            spread = np.sqrt((chance * (1 - chance)).sum()) / len(pairs)
            label = f"{name}, share of {len(pairs)} links {text}"
            rows.append(_row(label, float(chance.mean()), float(found.mean()), float(spread)))
    return rows


def shadowing_rows(make: Make, quick: bool) -> list[Row]:
    """Compare deviation and correlation over distance, exp(-d/d0), with what was asked for.

    Standard errors of N links: sigma / sqrt(2 N) and (1 - rho^2) / sqrt(N). Of inh, whose sigma
    depends on sight: the difference to the same sights without shadowing.
    """
    del quick
    scenario = _walking(make("adhoc80211", **SETTINGS), 12.0, HEIGHT_M)
    pairs, d_m, _ = _pairs(scenario)
    walk_m = [0.0, SHADOWING_M / 2, 2 * SHADOWING_M]
    loss_db = in_child(walked_losses_db, scenario, pairs, walk_m, [0.0] * len(walk_m))
    reference_db = scenario.channel.reference_loss_db
    x_db = loss_db - theory.log_distance_db(d_m, scenario.channel.path_loss_exponent, reference_db)
    count = len(pairs)
    rows = []
    for walked_m, values_db in zip(walk_m, x_db, strict=True):
        label = f"deviation of {count} links after {walked_m:g} m"
        spread_db = SHADOWING_DB / np.sqrt(2 * count)
        rows.append(_row(label, SHADOWING_DB, float(values_db.std()), float(spread_db), " dB"))
        if walked_m:
            rho = float(np.exp(-walked_m / SHADOWING_M))
            measured = float(np.corrcoef(x_db[0], values_db)[0, 1])
            label = f"correlation after {walked_m:g} m"
            rows.append(_row(label, rho, measured, (1 - rho**2) / count**0.5))
    inside = [
        _walking(make("adhoc80211", **SETTINGS, path_loss="inh", **sigma), 12.0, HEIGHT_M)
        for sigma in ({}, {"shadowing_sigma_db": 0})
    ]
    with_db, without_db = (
        in_child(walked_losses_db, one, pairs, [0.0], [0.0])[0] for one in inside
    )
    in_sight_db, hidden_db = theory.inh_db(d_m, scenario.radio.frequency_hz)
    sight = np.abs(without_db - in_sight_db) < np.abs(without_db - hidden_db)
    for text, own, sigma_db in zip(
        ("in sight", "without sight"), (sight, ~sight), theory.INH_SIGMA_DB, strict=True
    ):
        measured_db = float((with_db - without_db)[own].std())
        label = f"inh, deviation of {own.sum()} links {text}"
        rows.append(_row(label, sigma_db, measured_db, sigma_db / (2 * own.sum()) ** 0.5, " dB"))
    return rows


def fading_time_rows(make: Make, quick: bool) -> list[Row]:
    """Compare the share of links whose gain is the same t later: 1 - t/T within T, 0 after it."""
    del quick
    fading = {"fading": "nakagami", "shadowing_sigma_db": 0}
    scenario = _walking(make("adhoc80211", **SETTINGS, **fading), 12.0, HEIGHT_M)
    pairs, _, _ = _pairs(scenario)
    waits_s = [0.0, COHERENCE_S / 4, COHERENCE_S]
    times_s = [1.0 + wait_s for wait_s in waits_s]
    loss_db = in_child(walked_losses_db, scenario, pairs, [0.0] * len(times_s), times_s)
    same = np.isclose(loss_db, loss_db[0], rtol=0, atol=1e-9).mean(axis=1)
    p = 1 - waits_s[1] / COHERENCE_S
    spread = (p * (1 - p) / len(pairs)) ** 0.5
    label = f"same gain of {len(pairs)} links"
    return [
        _row(f"{label} {waits_s[1]:g} s later", p, float(same[1]), spread),
        absolute(f"{label} {waits_s[2]:g} s later", 0.0, float(same[2]), "", 0.0),
    ]


CHECKS = (
    Check(
        "Line of sight against TR 38.901, 7.4.2 and 7.6.3 (error in standard errors)",
        {**SETTINGS, "shadowing_sigma_db": 0},
        "devices on a disc, all walk alike; umi and uma: every other one at 10 m and 25 m",
        sight_rows,
    ),
    Check(
        "Shadowing and what it keeps over distance (error in standard errors)",
        SETTINGS,
        "devices on a disc, all walk alike; the deviations of inh: TR 38.901, 7.4.1",
        shadowing_rows,
    ),
    Check(
        "Block fading over time (error in standard errors)",
        {**SETTINGS, "shadowing_sigma_db": 0, "fading": "nakagami"},
        "devices on a disc",
        fading_time_rows,
    ),
)
