"""Whole rounds over the ideal network, with books kept beside them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cosim.cli import learning_setup, open_network
from cosim.compute import PROFILES
from cosim.config import RunConfig
from cosim.config_sources import load
from cosim.deployment import make_scenario
from cosim.loop import RoundRecord, run_rounds
from cosim.record import RunFolder
from learning.data.dataset import load as load_data
from learning.learner import Delivery, Learner
from ns3_scenarios.analytic import AnalyticNetwork, capacity_bps
from ns3_scenarios.ideal import IdealNetwork
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.scenario import NetworkScenario
from ns3_scenarios.traffic import RoundTraffic

DEVICES = 4
PI = PROFILES["raspberry_pi_4"]


def make_config(*flags: str) -> RunConfig:
    small = ("--learning.rounds=3", "--learning.batch_size=8", "--learning.feature_dim=8")
    fixed = (f"--network.num_devices={DEVICES}", "--network.kind=ideal", "--learning.dataset=made")
    plans = ("--iteration.max_iterations=3", "--energy.reserve_j=0")
    return load([*fixed, *small, *plans, *flags], None, None)


class WatchedLearner(Learner):
    """A learner that keeps the weights of each round, and its state behind it."""

    def mix(self, delivery: Delivery, alive: np.ndarray) -> np.ndarray:
        weight = super().mix(delivery, alive)
        self.weights = [*getattr(self, "weights", []), weight]
        self.states = [*getattr(self, "states", []), self.state()]
        return weight


class ThirstyNetwork(IdealNetwork):
    """The ideal network, but one device's computing draws far more than its profile says."""

    def __init__(self, scenario: NetworkScenario, device: int, factor: float) -> None:
        super().__init__(scenario)
        self._factor = np.where(np.arange(scenario.num_devices) == device, factor, 1.0)

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        return super().run_round(replace(traffic, compute_j=traffic.compute_j * self._factor))


class LateDeathNetwork(IdealNetwork):
    """The ideal network, but device 0 dies at the end of the first round, with its mail read."""

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        report = super().run_round(traffic)
        died_at_s = report.energy.died_at_s.copy()
        died_at_s[0] = traffic.period_s
        return replace(report, energy=replace(report.energy, died_at_s=died_at_s))


class RevivingNetwork(IdealNetwork):
    """The ideal network, but device 0 dies in the first round's computing and comes back in it.

    Its last death comes after that time: it comes back twice.
    """

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        report = super().run_round(traffic)
        first = np.arange(len(traffic.compute_s)) == 0
        changes = {
            "died_at_s": np.where(first, 0.8 * traffic.period_s, np.nan),
            "revived_at_s": np.where(first, 0.9 * traffic.period_s, np.nan),
        }
        if traffic.round_index == 0:
            changes["compute_j"] = report.energy.compute_j * np.where(first, 0.5, 1.0)
        return replace(report, energy=replace(report.energy, **changes))


@dataclass
class Run:
    config: RunConfig
    learner: WatchedLearner
    records: list[RoundRecord]

    @property
    def weights(self) -> list[np.ndarray]:
        return self.learner.weights

    @property
    def states(self) -> list[dict[str, Tensor]]:
        return self.learner.states


def go(
    *flags: str, thirsty: int | None = None, network_type: type[IdealNetwork] = IdealNetwork
) -> Run:
    torch.set_num_threads(1)
    config = make_config(*flags)
    scenario = make_scenario(config)
    setup = learning_setup(config)
    learner = WatchedLearner(setup, load_data(setup.data))
    network = network_type(scenario)
    if thirsty is not None:
        network = ThirstyNetwork(scenario, thirsty, 40.0)
    return Run(config, learner, list(run_rounds(config, scenario, learner, network)))


# Three iterations of both modalities take 0.022 J: 0.03 J for three rounds is tight.
FLAGS: dict[str, tuple[str, ...]] = {
    "rich": (),
    "tight": ("--energy.battery_j=0.03", "--learning.modality_pattern=thirds"),
    "harvest": ("--energy.battery_j=0.03", "--energy.harvest_power_w=0.02"),
    "death": ("--energy.battery_j=1.2", "--learning.rounds=4"),
    "local": ("--learning.method=local",),
    "int8": ("--learning.payload_codec=int8",),
    "push_sum": ("--learning.mixing=push_sum",),
}
THIRSTY = 2
EVERY_SECOND = "--learning.evaluate_every=2"


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    return {
        name: go(*flags, thirsty=THIRSTY if name == "death" else None)
        for name, flags in FLAGS.items()
    }


