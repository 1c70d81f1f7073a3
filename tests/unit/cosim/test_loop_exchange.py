"""What devices offer each other in a run, and with which weights they mix what came."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import DEVICES, Run

from learning.learner import Learner
from learning.messages import Delivery
from ns3_scenarios.reports import OUTCOMES


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
                    modality = part.removeprefix("encoder_").removeprefix("specific_")
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
