"""Path loss and fading: what the radios of a built network receive, against the formulas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ns3_scenarios import catalogue
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.scenario import NetworkScenario
from ns3_scenarios.validation import theory_path_loss as theory
from ns3_scenarios.validation.check import Check, Make, Row, on_line
from ns3_scenarios.validation.child import in_child

LIMIT_DB = 0.1
LIMIT_STANDARD_ERRORS = 4.0
# Several devices at each distance, so that both kinds of sight are drawn. 3GPP: 10 m and more.
DISTANCES_M = np.repeat([12.0, 30.0, 100.0, 300.0, 900.0], 8)
HEIGHT_M = 1.5
BASE_HEIGHT_M = {"umi": 10.0, "uma": 25.0}
SETTINGS = {"shadowing_sigma_db": 0, "num_devices": 1 + len(DISTANCES_M)}
FADING_DEVICES = 100


def losses_db(scenarios: list[NetworkScenario], from_first: bool) -> list[FloatArray]:
    """Return the loss of the built radios' links [dB]: from the first device, or of all pairs.

    Transmit power and antenna gains are taken off. Runs in a child process.
    """
    from ns3_scenarios.session import load_ns3  # noqa: PLC0415

    ns = load_ns3()
    ns.RngSeedManager.SetSeed(scenarios[0].rng_seed)
    losses = []
    for scenario in scenarios:
        _, radios = catalogue.builder(scenario.name)(ns, scenario)
        pairs = [(i, j) for j in range(len(radios)) for i in range(1 if from_first else j) if i < j]
        received_dbm = [ns.cosim_native.ReceivedPowerDbm(radios[i], radios[j]) for i, j in pairs]
        radio = scenario.radio
        losses.append(radio.tx_power_dbm + 2 * radio.antenna_gain_dbi - np.array(received_dbm))
    return losses


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
        scenarios.append(replace(placed, channel=replace(base.channel, path_loss=name)))
    rows = []
    for name, scenario, measured in zip(
        names, scenarios, in_child(losses_db, scenarios, True), strict=True
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
        channel = replace(base.channel, fading=fading, nakagami_m=m)
        scenarios.append(replace(close, channel=channel))
    rows = []
    for (fading, m), scenario, loss_db in zip(
        cases, scenarios, in_child(losses_db, scenarios, False), strict=True
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
)