@pytest.mark.parametrize("name", FLAGS)
def test_each_round_is_yielded_once_in_order_on_one_clock(runs: dict[str, Run], name: str) -> None:
    run = runs[name]
    assert [r.round_index for r in run.records] == list(range(run.config.learning.rounds))
    period_s = run.config.network.round_period_s
    for i, record in enumerate(run.records):
        assert record.report.start_s == pytest.approx(i * period_s)
        assert record.traffic.round_index == record.report.round_index == i


@pytest.mark.parametrize("name", FLAGS)
def test_start_plus_harvest_minus_all_that_was_spent_is_what_remains(
    runs: dict[str, Run], name: str
) -> None:
    full_j = runs[name].config.energy.battery_j
    left = [full_j] * DEVICES
    for record in runs[name].records:
        e = record.report.energy
        for k in range(DEVICES):
            assert e.start_energy_j[k] == left[k]
            spent_j = e.overflow_j[k] + sum(e.state_j[k]) + e.compute_j[k]
            remaining_j = e.start_energy_j[k] + e.harvested_j[k] - spent_j
            assert e.remaining_energy_j[k] == pytest.approx(remaining_j, rel=0, abs=1e-9)
            left[k] = e.remaining_energy_j[k]
        assert min(left) >= -1e-9
        assert max(left) <= full_j + 1e-9
        assert record.report.energy.compute_j.max() > 0


def test_a_full_battery_overflows_and_an_empty_harvest_adds_nothing(runs: dict[str, Run]) -> None:
    assert sum(r.report.energy.overflow_j.sum() for r in runs["harvest"].records) > 0.01
    for r in runs["harvest"].records:
        assert r.report.energy.harvested_j == pytest.approx(0.02 * 3.0)
    assert not any(r.report.energy.harvested_j.any() for r in runs["tight"].records)


@pytest.mark.parametrize("name", FLAGS)
def test_planned_joules_are_those_of_a_plain_sum_and_within_the_budget(
    runs: dict[str, Run], name: str
) -> None:
    run = runs[name]
    work = run.learner.work_cost()
    for record in run.records:
        rounds_left = run.config.learning.rounds - record.round_index
        for k in range(DEVICES):
            if not record.plan.active[k]:
                assert not record.plan.iterations[k].any()
                continue
            tau = record.plan.iterations[k]
            flop = sum(work.per_iteration_flop[k, m] * tau[m] for m in range(len(tau)))
            flop += work.head_flop[k] * max(tau) + work.kd_flop[k]
            planned_j = flop / PI.effective_flop_per_s * PI.power_w  # the ideal radio is free
            budget_j = max(record.report.energy.start_energy_j[k], 0.0) / rounds_left
            assert record.plan.predicted_j[k] == pytest.approx(planned_j)
            assert planned_j <= budget_j * (1 + 1e-12)
            assert record.traffic.compute_j[k] == pytest.approx(planned_j)
            assert record.traffic.compute_s[k] == pytest.approx(flop / 2.16e9)


def test_a_tight_battery_binds_plans_and_a_rich_one_does_not(runs: dict[str, Run]) -> None:
    tight = {word for r in runs["tight"].records for word in r.plan.binding}
    assert "energy" in tight
    assert {w for r in runs["rich"].records for w in r.plan.binding} == {"iterations_max"}
    # And a plan that is kept leaves nobody dead.
    assert all(r.alive_at_start.all() for r in runs["tight"].records)


def test_a_star_spends_its_battery_evenly_over_the_rounds_in_which_it_trains() -> None:
    # 0.12 J in three rounds up: 0.04 J each, though there are six rounds.
    run = go(
        "--learning.method=fedavg_star",
        "--energy.battery_j=0.12",
        "--learning.rounds=6",
        "--iteration.max_iterations=1000",
        "--iteration.rule=uniform",
    )
    work = run.learner.work_cost()
    flop = work.per_iteration_flop.sum(1) + work.head_flop  # one iteration of both modalities
    for k in range(1, DEVICES):
        one_j = flop[k] / PI.effective_flop_per_s * PI.power_w
        tau = [int(record.plan.iterations[k].min()) for record in run.records]
        assert tau[1::2] == [0, 0, 0]
        assert tau[0] == int(0.04 / one_j) > 1
        # What a round leaves over is less than an iteration.
        assert tau[2] - tau[0] in (0, 1)
        assert tau[4] - tau[0] in (0, 1)
    up, down = (set(run.records[r].plan.binding) for r in (0, 1))
    assert up == {"energy", "no_work"}
    assert down == {"no_work"}


