import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_reference import Device, everything_arrives, make_setup
from pydantic import ValidationError

from learning.data.batches import draw_batch
from learning.data.samples import TEST, TRAIN
from learning.errors import LearningError
from learning.exchange.message import decode
from learning.learner import Learner
from learning.messages import Delivery
from learning.model.evaluate import macro_f1
from learning.model.stack import encode
from learning.training.pace import parameter_variation, unmeasured

N = 4
EVERYBODY = np.ones(N, dtype=bool)
UNEQUAL = np.array([[2, 1], [1, 3], [0, 0], [1, 1]])


def go(learner, rounds, tau=2):
    for r in rounds:
        learner.train(r, tau * learner.available, EVERYBODY)
        learner.mix(everything_arrives(learner), EVERYBODY)


def test_training_from_a_loaded_state_is_bit_identical(made):
    setup = make_setup(modality_pattern="thirds")
    straight, resumed = Learner(setup, made), Learner(setup, made)
    go(straight, range(5))
    first = Learner(setup, made)
    go(first, range(3))
    resumed.load(first.state())
    assert resumed.parameters_digest() == first.parameters_digest()
    go(resumed, range(3, 5))
    assert resumed.parameters_digest() == straight.parameters_digest()
    np.testing.assert_array_equal(resumed.speed(), straight.speed())
    assert straight.parameters_digest() != first.parameters_digest()


def test_a_state_is_a_copy_that_later_training_leaves_alone(made):
    learner = Learner(make_setup(), made)
    state = learner.state()
    kept = {name: value.clone() for name, value in state.items()}
    go(learner, range(2))
    assert all(torch.equal(state[name], kept[name]) for name in kept)


def test_a_state_of_another_setup_is_refused(made):
    learner = Learner(make_setup(), made)
    with pytest.raises(LearningError, match="checkpoint of the same setup"):
        learner.load(Learner(make_setup(feature_dim=4), made).state())
    with pytest.raises(LearningError, match="generator"):
        learner.load(Learner(make_setup(method="dmml", specific_share=0.25), made).state())


def test_inactive_and_idle_devices_stay_as_they_are(made):
    learner = Learner(make_setup(), made)
    before = learner.state()
    active = np.array([True, False, True, True])
    result = learner.train(0, UNEQUAL, active)
    assert result.iterations.tolist() == [[2, 1], [0, 0], [0, 0], [1, 1]]
    assert np.isnan(result.loss).tolist() == [False, True, True, False]
    assert (result.flop == 0).tolist() == [False, True, True, False]
    assert np.isnan(result.parameter_variation[1:3]).all()
    for name, value in learner.state().items():
        if not name.startswith("pace"):
            assert torch.equal(value[1:3], before[name][1:3]), name
            assert not torch.equal(value[0], before[name][0]), name
    assert learner.speed()[1:3].tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_round_in_which_nobody_trains_changes_nothing(made):
    learner = Learner(make_setup(), made)
    before = learner.parameters_digest()
    result = learner.train(0, UNEQUAL, ~EVERYBODY)
    assert learner.parameters_digest() == before
    assert np.isnan(result.loss).all()
    assert (result.flop == 0).all()
    assert (learner.speed() == 1).all()


def test_the_generator_terms_are_off_in_the_warm_up_and_on_after_it(made):
    digests = {}
    for field in ("distillation_weight", "alignment_weight"):
        runs = [Learner(make_setup(warmup_rounds=2, **{field: x}), made) for x in (0.0, 2.0)]
        for rounds in (range(2), range(2, 3)):
            for learner in runs:
                go(learner, rounds)
            digests[field, rounds.stop] = len({run.parameters_digest() for run in runs})
    assert digests == {
        ("distillation_weight", 2): 1,
        ("distillation_weight", 3): 2,
        ("alignment_weight", 2): 1,
        ("alignment_weight", 3): 2,
    }


def test_a_dead_device_keeps_every_bit_while_the_living_mix(made):
    learner = Learner(make_setup(), made)
    learner.train(0, UNEQUAL + 1, EVERYBODY)
    before = learner.state()
    weight = learner.mix(everything_arrives(learner), np.array([True, False, True, True]))
    after = learner.state()
    for name in before:
        assert torch.equal(after[name][1], before[name][1])
    assert (weight[1, 1] == 1).all()
    np.testing.assert_allclose(weight[[0, 2, 3]], 1 / 4)
    assert not torch.equal(after["head/bias"][0], before["head/bias"][0])


