"""Tables are the record: a round's traffic and report come back from them bit by bit."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mesh import make_mesh

from cosim.bridge import to_feedback
from cosim.config.devices import machines
from cosim.config.model import RunConfig
from cosim.config.sources import load
from cosim.feedback import initial_feedback
from cosim.loop import Exchanged
from cosim.records.chunk_map import chunk_maps, read_maps
from cosim.records.rebuilt import rebuild
from cosim.records.tables import network_tables
from learning.messages import Payload
from ns3_scenarios.analytic import AnalyticNetwork
from ns3_scenarios.conformance import check_network
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.ideal import IdealNetwork
from ns3_scenarios.network import Network
from ns3_scenarios.promise import Played
from ns3_scenarios.replay import ReplayNetwork
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic

PARTS = ("head", "encoder_acc")


class Recording:
    """A network that keeps what it was asked, and what it reported."""

    def __init__(self, network: Network, into: list[Played]) -> None:
        self._network, self._into = network, into

    def __getattr__(self, name: str) -> object:
        return getattr(self._network, name)

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        report = self._network.run_round(traffic)
        self._into.append(Played(traffic, report))
        return report


def through_tables(played: Played, scenario: NetworkScenario, config: RunConfig) -> Played:
    """Write a round into tables, and rebuild it from them."""
    n = scenario.num_devices
    payload = Payload(PARTS, np.full((n, len(PARTS)), 10**9))
    feedback = to_feedback(
        initial_feedback(config, scenario), played.traffic, played.report, scenario
    )
    done = Exchanged(payload, played.traffic, played.report, Any, feedback, 0.0)  # type: ignore[arg-type]
    tables = network_tables(done)
    index = played.traffic.round_index
    tables["devices"]["compute_s"] = played.traffic.compute_s
    again = rebuild(index, tables, config, scenario, machines(config), PARTS)
    # A round's own length and ending are the configuration's, computing's joules its profile's:
    # the check of networks asks for others.
    own = {name: getattr(played.traffic, name) for name in ("period_s", "stop_when_settled")}
    return replace(again, traffic=replace(again.traffic, compute_j=played.traffic.compute_j, **own))


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Hold two records against each other, field by field and bit by bit."""
    for field in fields(one):
        value, again = getattr(one, field.name), getattr(other, field.name)
        name = f"{where}.{field.name}"
        if hasattr(value, "__dataclass_fields__"):
            assert_same(value, again, name)
        elif field.name == "state_s":
            np.testing.assert_allclose(again, value, rtol=1e-12, atol=1e-12, err_msg=name)
        elif field.name == "contact_s":  # of a device with itself, which is nobody's contact
            off = ~np.eye(len(value), dtype=np.bool_)
            np.testing.assert_array_equal(again[off], value[off])
        else:
            assert getattr(again, "dtype", None) == getattr(value, "dtype", None), name
            np.testing.assert_array_equal(again, value, err_msg=name)


@pytest.mark.parametrize("make", [AnalyticNetwork, IdealNetwork])
def test_a_replay_from_tables_reports_bit_by_bit_and_keeps_every_promise(
    make: Callable[[NetworkScenario], Network],
) -> None:
    config = load(["--network.num_devices=4"], None, None)
    kept: list[tuple[NetworkScenario, list[Played]]] = []

    def record(scenario: NetworkScenario) -> Network:
        kept.append((scenario, []))
        return Recording(make(scenario), kept[-1][1])  # type: ignore[return-value]

    scenario = make_mesh(4, battery_j=20.0)
    assert all(finding.ok for finding in check_network(record, scenario))
    again = [[through_tables(each, made, config) for each in rounds] for made, rounds in kept]
    for (_, rounds), rebuilt in zip(kept, again, strict=True):
        for one, other in zip(rounds, rebuilt, strict=True):
            assert_same(one, other)
    # What died, was cut short and came partly is among them.
    outcomes = {int(o) for _, rounds in kept for each in rounds for o in each.report.flows.outcome}
    assert len(outcomes) > 1
    left = iter(again)

    def replay(_: NetworkScenario) -> Network:
        rounds = next(left)
        return ReplayNetwork(lambda index: rounds[index], PARTS)

    assert [finding for finding in check_network(replay, scenario) if not finding.ok] == []


def test_which_chunks_arrived_comes_back_from_its_digits() -> None:
    rng = np.random.default_rng(4)
    count = np.array([1, 3, 8, 9, 40, 17, 5])
    arrived = rng.random(count.sum()) < 0.6
    arrived[:1] = True  # a whole message
    arrived[-5:] = False  # and one of which nothing came
    maps = chunk_maps(count, arrived)
    assert (maps.iloc[0], maps.iloc[-1]) == ("", "")
    # The first of nine chunks and the last: 1000 0000 1, filled up with zeros.
    assert chunk_maps(np.array([9]), np.array([1, *[0] * 7, 1], np.bool_)).tolist() == ["8080"]
    each = np.split(arrived, np.cumsum(count)[:-1])
    got = np.array([part.sum() for part in each])
    np.testing.assert_array_equal(read_maps(count, got, maps), arrived)
    empty = np.zeros(0, np.int64)
    assert len(chunk_maps(empty, np.zeros(0, np.bool_))) == 0
    assert chunk_maps(empty, np.zeros(0, np.bool_)).dtype == maps.dtype == pd.Series([""]).dtype