def test_a_star_whose_radios_draw_lasts_to_its_last_round() -> None:
    # Idle radios draw 0.82 W: 7.4 of 8 J in six rounds of 1.5 s; what trains is the rest.
    run = go(
        "--network.kind=analytic",
        "--network.round_period_s=1.5",
        "--learning.method=fedavg_star",
        "--energy.battery_j=8",
        "--energy.reserve_j=0.05",
        "--learning.rounds=6",
        "--iteration.max_iterations=1000",
        network_type=AnalyticNetwork,
    )
    last = run.records[-1].report.energy
    assert last.alive.all()
    for record in run.records[::2]:
        assert (record.plan.iterations[1:] > 0).all()
        assert set(record.plan.binding[1:]) == {"energy"}
        # What is forecast is the radio of the round alone.
        radio_j = record.report.energy.state_j.sum(axis=1)
        forecast_j = record.plan.predicted_j - record.plan.predicted_compute_j
        np.testing.assert_allclose(forecast_j[1:], radio_j[1:], rtol=0.05)
    assert (last.remaining_energy_j[1:] < 0.2).all()


def test_the_actual_work_is_the_planned_work_where_the_profile_is_right(
    runs: dict[str, Run],
) -> None:
    for name in ("rich", "tight", "harvest"):
        for record in runs[name].records:
            np.testing.assert_array_equal(record.trained.iterations, record.plan.iterations)
            spent_j = record.report.energy.compute_j
            np.testing.assert_allclose(spent_j, record.plan.predicted_compute_j, rtol=1e-9)


def death_round(run: Run) -> int:
    return next(
        r.round_index for r in run.records if np.isfinite(r.report.energy.died_at_s[THIRSTY])
    )


def test_the_thirsty_device_dies_and_nobody_else(runs: dict[str, Run]) -> None:
    run = runs["death"]
    died = death_round(run)
    assert died < run.config.learning.rounds - 2  # rounds behind the death are there to be seen
    for record in run.records:
        alive = [True] * DEVICES
        alive[THIRSTY] = record.round_index <= died
        assert record.alive_at_start.tolist() == alive
        assert record.plan.active.tolist() == alive


def test_a_dead_devices_parameters_stay_as_they_were_at_its_death(runs: dict[str, Run]) -> None:
    run = runs["death"]
    died = death_round(run)
    frozen = run.states[died]
    for later, before in zip(run.states[died + 1 :], run.states[died:], strict=False):
        for part, value in later.items():
            assert torch.equal(value[THIRSTY], frozen[part][THIRSTY]), part
        for k in set(range(DEVICES)) - {THIRSTY}:
            assert not torch.equal(later["head/bias"][k], before["head/bias"][k])
    for record in run.records[died + 1 :]:
        assert record.trained.flop[THIRSTY] == record.traffic.compute_j[THIRSTY] == 0.0
        assert THIRSTY not in record.traffic.src


def test_training_that_the_battery_did_not_last_for_is_undone(runs: dict[str, Run]) -> None:
    run = runs["death"]
    died = death_round(run)
    record, (before, after) = run.records[died], run.states[died - 1 : died + 1]
    lived_s = record.report.energy.died_at_s[THIRSTY] - record.report.start_s
    assert 0 < lived_s < record.traffic.compute_s[THIRSTY]
    assert record.plan.iterations[THIRSTY].any()
    assert record.trained.iterations[THIRSTY].tolist() == [0, 0]
    assert np.isnan(record.trained.loss).tolist() == [k == THIRSTY for k in range(DEVICES)]
    # The joules of it stay spent.
    assert record.report.energy.compute_j[THIRSTY] > 0.0
    for name, value in after.items():
        assert torch.equal(value[THIRSTY], before[name][THIRSTY]), name
    assert not torch.equal(after["head/bias"], before["head/bias"])