def test_encoders_mix_only_among_devices_that_have_the_modality(made):
    learner = Learner(make_setup(modality_pattern="thirds"), made)
    learner.train(0, 2 * learner.available, EVERYBODY)
    before = learner.state()
    weight = learner.mix(everything_arrives(learner), EVERYBODY)
    for column, m in enumerate(learner.modality_names):
        has = learner.available[:, column]
        assert has.any()
        assert (~has).any()
        name = f"encoder_{m}/linear_weight"
        after = learner.state()[name]
        # A full mesh of those that have it: everybody ends at their mean.
        expected = before[name][torch.from_numpy(has)].mean(0)
        for k in range(N):
            target = expected if has[k] else before[name][k]
            torch.testing.assert_close(after[k], target, atol=1e-6, rtol=1e-5)
        assert (weight[np.ix_(has, ~has)][..., column] == 0).all()


def test_speed_is_one_before_the_first_round_and_nan_without_the_modality(made):
    learner = Learner(make_setup(modality_pattern="thirds"), made)
    np.testing.assert_array_equal(np.isnan(learner.speed()), ~learner.available)
    assert (learner.speed()[learner.available] == 1).all()


def test_speed_is_the_moving_average_of_the_encoders_relative_change(made):
    learner = Learner(make_setup(), made)
    expected = None
    for r in range(3):
        before = learner.state()
        result = learner.train(r, np.array([[2, 1]] * N), EVERYBODY)
        after = learner.state()
        for k in range(N):
            for column, (m, tau) in enumerate((("acc", 2), ("gyro", 1))):
                names = [
                    f"encoder_{m}/{layer}_{kind}"
                    for layer in ("conv1", "conv2", "linear")
                    for kind in ("weight", "bias")
                ]
                change = sum(float((after[n][k] - before[n][k]).norm()) ** 2 for n in names)
                size = sum(float(before[n][k].norm()) ** 2 for n in names)
                by_hand = math.sqrt(change / size) / tau
                assert result.parameter_variation[k, column] == pytest.approx(by_hand, rel=1e-4)
        new = result.parameter_variation
        expected = new if expected is None else (expected + new) / 2
        np.testing.assert_allclose(learner.speed(), expected, rtol=1e-5)


def test_a_round_without_a_modality_leaves_its_speed():
    nan = math.nan
    pace = unmeasured((1, 2))
    assert pace.speed("cumulative").tolist() == [[1.0, 1.0]]
    rounds = [  # variation, iterations, contribution
        ([0.4, nan], [2, 0], [nan, nan]),
        ([nan, 0.2], [0, 3], [nan, nan]),
        ([0.1, 0.6], [6, 1], [0.5, -0.2]),
        ([nan, 0.2], [0, 4], [0.1, nan]),
    ]
    for variation, iterations, gain in rounds:
        pace = pace.update(
            torch.tensor([variation]), torch.tensor([iterations]), torch.tensor([gain])
        )
    assert pace.measured.all()
    expected = {
        "step": [0.25, 0.3],  # means of 0.4, 0.1 and of (0.2, 0.6), 0.2
        "first": [0.4, 0.2],
        "cumulative": [1.4 / 8, (0.6 + 0.6 + 0.8) / 8],
    }
    for metric, value in expected.items():
        torch.testing.assert_close(pace.speed(metric), torch.tensor([value]))
    torch.testing.assert_close(pace.contribution, torch.tensor([[0.175, -0.1]]))  # from 0, 0
    nothing = parameter_variation(
        {"a/w": torch.ones(1, 2)}, {"a/w": torch.ones(1, 2)}, torch.tensor([0])
    )
    assert nothing.isnan().all()


def test_part_bytes_are_the_lengths_of_the_buffers_that_carry_the_parameters(made):
    learner = Learner(make_setup(modality_pattern="thirds"), made)
    payload = learner.payload()
    parts = ("encoder_acc", "encoder_gyro", "head", "generator", "specific_acc", "specific_gyro")
    assert payload.parts == parts
    # float32 values of f_m and W_m (C = 5, 12 common and 4 specific features), of the head, and
    # of the generator's sums of common and of specific features
    encoder = (8 * 15 + 8) + (16 * 40 + 16) + (16 * 128 + 16) + 5 * 4
    values = encoder, 5 * 12 + 5, 5 + 2 * 5 * 12, 5 + 2 * 5 * 4
    # 16 bytes, the name, and one shape of 1 + 4 dimensions bytes for each array
    encoder_shapes = 2 * (13 + 5) + (9 + 5) + 9
    expected = {
        "encoder_acc": 16 + 11 + encoder_shapes + 4 * values[0],
        "encoder_gyro": 16 + 12 + encoder_shapes + 4 * values[0],
        "head": 16 + 4 + 9 + 5 + 4 * values[1],
        "generator": 16 + 9 + 5 + 9 + 9 + 4 * values[2],
        "specific_acc": 16 + 12 + 5 + 9 + 9 + 4 * values[3],
        "specific_gyro": 16 + 13 + 5 + 9 + 9 + 4 * values[3],
    }
    for k in range(N):
        for column, part in enumerate(payload.parts):
            modality = part.partition("_")[2]
            missing = modality and not learner.available[k, learner.modality_names.index(modality)]
            assert payload.part_bytes[k, column] == (0 if missing else expected[part])


