"""Traffic without learning: messages are as long as they were asked to be, and nobody learns."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from made_runs import make_config

from cosim.config import assemble
from cosim.config.assemble import make_learning_side, open_network
from cosim.config.model import RunConfig
from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from cosim.errors import ConfigError
from cosim.loop import RoundRecord, run_rounds
from cosim.records.tables import partition_table
from learning.errors import LearningError
from ns3_scenarios.analytic import capacity_bps
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.reports import OUTCOMES

NONE = ("--learning.method=none", "--learning.rounds=3")
# Ordered pairs of neighbours on the 2 x 2 grid of the four devices.
SIDES = {(0, 1), (0, 2), (1, 0), (1, 3), (2, 0), (2, 3), (3, 1), (3, 2)}
# A method of one part, and devices that train nothing.
IDLE = """
import numpy as np
from cosim.policies.policy import Decision, Policy

POLICY = Policy(lambda view: Decision(iterations=np.zeros(len(view.available), int)), "idle")
"""


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody load data without need."""

    def refuse(setup: object) -> None:
        raise AssertionError("data were loaded")

    monkeypatch.setattr(assemble, "load", refuse)


def go(config: RunConfig) -> list[RoundRecord]:
    scenario, (_, side) = make_scenario(config), make_learning_side(config)
    network = open_network(config, scenario, Path("unused"))
    return list(run_rounds(config, scenario, side, network))


def messages(record: RoundRecord) -> dict[tuple[int, int], int]:
    traffic = record.traffic
    pairs = zip(traffic.src.tolist(), traffic.dst.tolist(), strict=True)
    return dict(zip(pairs, traffic.payload_bytes.tolist(), strict=True))


def write(folder: Path, text: str) -> str:
    (folder / "traffic.csv").write_text(text, encoding="utf-8")
    return f"--learning.traffic_file={folder / 'traffic.csv'}"


def test_every_neighbour_is_sent_so_many_bytes_every_round_and_nobody_computes() -> None:
    records = go(make_config(*NONE, "--learning.message_bytes=12345"))
    assert len(records) == 3
    for record in records:
        assert messages(record) == dict.fromkeys(SIDES, 12345)
        assert (record.report.flows.delivered_bytes == 12345).all()
        for spent in (record.traffic.compute_s, record.traffic.compute_j, record.trained.flop):
            assert spent.tolist() == [0, 0, 0, 0]
        assert record.plan.iterations.shape == (4, 0)
        assert set(record.plan.binding) == {"no_work"}
        for score in (record.evaluation.accuracy, record.evaluation.macro_f1, record.trained.loss):
            assert np.isnan(score).all()


def test_a_file_says_who_sends_how_much_to_whom_in_which_round(tmp_path: Path) -> None:
    # Device 3 is no neighbour of 0 by distance, 2 sends nothing, and round 2 is silent.
    text = "src,dst,bytes,round\n0,3,500,1\n3,0,70,1\n1,3,9,3\n0,3,501,3\n3,1,1,8\n"
    records = go(make_config(*NONE, write(tmp_path, text)))
    for index, record in enumerate(records):
        rows = [row for row in csv.DictReader(text.splitlines()) if int(row["round"]) == index + 1]
        asked = {(int(row["src"]), int(row["dst"])): int(row["bytes"]) for row in rows}
        assert messages(record) == asked
    assert [len(messages(record)) for record in records] == [2, 0, 2]


def test_a_file_without_rounds_holds_in_every_round_and_without_receivers_for_all_neighbours(
    tmp_path: Path,
) -> None:
    every = go(make_config(*NONE, write(tmp_path, "dst,src,bytes\n3,0,500\n")))
    assert [messages(record) for record in every] == 3 * [{(0, 3): 500}]
    size = {0: 100, 2: 300, 3: 1}
    rows = "".join(f"{bytes_},{src}\n" for src, bytes_ in size.items())
    records = go(make_config(*NONE, write(tmp_path, f"bytes,src\n{rows}")))
    for record in records:
        assert messages(record) == {(s, d): size[s] for s, d in SIDES if s in size}


def test_the_network_does_as_with_a_learning_run_of_the_same_messages_that_computes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    (tmp_path / "idle.py").write_text(IDLE, encoding="utf-8")
    flags = ("--network.kind=analytic", "--energy.battery_j=6", "--learning.rounds=4")
    learnt = go(make_config(*flags, "--learning.method=fedproto", f"--policy={tmp_path}/idle.py"))
    (size,) = {int(size) for record in learnt for size in record.traffic.payload_bytes}
    alone = go(make_config(*flags, "--learning.method=none", f"--learning.message_bytes={size}"))
    assert not learnt[-1].report.energy.alive.all()
    for one, other in zip(learnt, alone, strict=True):
        for field in ("src", "dst", "payload_bytes", "compute_s"):
            assert getattr(one.traffic, field).tolist() == getattr(other.traffic, field).tolist()
        for part in ("flows", "energy", "causes", "links"):
            for name, value in vars(getattr(one.report, part)).items():
                found = getattr(getattr(other.report, part), name)
                np.testing.assert_array_equal(value, found, err_msg=name)
        np.testing.assert_array_equal(one.communication_forecast_j, other.communication_forecast_j)


