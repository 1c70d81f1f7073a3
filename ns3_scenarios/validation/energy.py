"""Joules: our meter beside ns-3's on the same run, and deaths at the predicted instant."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic
from ns3_scenarios.validation.check import Check, Make, Row, absolute, relative
from ns3_scenarios.validation.child import in_child

METER_LIMIT = 1e-9
# The battery is looked at when it could be empty at the earliest, at most 10 us late.
DEATH_LIMIT_S = 20e-6
METER = {"num_devices": 3, "spacing_m": 20, "placement": "line"}
SILENCE = {"num_devices": 3, "shadowing_sigma_db": 0}
# Of ns-3's WifiRadioEnergyModel (idle current and voltage of the program's defaults).
IDLE_W = 0.273 * 3.0
COMPUTE_W = 4.0


def run_rounds(scenario: NetworkScenario, traffic: list[RoundTraffic]) -> list[RoundReport]:
    """Run rounds through a session of its own. Runs in a child process."""
    from ns3_scenarios.session import Session  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        session = Session(scenario, Path(folder))
        return [session.run_round(each) for each in traffic]


def both_meters_j(
    scenario: NetworkScenario, traffic: list[RoundTraffic]
) -> tuple[FloatArray, FloatArray]:
    """Return the radios' joules in the rounds after the first: ours and ns-3's, (n) each.

    ns-3's model starts in the first round and does not know the state it starts in. Runs in a
    child process.
    """
    from ns3_scenarios.session import Session  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        session = Session(scenario, Path(folder))
        meter = session.reference_meter()
        session.run_round(traffic[0])
        before_j = np.array(meter.EnergyJ())
        reports = [session.run_round(each) for each in traffic[1:]]
        ours_j = sum(report.energy.state_j.sum(axis=1) for report in reports)
        return np.asarray(ours_j), np.array(meter.EnergyJ()) - before_j


def traffic_of(
    scenario: NetworkScenario,
    round_index: int,
    pairs: list[tuple[int, int]],
    payload_bytes: int,
    period_s: float,
    compute_w: FloatArray | None = None,
) -> RoundTraffic:
    """Return one message a pair, ready at once; devices compute for the whole round."""
    n = scenario.num_devices
    src, dst = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    power_w = np.zeros(n) if compute_w is None else compute_w
    return RoundTraffic(
        round_index=round_index,
        src=src,
        dst=dst,
        part=np.zeros_like(src),
        payload_bytes=np.full(len(src), payload_bytes),
        compute_s=np.where(power_w > 0, period_s, 0.0),
        compute_j=power_w * period_s,
        period_s=period_s,
        stop_when_settled=False,
    )


def meter_rows(make: Make, quick: bool) -> list[Row]:
    """Compare the joules of a mesh with ns-3's WifiRadioEnergyModel on a huge battery.

    Everybody sends one datagram a round, each at its own time. Left out: collisions. Where a signal
    arrives during a transmission, WifiPhyStateHelper::SwitchMaybeToCcaBusy of ns-3.44 tells its
    listeners of a busy medium, and WifiRadioEnergyModel stops counting the transmission. Our meter
    goes on, as the PHY's own state does.
    """
    scenario = make("mesh80211", **METER)
    n = scenario.num_devices
    pairs = [(i, (i + 1) % n) for i in range(n)]
    rounds = 3 if quick else 10
    turns_s = np.linspace(0.1, 0.5, n)
    traffic = [
        replace(
            traffic_of(scenario, i, pairs, scenario.transport.segment_bytes, 1.0), compute_s=turns_s
        )
        for i in range(rounds)
    ]
    ours_j, reference_j = in_child(both_meters_j, scenario, traffic)
    return [
        relative(f"mesh device {i}, {rounds - 1} s", reference_j[i], ours_j[i], "J", METER_LIMIT)
        for i in range(n)
    ]


def death_rows(make: Make, quick: bool) -> list[Row]:
    """Compare the lifetime of silent devices with battery / power, and count their deaths.

    T = E / (P_idle + P_compute), P_idle = I V; of the third device T = E / (P_idle - P_harvest).
    """
    del quick
    scenario = replace(
        make("adhoc80211", **SILENCE),
        initial_energy_j=np.array([1.5, 6.0, 1.0]),
        harvest_power_w=np.array([0.0, 0.0, 0.3]),
    )
    compute_w = np.array([0.0, COMPUTE_W, 0.0])
    expected_s = scenario.initial_energy_j / (IDLE_W + compute_w - scenario.harvest_power_w)
    traffic = [traffic_of(scenario, i, [], 1, 1.0, compute_w) for i in range(4)]
    reports = in_child(run_rounds, scenario, traffic)
    died_s = np.array([report.energy.died_at_s - reports[0].start_s for report in reports])
    names = ("idle", "computing", "harvesting")
    rows = [
        absolute(f"{name} device lives", expected_s[i], died_s[-1, i], "s", DEATH_LIMIT_S)
        for i, name in enumerate(names)
    ]
    for i, name in enumerate(names):
        deaths = len(set(died_s[np.isfinite(died_s[:, i]), i]))
        rows.append(absolute(f"{name} device dies", 1, deaths, "time", 0))
    return rows


CHECKS = (
    Check(
        "Radio joules against WifiRadioEnergyModel on the same run (relative error)",
        METER,
        "ns-3's model on a source of 1 GJ beside our own meter, one datagram a second each",
        meter_rows,
    ),
    Check(
        "Deaths at battery / power (error in s)",
        SILENCE,
        "nobody sends; batteries of 1.5, 6 and 1 J, 0.3 W harvested by the third",
        death_rows,
    ),
)
