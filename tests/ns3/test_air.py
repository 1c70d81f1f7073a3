"""The lean air gives what ns-3's own channel gives, to the last bit of every report."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mesh import change, make_traffic, play

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic, Transmit

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]

ROUNDS = 2
MOVING = "--network.mobility random_waypoint --network.max_speed_mps 20"
# What each case is there for, besides its scenario.
CASES = {
    "mesh": ("mesh80211", "--network.num_devices 12"),
    "mesh that moves, fades": ("mesh80211", f"{MOVING} --network.fading nakagami"),
    "mesh beside others": ("mesh80211", "--network.interferers 2"),
    "mesh, far apart, wide": (
        "mesh80211",
        "--network.num_devices 6 --network.placement line --network.spacing_m 38"
        " --network.neighbour_distance_m 40"
        " --network.channel_width_mhz 40 --network.tx_power_dbm 20",
    ),
    "ad hoc, mostly unheard": (
        "adhoc80211",
        "--network.num_devices 12 --network.placement line --network.rx_sensitivity_dbm -85"
        " --network.antenna_gain_dbi 1",
    ),
    "ad hoc, legacy": (
        "adhoc80211",
        "--network.standard 80211a --network.rate_manager thompson --network.transport tcp",
    ),
    "ad hoc, 802.11p": ("adhoc80211", "--network.standard 80211p --network.channel_width_mhz 10"),
    "ad hoc, 802.11b": (
        "adhoc80211",
        "--network.standard 80211b --network.band_ghz 2.4 --network.channel_width_mhz 22"
        " --network.num_devices 5 --network.placement line --network.spacing_m 60"
        " --network.neighbour_distance_m 60",
    ),
    "mesh of two streams": (
        "mesh80211",
        "--network.standard 80211be --network.antennas 4 --network.spatial_streams 2",
    ),
    "ad hoc, fading by frame": ("adhoc80211", "--network.fading nakagami_per_frame"),
    "ad hoc that sleeps": ("adhoc80211", "--energy.radio_sleep"),
    "access point beside others": (
        "infrastructure",
        "--network.num_devices 5 --network.interferers 2 --network.interference bss",
    ),
    "access point, stations move": ("infrastructure", f"--network.num_devices 5 {MOVING}"),
    "street": ("d2d", "--network.num_devices 9"),
}


def scenario_of(name: str, flags: str, air: str, **changes: Any) -> NetworkScenario:
    scenario = make_scenario(load(flags.split(), None, name))
    return change(scenario, air=air, **changes)


def same_rounds(
    scenario: NetworkScenario, payload_bytes: int = 20_000, period_s: float = 1.5
) -> list[RoundTraffic]:
    """Rounds of equal messages; in the second, a device sends with less power."""
    n, usual = scenario.num_devices, scenario.draws
    power_dbm = np.where(np.arange(n) == 1, usual.tx_power_dbm - 5.0, usual.tx_power_dbm)
    rounds = [
        make_traffic(scenario, i, payload_bytes=payload_bytes, period_s=period_s)
        for i in range(ROUNDS)
    ]
    rounds[1] = replace(rounds[1], transmit=Transmit(power_dbm, np.full(n, 1.2)))
    return rounds


def assert_the_same(stock: list[RoundReport], lean: list[RoundReport]) -> None:
    """Every byte but for the number of events, of which the lean air has no more."""
    assert sum(int(report.flows.delivered_bytes.sum()) for report in stock) > 0
    for one, other in zip(stock, lean, strict=True):
        assert other.num_events <= one.num_events
        without = [pickle.dumps(replace(report, num_events=0)) for report in (one, other)]
        assert without[0] == without[1]


@pytest.mark.parametrize("case", CASES)
def test_every_report_is_that_of_the_stock_channel_to_the_last_bit(
    case: str, tmp_path: Path
) -> None:
    name, flags = CASES[case]
    stock, lean = (
        play(scenario, tmp_path, same_rounds(scenario))
        for scenario in (scenario_of(name, flags, air) for air in ("stock", "lean"))
    )
    assert_the_same(stock, lean)


@pytest.mark.parametrize("name", ["mesh80211", "adhoc80211"])
def test_deaths_and_revivals_in_the_middle_of_frames_change_nothing(
    name: str, tmp_path: Path
) -> None:
    battery_j = 1.9 + 0.3 * np.arange(9)  # most die within two rounds of 1.5 s
    stock, lean = (
        play(scenario, tmp_path, same_rounds(scenario, payload_bytes=60_000))
        for scenario in (
            scenario_of(
                name,
                "--network.num_devices 9",
                air,
                initial_energy_j=battery_j,
                battery_capacity_j=battery_j,
                harvest_power_w=np.full(9, 0.4),
                revival_j=0.3,
            )
            for air in ("stock", "lean")
        )
    )
    died = np.isfinite([report.energy.died_at_s for report in stock])
    assert 0 < died[-1].sum() < 9
    assert_the_same(stock, lean)


def test_fewer_arrivals_are_scheduled_where_many_are_not_heard(tmp_path: Path) -> None:
    name, flags = CASES["ad hoc, mostly unheard"]
    stock, lean = (
        play(scenario, tmp_path, same_rounds(scenario)[:1])[0].num_events
        for scenario in (scenario_of(name, flags, air) for air in ("stock", "lean"))
    )
    assert lean < 0.9 * stock