def test_a_message_carries_the_parameters_that_mixing_uses(made):
    learner = Learner(make_setup(), made)
    learner.train(0, UNEQUAL, EVERYBODY)
    message = decode(learner.message(3, "head", 5, 2))
    assert (message.sender, message.round_index, message.advertised_degree) == (3, 5, 2)
    state = learner.state()
    assert torch.equal(message.arrays[0], state["head/common_weight"][3])
    assert torch.equal(message.arrays[1], state["head/bias"][3])


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("local", ()),
        ("dmml", ("encoder_acc", "encoder_gyro", "head")),
        ("fedgen_strong", ("encoder_acc", "encoder_gyro", "head", "generator")),
    ],
)
def test_each_method_sends_its_parts(made, method, parts):
    learner = Learner(make_setup(method=method), made)
    payload = learner.payload()
    assert payload.parts == parts
    assert payload.part_bytes.shape == (N, len(parts))
    weight = learner.mix(everything_arrives(learner), EVERYBODY)
    # A full mesh: everybody takes a quarter of everybody.
    assert weight.shape == (N, N, len(parts))
    np.testing.assert_allclose(weight, 1 / 4)


def test_accuracy_is_that_of_each_devices_own_model_one_window_at_a_time(made):
    learner = Learner(make_setup(modality_pattern="thirds", num_devices=3), made)
    everybody = np.ones(3, dtype=bool)
    for r in range(3):
        learner.train(r, 3 * learner.available, everybody)
    scores, stack = learner.evaluate(), learner.state()
    test = np.flatnonzero(made.split == TEST)
    for k in range(3):
        device = Device(stack, k, dict.fromkeys(made.modalities, (3, 128)))
        own = [m for i, m in enumerate(made.modalities) if learner.available[k, i]]
        hits, alone_hits = 0, dict.fromkeys(own, 0)
        with torch.no_grad():
            for i in test:
                inputs = {m: torch.from_numpy(made.modalities[m][i : i + 1]) for m in own}
                _, alone, fused = device(inputs)
                hits += int(fused.argmax()) == made.label[i]
                for m in own:
                    alone_hits[m] += int(alone[m].argmax()) == made.label[i]
        assert scores.accuracy[k] == pytest.approx(hits / len(test), abs=1e-9)
        for column, m in enumerate(made.modalities):
            score = scores.modality_accuracy[k, column]
            if m in own:
                assert score == pytest.approx(alone_hits[m] / len(test), abs=1e-9)
            else:
                assert np.isnan(score)
        if len(own) == 2:
            apart = abs(alone_hits["acc"] - alone_hits["gyro"]) / len(test)
            assert scores.modality_imbalance[k] == pytest.approx(apart, abs=1e-9)
        else:
            assert np.isnan(scores.modality_imbalance[k])


def test_macro_f1_is_the_mean_of_the_classes_f1_by_hand():
    truth = np.array([0, 0, 1, 1, 1, 2])
    predicted = np.array([[0, 1, 1, 1, 2, 2], [0, 0, 0, 0, 0, 0], [3, 0, 1, 1, 1, 2]])
    # first: class 0 p=1 r=1/2, class 1 p=2/3 r=2/3, class 2 p=1/2 r=1; class 3 is not in the truth
    expected = [(2 / 3 + 2 / 3 + 2 / 3) / 3, 0.5 / 3, (2 / 3 + 1 + 1) / 3]
    np.testing.assert_allclose(macro_f1(predicted, truth, 4), expected)