def test_a_device_that_dies_after_its_mail_came_mixes_none_of_it_but_others_mix_its_own() -> None:
    run = go("--learning.rounds=1", network_type=LateDeathNetwork)
    (record,), (weight,) = run.records, run.weights
    assert {OUTCOMES[i] for i in record.report.flows.outcome} == {"delivered"}
    assert (weight[0, 0] == 1.0).all()
    assert (weight[1, 0] > 0).all()
    # It trained to the end, so that stays: only the mixing is missing.
    assert record.trained.iterations[0].all()


def test_a_device_that_came_back_loses_its_round_and_takes_part_in_the_next() -> None:
    run = go("--learning.rounds=2", network_type=RevivingNetwork)
    (lost, next_one), (none, mixed) = run.records, run.weights
    assert lost.trained.iterations[0].tolist() == [0, 0]
    assert (none[0, 0] == 1.0).all()
    assert next_one.alive_at_start.all()
    assert next_one.trained.iterations[0].all()
    assert (mixed[0, 1] > 0).all()
    assert 0 in next_one.traffic.src


def test_a_dead_neighbour_is_offered_everything_until_three_rounds_of_silence() -> None:
    run = go("--energy.battery_j=1.2", "--learning.rounds=8", thirsty=THIRSTY)
    died = death_round(run)
    offered = []
    for record in run.records:
        to_dead = (record.traffic.src == 0) & (record.traffic.dst == THIRSTY)
        offered.append(int(to_dead.sum()))
        fates = {OUTCOMES[i] for i in record.report.flows.outcome[to_dead]}
        ready_s = record.report.start_s + record.traffic.compute_s[0]
        in_time = not ready_s > record.report.energy.died_at_s[THIRSTY]  # nan while it lives
        assert fates == ({"delivered"} if in_time else {"dead"})
    num_parts = len(run.records[0].payload.parts)
    # The round of the death and two more are full; then only the smallest part asks.
    full, asks = died + 3, 8 - died - 3
    assert asks > 1
    assert offered == [num_parts] * full + [1] * asks


@pytest.mark.parametrize("name", ["rich", "tight", "harvest", "death"])
def test_mixing_weights_of_every_round_are_those_of_the_delivered_messages(
    runs: dict[str, Run], name: str
) -> None:
    run = runs[name]
    for record, weight in zip(run.records, run.weights, strict=True):
        alive = np.isnan(record.report.energy.died_at_s)
        traffic, outcome = record.traffic, record.report.flows.outcome
        came = {
            (int(dst), int(src), int(part))
            for src, dst, part, fate in zip(
                traffic.src, traffic.dst, traffic.part, outcome, strict=True
            )
            if OUTCOMES[fate] == "delivered" and alive[dst]
        }
        for k in range(DEVICES):
            for p in range(len(record.payload.parts)):
                row = weight[k, :, p]
                assert sum(row) == pytest.approx(1.0)
                assert min(row) >= 0
                for j in set(range(DEVICES)) - {k}:
                    assert (row[j] > 0) == ((k, j, p) in came)
        assert (weight[~alive, ~alive] == 1.0).all()


def test_local_training_offers_no_bytes_and_still_learns(runs: dict[str, Run]) -> None:
    run = runs["local"]
    for record in run.records:
        assert len(record.traffic.src) == record.traffic.payload_bytes.sum() == 0
        assert record.payload.parts == ()
        assert record.trained.iterations.all()
    first, last = run.records[0].trained.loss.mean(), run.records[-1].trained.loss.mean()
    assert last < first


