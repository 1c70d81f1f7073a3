"""Harvest that changes over time: the file, its integral, and batteries that live on it."""

from pathlib import Path

import numpy as np
import pytest
from mesh import make_mesh, make_traffic

from ns3_scenarios.analytic import AnalyticNetwork
from ns3_scenarios.description.harvest import Harvest, constant, read_harvest
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.ideal import IdealNetwork


def written(folder: Path, text: str) -> Path:
    (folder / "sun.csv").write_text(text)
    return folder / "sun.csv"


def test_a_row_without_a_device_is_of_all_and_holds_until_the_next(tmp_path: Path) -> None:
    read = read_harvest(written(tmp_path, "time_s,harvest_power_w\n0,0.5\n7,0\n3,2\n"), 3)
    assert read.times_s.tolist() == [0, 3, 7]
    assert read.power_w.tolist() == [[0.5] * 3, [2.0] * 3, [0.0] * 3]


def test_each_device_keeps_its_power_while_that_of_others_changes(tmp_path: Path) -> None:
    rows = "time_s,device,harvest_power_w\n0,0,1\n0,1,2\n4,1,5\n6,0,3\n8,1,0\n"
    read = read_harvest(written(tmp_path, rows), 2)
    assert read.times_s.tolist() == [0, 4, 6, 8]
    assert read.power_w.tolist() == [[1, 2], [1, 5], [3, 5], [3, 0]]
    assert read.changes_of(0) == ([0, 6], [1, 3])
    assert read.changes_of(1) == ([0, 4, 8], [2, 5, 0])


def test_harvested_joules_are_power_times_seconds_of_each_step() -> None:
    harvest = Harvest(np.array([0.0, 4.0, 10.0]), np.array([[1.0], [3.0], [0.5]]))
    for begin_s, end_s, expected_j in ((0, 4, 4), (2, 6, 8), (5, 5, 0), (1, 12, 3 + 18 + 1)):
        assert harvest.harvested_j(begin_s, end_s) == pytest.approx([expected_j])
    assert constant(np.array([0.2, 0.0])).harvested_j(3, 8).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("time_s\n0\n", "energy.harvest_file: expected columns time_s, harvest_power_w"),
        ("time_s,harvest_power_w\n1,2\n", "expected a row at time_s 0"),
        ("time_s,harvest_power_w,device\n0,2,0\n", "expected a row of device 1 at time_s 0"),
        ("time_s,harvest_power_w\n0,1\n-1,1\n", "row 2: expected time_s of at least 0"),
        ("time_s,harvest_power_w\n0,-1\n", "row 1: expected harvest_power_w from 0 to 1000"),
        ("time_s,harvest_power_w\n0,1001\n", "row 1: expected harvest_power_w from 0 to 1000"),
        ("time_s,harvest_power_w\n0,x\n", "row 1: expected a number as harvest_power_w"),
        ("time_s,harvest_power_w\n0,1\n0,2\n", "row 2: expected each time_s once"),
        (
            "time_s,harvest_power_w,device\n0,1,0\n0,1,2\n",
            "row 2: expected device to be one from 0 to 1, got 2",
        ),
        (
            "time_s,harvest_power_w,device\n0,1,0\n0,1,1\n0,2,1\n",
            "row 3: expected each device once at a time_s",
        ),
    ],
)
def test_a_file_without_sense_is_refused_by_its_row(
    tmp_path: Path, rows: str, message: str
) -> None:
    with pytest.raises(ScenarioError, match=message):
        read_harvest(written(tmp_path, rows), 2)


def changing(times_s: list[float], power_w: list[float], battery_j: float) -> NetworkScenario:
    trace = Harvest(np.array(times_s), np.repeat(np.array(power_w)[:, np.newaxis], 2, axis=1))
    fields = {"harvest_power_w": trace.power_w[0], "harvest_trace": trace}
    capacity_j = np.full(2, 100.0)
    return make_mesh(2, battery_j, **fields, battery_capacity_j=capacity_j, name="adhoc80211")


@pytest.mark.parametrize("make", [IdealNetwork, AnalyticNetwork])
def test_a_round_harvests_the_integral_of_the_power(make: type) -> None:
    # 1 W to 2 s, 4 W to 4.5 s, nothing to 7 s, 0.5 W: rounds of 3 s.
    network = make(changing([0, 2, 4.5, 7], [1.0, 4.0, 0.0, 0.5], 50.0))
    reports = [network.run_round(make_traffic(network._scenario, i)) for i in range(4)]
    harvested_j = [report.energy.harvested_j[0] for report in reports]
    assert harvested_j == pytest.approx([2 + 4, 1.5 * 4, 2 * 0.5, 1.5])


def test_a_battery_dies_when_what_harvest_there_is_by_then_no_longer_carries_it() -> None:
    # The ideal radio is free; computing draws 5 J/s for 2.8 s: 2 J and 4 W to 1 s leave 1 J, which
    # lasts for 0.25 s at 1 W of harvest. With 6 W from 1.1 s on it would live.
    def died_s(times_s: list[float], power_w: list[float]) -> float:
        network = IdealNetwork(changing(times_s, power_w, 2.0))
        traffic = make_traffic(network._scenario, 0, compute_s=2.8, compute_j=14.0)
        return float(network.run_round(traffic).energy.died_at_s[0])

    assert died_s([0, 1], [4.0, 1.0]) == pytest.approx(1.25)
    assert np.isnan(died_s([0, 1, 1.1], [4.0, 1.0, 6.0]))


def test_a_trace_begins_with_the_power_at_the_start() -> None:
    with pytest.raises(ScenarioError, match="expected the first row of harvest_trace"):
        make_mesh(2, harvest_power_w=np.ones(2), harvest_trace=constant(np.zeros(2)))