def test_devices_learn_more_together_than_alone(made):
    accuracy = {}
    for method in ("local", "dmml_kd"):
        setup = make_setup(method=method, partition="dirichlet", dirichlet_alpha=0.2)
        learner = Learner(setup, made)
        for r in range(15):
            learner.train(r, np.full((N, 2), 4), EVERYBODY)
            learner.mix(everything_arrives(learner), EVERYBODY)
        accuracy[method] = learner.evaluate().accuracy.mean()
    # 0.19 to 0.27 more, by how the initial parameters are rounded.
    assert accuracy["dmml_kd"] > accuracy["local"] + 0.05


def test_a_loss_that_explodes_names_the_round_and_the_device(made):
    # Beyond what a user may set.
    wild = make_setup().model_copy(update={"learning_rate": 1e30, "clip_norm": 1e30})
    learner = Learner(wild, made)
    with pytest.raises(LearningError, match="loss of device 1 in round 7"):
        learner.train(6, np.array([[0, 0], [3, 3], [0, 0], [0, 0]]), EVERYBODY)


def test_arguments_that_do_not_fit_the_devices_are_refused(made):
    learner = Learner(make_setup(modality_pattern="thirds"), made)
    with pytest.raises(LearningError, match="iterations"):
        learner.train(0, np.ones((N, 3), dtype=int), EVERYBODY)
    with pytest.raises(LearningError, match="active"):
        learner.train(0, learner.available.astype(int), EVERYBODY[:2])
    with pytest.raises(LearningError, match=r"mask the plan with Learner\.available"):
        learner.train(0, np.ones((N, 2), dtype=int), EVERYBODY)
    with pytest.raises(LearningError, match="round 1"):
        learner.train(0, -learner.available.astype(int), EVERYBODY)
    delivery = everything_arrives(learner)
    with pytest.raises(LearningError, match="alive"):
        learner.mix(delivery, EVERYBODY[:2])
    ghost = Delivery(np.ones_like(delivery.arrived), delivery.advertised_degree)
    with pytest.raises(LearningError, match="part_bytes"):
        learner.mix(ghost, EVERYBODY)


def cut(data, length):
    """The same recordings with shorter windows."""
    short = {m: np.ascontiguousarray(x[..., :length]) for m, x in data.modalities.items()}
    return replace(data, modalities=short)


def test_windows_shorter_than_both_pools_are_refused_and_others_are_not(made):
    with pytest.raises(LearningError, match="at least 16 long"):
        Learner(make_setup(), cut(made, 15))
    learner = Learner(make_setup(), cut(made, 100))
    assert np.isfinite(learner.train(0, learner.available.astype(int), EVERYBODY).loss).all()


def test_an_unknown_method_is_refused_with_the_names_of_all(made):
    with pytest.raises(ValidationError, match=r"method: expected dmml_kd \| .*got fedavg"):
        make_setup(method="fedavg")
    with pytest.raises(LearningError, match="method_options of fedprox: expected proximal_weight"):
        Learner(make_setup(method="fedprox", method_options={"mu": 1.0}), made)


def test_public_counts_are_those_of_the_partition(made):
    learner = Learner(make_setup(), made)
    assert learner.modality_names == ("acc", "gyro")
    assert learner.class_counts.sum() == (made.split == TRAIN).sum()
    np.testing.assert_array_equal(learner.class_counts.sum(1), learner.samples_per_device)


def test_a_modality_contributes_what_the_loss_grows_by_without_it(made):
    learner = Learner(make_setup(modality_pattern="thirds", learning_rate=1e-6), made)
    both = learner.available.all(1)
    assert 0 < both.sum() < N
    result = learner.train(0, learner.available.astype(np.int64), EVERYBODY)
    assert np.isnan(result.contribution[~both]).all()
    rows = draw_batch(learner._data, 8, 7, 0, 1)
    state = learner.state()
    for k in np.flatnonzero(both):
        label = learner._data.label[rows[k]]
        evidence = {}
        for m in ("acc", "gyro"):
            own = {n: v[k][None] for n, v in state.items() if n.startswith(f"encoder_{m}/")}
            x = learner._data.inputs[m][rows[k]][None]
            common, specific = (z[0] for z in encode(learner._model, own, m, x))
            evidence[m] = common @ state["head/common_weight"][k].T
            evidence[m] += specific @ state[f"encoder_{m}/specific_weight"][k].T
        bias = state["head/bias"][k]

        def loss(logits, label=label):
            return float(torch.nn.functional.cross_entropy(logits, label))

        fused = loss((evidence["acc"] + evidence["gyro"]) / 2 + bias)
        for column, other in enumerate(("gyro", "acc")):
            gain = loss(evidence[other] + bias) - fused
            assert result.contribution[k, column] == pytest.approx(gain, abs=1e-5)