@pytest.mark.parametrize("name", ["rich", "tight", "harvest", "int8", "push_sum"])
def test_offered_bytes_are_the_lengths_of_the_buffers_for_each_planned_neighbour(
    runs: dict[str, Run], name: str
) -> None:
    run, learner = runs[name], runs[name].learner
    for record in run.records:
        expected = 0
        for src in range(DEVICES):
            for dst in range(DEVICES):
                # A square of 30 m: neighbours share a side.
                if abs(src % 2 - dst % 2) + abs(src // 2 - dst // 2) != 1:
                    continue
                for part in record.payload.parts:
                    modality = part.removeprefix("encoder_")
                    if modality in learner.modality_names:
                        column = learner.modality_names.index(modality)
                        if not learner.available[[src, dst], column].all():
                            continue
                    expected += len(learner.message(src, part, record.round_index, 1))
        assert expected > 10_000
        assert record.traffic.payload_bytes.sum() == expected


def test_push_sum_over_a_network_without_losses_learns_what_metropolis_does(
    runs: dict[str, Run],
) -> None:
    plain, push = runs["rich"], runs["push_sum"]
    for one, other in zip(plain.weights, push.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert push.states[0].keys() > plain.states[0].keys()
    for name in ("head/bias", "head/common_weight"):
        torch.testing.assert_close(
            push.states[-1][name], plain.states[-1][name], atol=1e-4, rtol=1e-3
        )


def test_the_thirds_pattern_leaves_some_encoders_at_home(runs: dict[str, Run]) -> None:
    tight, rich = (runs[name].records[0].traffic.payload_bytes.sum() for name in ("tight", "rich"))
    assert not runs["tight"].learner.available.all()
    assert 0 < tight < rich


def test_rounds_without_an_evaluation_change_nothing_else() -> None:
    often, seldom = (go("--learning.rounds=5", *flags) for flags in ((), (EVERY_SECOND,)))
    assert often.learner.parameters_digest() == seldom.learner.parameters_digest()
    for one, other in zip(often.records, seldom.records, strict=True):
        evaluated = one.round_index in (1, 3, 4)  # the last one always
        for name in ("accuracy", "modality_accuracy", "consensus_distance", "modality_imbalance"):
            full, sparse = (getattr(each.evaluation, name) for each in (one, other))
            np.testing.assert_array_equal(sparse, full if evaluated else np.full_like(full, np.nan))
        assert one.evaluation.subset_accuracy.keys() == other.evaluation.subset_accuracy.keys()


def test_the_same_configuration_gives_the_same_parameters_and_another_seed_others(
    runs: dict[str, Run],
) -> None:
    digest = runs["rich"].learner.parameters_digest()
    assert go().learner.parameters_digest() == digest
    assert go("--seed=2").learner.parameters_digest() != digest


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0.0, 1.0), seed=st.integers(0, 10_000))
def test_a_part_that_did_not_arrive_weighs_nothing_and_its_weight_stays_with_the_receiver(
    runs: dict[str, Run], share: float, seed: int
) -> None:
    learner, rng = runs["tight"].learner, np.random.default_rng(seed)
    before = runs["tight"].states[0]
    learner.load(before)
    payload = learner.payload()
    has = payload.part_bytes > 0
    arrived = rng.random((DEVICES, DEVICES, len(payload.parts))) < share
    arrived &= has[:, None, :] & has[None, :, :] & ~np.eye(DEVICES, dtype=np.bool_)[..., None]
    degree = rng.integers(0, DEVICES, has.shape)
    # Not the watched mix: examples must not add to the run's record.
    weight = Learner.mix(learner, Delivery(arrived, degree), np.ones(DEVICES, dtype=np.bool_))
    after = learner.state()
    for p, part in enumerate(payload.parts):
        names = [name for name in before if name.startswith(f"{part}/")]
        assert names
        for k in range(DEVICES):
            from_others = 0.0
            for j in range(DEVICES):
                if j == k:
                    continue
                assert (weight[k, j, p] > 0) == arrived[j, k, p]
                from_others += weight[k, j, p]
            assert weight[k, k, p] == pytest.approx(1.0 - from_others)
            assert weight[k].sum(0)[p] == pytest.approx(1.0)
            for name in names:
                mixed = sum(float(weight[k, j, p]) * before[name][j] for j in range(DEVICES))
                torch.testing.assert_close(after[name][k], mixed, atol=1e-5, rtol=1e-4)


def test_a_run_over_the_analytic_network_measures_the_cost_of_its_capacity(
    tmp_path: Path,
) -> None:
    config = make_config("--network.kind=analytic")
    scenario, setup = make_scenario(config), learning_setup(config)
    network = open_network(config, scenario, RunFolder(tmp_path / "run", config))
    assert isinstance(network, AnalyticNetwork)
    learner = Learner(setup, load_data(setup.data))
    last = list(run_rounds(config, scenario, learner, network))[-1]
    # A byte takes 8 / C seconds, at the power of a sender and a receiver.
    s_per_byte = 8 / capacity_bps(scenario)[scenario.neighbours]
    cost = last.cost
    np.testing.assert_allclose(cost.time_s_per_byte[scenario.neighbours], s_per_byte, rtol=1e-9)
    np.testing.assert_allclose(
        cost.energy_j_per_byte[scenario.neighbours], s_per_byte * 3.0 * (0.380 + 0.313), rtol=1e-9
    )
    assert cost.reachable.sum() == DEVICES * (DEVICES - 1)