def test_what_does_not_fit_into_a_round_follows_in_the_next_with_late_weight() -> None:
    flags = ("--network.kind=analytic", "--network.num_devices=2", "--network.round_period_s=0.1")
    config = make_config(*NONE, *flags)
    fits = float(capacity_bps(make_scenario(config))[0, 1]) * 0.1 / 8
    size = int(1.5 * fits)
    whole = go(make_config(*NONE, *flags, f"--learning.message_bytes={size}"))
    late = ("--learning.late_weight=0.5", f"--learning.message_bytes={size}")
    rests = go(make_config(*NONE, *flags, *late))
    assert [messages(record)[0, 1] for record in whole] == 3 * [size]
    arrived = int(rests[0].report.flows.acked_bytes[0])
    assert arrived == pytest.approx(fits, abs=2 * 1400)
    assert [messages(record)[0, 1] for record in rests] == [size, size - arrived, size]
    assert rests[1].report.flows.outcome[0] == OUTCOMES.index("delivered")


def test_a_policy_chooses_neighbours_and_the_messages_stay_as_long_as_they_are() -> None:
    flags = ("--network.kind=analytic", "--policy=round_robin", "--learning.message_bytes=777")
    played = go(make_config(*NONE, *flags))
    assert {word for record in played for word in record.plan.binding} == {"no_work"}
    records = [messages(record) for record in played]
    for before, after in pairwise(records):
        assert set(before) | set(after) == SIDES
        assert set(before.values()) == {777}
        assert len(before) == 4


def test_fields_that_are_said_to_have_no_effect_have_none(tmp_path: Path) -> None:
    flags = (*NONE, "--network.kind=analytic", "--energy.battery_j=9")
    others = (
        "--iteration.rule=random --iteration.speed_metric=cumulative --iteration.max_iterations=9"
        " --iteration.short_rule=idle --iteration.short_rounds=late --iteration.compute_share=0.1"
        " --energy.device_profile=gap9_mcu --learning.mixing=push_sum --learning.partition=iid"
        " --learning.batch_size=4 --learning.evaluate_every=2 --learning.normalisation=gossip"
        " --learning.dataset=watch"
    )
    plain, changed = (go(make_config(*flags, *more)) for more in ((), others.split()))
    for one, other in zip(plain, changed, strict=True):
        assert messages(one) == messages(other)
        for name in ("budget_j", "predicted_j", "objective", "optimality_gap", "binding"):
            np.testing.assert_array_equal(getattr(one.plan, name), getattr(other.plan, name))
        np.testing.assert_array_equal(one.report.energy.state_j, other.report.energy.state_j)


def test_nobody_holds_data() -> None:
    data, side = make_learning_side(make_config(*NONE))
    assert data is None
    assert len(partition_table(data, side)) == 0
    assert side.state() == {}


def test_the_environment_of_rewards_by_accuracy_refuses_a_run_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = pytest.importorskip("cosim.env")
    monkeypatch.undo()
    with pytest.raises(LearningError, match="got 'none'"):
        env.CosimEnv("mesh80211", {"learning.method": "none"}).reset(seed=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("src,dst,bytes\n0,1,9\n4,0,5\n", "row 2: expected src to be a device from 0 to 3, got 4"),
        ("src,dst,bytes\n0,-1,9\n", "row 1: expected dst to be a device from 0 to 3, got -1"),
        ("src,bytes\n0,0\n", "row 1: expected bytes to be a whole number from 1 to 1"),
        ("src,bytes\n0,100000001\n", "row 1: expected bytes to be a whole number from 1 to 1"),
        ("src,bytes\n0,1.5\n", "row 1: expected bytes to be a whole number from 1 to 1"),
        ("src,bytes,round\n0,5,0\n", "row 1: expected round to be a whole number from 1 on, got 0"),
        ("src,dst,bytes\n2,2,5\n", "row 1: expected dst to be another device than src, got 2"),
        ("src,bytes\n2,5\n2,6\n", "row 2: expected src 2 once, got it again"),
        ("src,dst,bytes,round\n0,1,5,2\n0,1,5,2\n", "row 2: expected src 0, dst 1, round 2 once"),
        ("src,to,bytes\n0,1,5\n", "expected columns src, bytes and perhaps dst, round"),
        ("src,bytes\n", "and at least one row, got"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_its_row(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ScenarioError, match="learning.traffic_file") as refusal:
        make_scenario(make_config(*NONE, write(tmp_path, text)))
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--learning.message_bytes=0", "learning.message_bytes: expected greater than or equal to"),
        ("--learning.message_bytes=100000001", "learning.message_bytes: expected less than or"),
        ("--learning.late_weight=0.5 FILE", "learning.late_weight: expected 0 with a traffic_file"),
        ("--network.transport=broadcast --scenario=adhoc80211 FILE", "expected no column dst with"),
        ("--policy=codec_by_cost", "learning.method: expected one that learns with policy"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(tmp_path: Path, flags: str, said: str) -> None:
    words = flags.replace("FILE", write(tmp_path, "src,dst,bytes\n0,1,5\n")).split()
    with pytest.raises((ConfigError, ScenarioError)) as refusal:
        make_scenario(load([*NONE, *words], None, None))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_for_all_neighbours_goes_by_broadcast(tmp_path: Path) -> None:
    flags = ("--network.transport=broadcast", "--scenario=adhoc80211", "--network.num_devices=4")
    words = [*NONE, *flags, write(tmp_path, "src,bytes\n0,5\n")]
    assert make_scenario(load(words, None, None)).neighbours.sum() == len(SIDES)
