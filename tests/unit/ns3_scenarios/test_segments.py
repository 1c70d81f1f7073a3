"""A network in segments against the same network in one: what is carried over, and what is not."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from mesh import change, make_mesh, make_traffic, with_changing_harvest

from ns3_scenarios.analytic import AnalyticNetwork
from ns3_scenarios.description.harvest import Harvest
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.description.shadowing import draw_field, network_shadowing_db
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.segments import SegmentedNetwork, later

ROUNDS = 7


def thirsty(harvests: bool) -> NetworkScenario:
    """Five devices, two of which run empty on the way, on a clock that does not begin at 0."""
    battery_j = np.array([200.0, 7.0, 200.0, 14.0, 200.0])
    scenario = make_mesh(5, battery_j=battery_j, board_idle_w=np.linspace(0.0, 0.4, 5))
    return with_changing_harvest(scenario) if harvests else scenario


def play(network: Any, scenario: NetworkScenario, rounds: int = ROUNDS) -> list[RoundReport]:
    return [network.run_round(make_traffic(scenario, index)) for index in range(rounds)]


class Late(AnalyticNetwork):
    """A network whose clock begins before the first round, as that of packets does."""

    def run_round(self, traffic: Any) -> RoundReport:
        report = super().run_round(traffic)
        energy = replace(report.energy, died_at_s=report.energy.died_at_s + 3.0)
        return replace(report, start_s=report.start_s + 3.0, energy=energy)


def assert_same(one: Any, other: Any, where: str) -> None:
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if hasattr(a, "__dataclass_fields__"):
            assert_same(a, b, f"{where} {field.name}")
        else:
            np.testing.assert_allclose(a, b, 1e-9, 1e-9, err_msg=f"{where} {field.name}")


@pytest.mark.parametrize("harvests", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3, 10])
def test_segments_of_a_network_without_memory_come_to_what_it_does_in_one(
    length: int, harvests: bool
) -> None:
    scenario = thirsty(harvests)
    whole = play(Late(scenario), scenario)
    begun: list[NetworkScenario] = []

    def begin(each: NetworkScenario) -> Late:
        begun.append(each)
        return Late(each)

    parts = play(SegmentedNetwork(begin, scenario, length, ROUNDS), scenario)
    for index, (one, other) in enumerate(zip(whole, parts, strict=True)):
        assert_same(one, other, f"round {index}")
    assert len(begun) == -(-ROUNDS // length)
    # Each with random numbers of its own.
    assert len({each.rng_run for each in begun}) == len(begun)
    # Somebody died in one segment, and stayed dead in those that came after.
    dead = [(~report.energy.alive).sum() for report in whole]
    assert harvests or (dead[0], dead[-1]) == (0, 2)


@pytest.mark.parametrize(("num_known", "begun_at"), [(1, 0), (3, 3), (4, 3), (5, 3), (6, 6)])
def test_of_rounds_that_are_known_only_those_of_the_segment_under_way_are_run_again(
    num_known: int, begun_at: int
) -> None:
    scenario = thirsty(harvests=True)
    recorded = play(SegmentedNetwork(Late, scenario, 3, ROUNDS), scenario)
    played: list[int] = []

    class Watched(Late):
        def run_round(self, traffic: Any) -> RoundReport:
            played.append(traffic.round_index)
            return super().run_round(traffic)

    known = {index: recorded[index] for index in range(num_known)}
    network = SegmentedNetwork(Watched, scenario, 3, ROUNDS, num_known, known.__getitem__)
    assert (network.first is None) == (begun_at > 0)
    network.wait_ready()
    again = play(network, scenario)
    assert isinstance(network.first, Watched)
    assert played == list(range(begun_at, ROUNDS))
    for index, (one, other) in enumerate(zip(recorded, again, strict=True)):
        assert_same(one, other, f"round {index}")


def test_a_harvest_goes_on_where_its_clock_stands() -> None:
    harvest = Harvest(np.array([0.0, 2.0, 5.0]), np.array([[1.0], [2.0], [3.0]]))
    for elapsed_s in (0.0, 1.5, 2.0, 4.0, 5.0, 9.0):
        rest = later(harvest, elapsed_s)
        assert rest.times_s[0] == 0
        for start_s, end_s in ((0.0, 1.0), (0.5, 3.5), (2.0, 20.0)):
            expected = harvest.harvested_j(elapsed_s + start_s, elapsed_s + end_s)
            np.testing.assert_allclose(rest.harvested_j(start_s, end_s), expected)


def test_places_go_on_from_where_devices_are_and_stay_in_their_area() -> None:
    scenario = make_mesh(4)
    area_m = (0.0, 30.0, 0.0, 30.0)
    moving = scenario.mobility.model_copy(update={"mobility": "random_waypoint", "area_m": area_m})
    begun: list[NetworkScenario] = []
    places = np.array([[30.0 + 1e-12, 3.0, 1.5], [-1e-13, 9, 1.5], [5, 5, 1.5], [7, 7, 1.5]])

    class Moved(AnalyticNetwork):
        def run_round(self, traffic: Any) -> RoundReport:
            return replace(super().run_round(traffic), position_m=places)

    def begin(each: NetworkScenario) -> Moved:
        begun.append(each)
        return Moved(replace(each, mobility=scenario.mobility))

    def shadowing_db(each: NetworkScenario) -> np.ndarray:
        return each.channel.shadowing_db

    play(SegmentedNetwork(begin, scenario, 1, 2), scenario, rounds=2)
    np.testing.assert_array_equal(*map(shadowing_db, begun))  # a static network stays as it is
    begun.clear()
    moving_scenario = replace(scenario, mobility=moving)
    play(SegmentedNetwork(begin, moving_scenario, 1, 2), scenario, rounds=2)
    assert (shadowing_db(begun[0]) != shadowing_db(begun[1]))[~np.eye(4, dtype=np.bool_)].all()
    np.testing.assert_allclose(begun[1].position_m, places, atol=1e-9)
    assert begun[1].position_m.max() == 30.0
    assert begun[1].position_m.min() == 0.0
    # Of one field, shadowing is that of the places that were reached.
    field = draw_field(area_m, 4.0, 2.0, np.random.default_rng(1))
    world = change(moving_scenario, shadowing_model="network", shadowing_field=field)
    begun.clear()
    play(SegmentedNetwork(begin, world, 1, 2), scenario, rounds=2)
    expected_db = network_shadowing_db(field, begun[1].position_m)
    np.testing.assert_array_equal(shadowing_db(begun[1]), expected_db)
