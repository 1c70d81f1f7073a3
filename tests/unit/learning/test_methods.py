"""Each rival of DMML-KD that changes how devices train, derived a second way."""

import math

import numpy as np
import pytest
import torch
from learning_reference import (
    DEFAULTS,
    Device,
    check_against_a_loop_over_devices,
    different_parameters,
    everything_arrives,
    make_round,
    make_setup,
    plain_loss,
    random_sums,
    train_device,
)
from torch.nn import functional

from learning.data.batches import draw_batch, gather_device_data
from learning.data.dealing.partition import partition_recordings
from learning.learner import Learner
from learning.method import Gradient
from learning.methods import fedprox, ogm_ge, pmr
from learning.model.stack import Forward, init_parameters, make_model

SHAPES = {"acc": (3, 128), "gyro": (3, 128)}
MODEL = make_model(SHAPES, 5, common_dim=8, specific_dim=8, seed=3)
N = 4
PRIOR = torch.full((N, 5), 0.2)
UNEQUAL = np.array([[0, 0], [3, 1], [0, 2], [2, 4]])


@pytest.fixture
def device_data(made):
    return gather_device_data(made, partition_recordings(made, make_setup(num_devices=N)), N)


def worthless(term):
    """A term of the loss that has its gradient and the value zero."""
    return term - term.detach()


@pytest.mark.parametrize("clip_norm", [0.5, 1e9])
def test_fedprox_adds_the_gradient_of_half_mu_times_the_squared_way_from_the_start(
    device_data, clip_norm
):
    setup, start = make_setup(method="fedprox"), init_parameters(MODEL, N)
    round_ = make_round(fedprox.METHOD, setup, MODEL, start, PRIOR, proximal_weight=0.7)

    def loss_of(k):
        def loss(device, outputs, label, step):
            used = device.named_stack(outputs[0])
            way = sum((p - start[name][k]).square().sum() for name, p in used)
            return plain_loss(device, outputs, label, step) + worthless(0.7 / 2 * way)

        return loss

    check_against_a_loop_over_devices(
        MODEL, SHAPES, device_data, UNEQUAL, fedprox.begin, round_, loss_of, clip_norm
    )


def test_quasi_global_momentum_equals_three_rounds_of_a_plain_loop(made, device_data):
    beta, rate = 0.9, DEFAULTS["learning_rate"]
    learner = Learner(make_setup(method="qg_momentum", num_devices=N), made)
    theta = {k: v for k, v in learner.state().items() if k.startswith(("encoder_", "head/"))}
    momentum = {name: torch.zeros_like(v) for name, v in theta.items()}
    for r in range(3):
        learner.train(r, UNEQUAL, np.ones(N, dtype=bool))
        learner.mix(everything_arrives(learner), np.ones(N, dtype=bool))

        twins = [Device(theta, k, SHAPES) for k in range(N)]
        for k in range(N):

            def loss(device, outputs, label, step, k=k):
                along = sum(
                    (momentum[name][k] * p).sum() for name, p in device.named_stack(outputs[0])
                )
                return plain_loss(device, outputs, label, step) + worthless(beta * along)

            def batch(step, k=k, r=r):
                rows = draw_batch(device_data, 8, DEFAULTS["seed"], r, step)[k]
                return {m: x[rows] for m, x in device_data.inputs.items()}, device_data.label[rows]

            if UNEQUAL[k].any():
                schedule = dict(zip(SHAPES, UNEQUAL[k].tolist(), strict=True))
                train_device(twins[k], batch, schedule, loss, DEFAULTS["clip_norm"])
        for name, before in theta.items():
            # On a full mesh everybody ends at the mean.
            mixed = torch.stack([dict(t.named_stack())[name].detach() for t in twins]).mean(0)
            for k, steps in enumerate(UNEQUAL.max(1).tolist()):
                if steps > 0:
                    drift = (before[k] - mixed) / (rate * steps)
                    momentum[name][k] = beta * momentum[name][k] + (1 - beta) * drift
            theta[name] = mixed.expand_as(before).clone()
    state = learner.state()
    for name, value in theta.items():
        torch.testing.assert_close(state[name], value, atol=2e-5, rtol=1e-3)
        torch.testing.assert_close(
            state[f"momentum/{name}"], momentum[name], atol=2e-4, rtol=1e-3, msg=name
        )
    assert float(momentum["head/bias"][1].abs().max()) > 1e-3
    assert (state["momentum/head/bias"][0] == 0).all()


def two_modalities(width=8):
    """Device 1 uses both modalities, of which acc is sure of the truth; device 3 only gyro."""
    label = torch.tensor([[0, 1, 2], [1, 1, 0]])
    sure = 3.0 * functional.one_hot(label[:1], 3).float()
    flat = torch.zeros(2, 3, 3)
    return label, Forward(
        devices=torch.tensor([1, 3]),
        rows={"acc": torch.tensor([0]), "gyro": torch.tensor([0, 1])},
        common={},
        specific={},
        modality_logits={"acc": sure, "gyro": flat},
        fused_logits=flat,
        common_weight=torch.zeros(2, 3, width),
        bias=torch.zeros(2, 3),
        specific_weight={},
    )


def test_the_modality_that_is_surer_of_the_truth_is_slowed_down():
    label, passed = two_modalities()
    # acc: softmax of (3, 0, 0) at the truth, three times; gyro: a third, three times
    ratio = 3 * math.exp(3) / (math.exp(3) + 2)
    dominant = ogm_ge.coefficient(passed, label, "acc", alpha=0.4)
    assert dominant.tolist() == pytest.approx([1 - math.tanh(0.4 * ratio)])
    assert ogm_ge.coefficient(passed, label, "gyro", alpha=0.4).tolist() == [1, 1]


def test_the_slowed_encoder_gets_noise_of_its_deviation_and_the_rest_stays_as_it_is():
    label, passed = two_modalities()
    source = torch.Generator().manual_seed(1)
    entries = 40_000

    def gradient(devices):
        drawn = 2.0 + 3.0 * torch.randn(len(devices), entries, generator=source)
        return Gradient(torch.tensor(devices), torch.zeros_like(drawn), drawn)

    given = {
        "encoder_acc/linear_weight": gradient([1]),
        "encoder_gyro/linear_weight": gradient([1, 3]),
        "head/common_weight": gradient([1, 3]),
    }
    setup = make_setup(method="ogm_ge", num_devices=N)
    round_ = make_round(ogm_ge.METHOD, setup, MODEL, {}, PRIOR, modulation=0.4)
    adjust = ogm_ge.begin(round_).adjust
    changed = adjust(given, passed, label, 1)
    kept = changed.get("encoder_gyro/linear_weight", given["encoder_gyro/linear_weight"].gradient)
    assert torch.equal(kept, given["encoder_gyro/linear_weight"].gradient)
    assert "head/common_weight" not in changed

    k = 1 - math.tanh(0.4 * 3 * math.exp(3) / (math.exp(3) + 2))
    before = given["encoder_acc/linear_weight"].gradient
    noise = changed["encoder_acc/linear_weight"] - k * before
    # four standard errors of a mean and of a deviation over 40,000 draws
    assert float(noise.mean()) == pytest.approx(0, abs=4 * 3 * k / math.sqrt(entries))
    assert float(noise.std()) == pytest.approx(3 * k, rel=4 / math.sqrt(2 * entries) + 0.01)
    again = adjust(given, passed, label, 1)["encoder_acc/linear_weight"]
    assert torch.equal(again, changed["encoder_acc/linear_weight"])
    other = adjust(given, passed, label, 2)["encoder_acc/linear_weight"]
    assert not torch.equal(other, again)


def nearness(z, label, prototypes, known):
    """Log of the probability of each sample's class by distance to prototypes, one by one."""
    found = []
    for i, y in enumerate(label.tolist()):
        if known[y]:
            away = {c: (z[i] - prototypes[c]).norm() for c in range(5) if known[c]}
            found.append(-away[y] - torch.stack([-a for a in away.values()]).logsumexp(0))
    return found


def test_pmr_pulls_the_slower_modality_to_its_prototypes_sample_by_sample(device_data):
    source = torch.Generator().manual_seed(4)
    known = {m: torch.rand(N, 5, generator=source) < 0.7 for m in SHAPES}
    known["acc"][3] = False
    state, mean = {}, {}
    for seed, m in enumerate(SHAPES):
        sums, mean[m], _ = random_sums(f"prototypes-{m}", N, 5, 16, known[m], seed)
        state |= sums
    round_ = make_round(
        pmr.METHOD, make_setup(method="pmr"), MODEL, state, PRIOR, prototype_weight=0.6
    )

    def loss_of(k):
        def loss(device, outputs, label, step):
            near = {
                m: nearness(torch.cat(cs, 1), label, mean[m][k], known[m][k])
                for m, cs in outputs[0].items()
            }
            score = {m: sum(math.exp(p.item()) for p in logs) for m, logs in near.items()}
            total = plain_loss(device, outputs, label, step)
            for m, logs in near.items():
                if logs:
                    slow = min(max(max(score.values()) / score[m] - 1, 0), 1)
                    total = total - 0.6 * slow * sum(logs) / len(label)
            return total

        return loss

    check_against_a_loop_over_devices(
        MODEL, SHAPES, device_data, UNEQUAL, pmr.begin, round_, loss_of, clip_norm=2.0
    )


def test_pmr_without_prototypes_is_plain_training(device_data):
    setup = make_setup(method="pmr")
    round_ = make_round(pmr.METHOD, setup, MODEL, pmr.extra_state(setup, MODEL), PRIOR)
    check_against_a_loop_over_devices(
        MODEL, SHAPES, device_data, UNEQUAL, pmr.begin, round_, lambda k: plain_loss, clip_norm=2.0
    )


def test_prototypes_are_the_mean_features_of_the_last_rounds_with_halving_weights(made):
    learner = Learner(make_setup(method="pmr", learning_rate=1e-6, num_devices=N), made)
    for r in range(2):
        learner.train(r, 2 * learner.available, np.ones(N, dtype=bool))
    # The model hardly moves, so features are those of the initial model; two steps a round.
    data = gather_device_data(made, partition_recordings(made, make_setup()), N)
    state = learner.state()
    twin = Device(different_parameters(MODEL, N) | state, 1, SHAPES)
    first, mass = torch.zeros(5, 16), torch.zeros(5)
    for r, weight in ((0, 0.5), (1, 1.0)):
        for step in (1, 2):
            rows = draw_batch(data, 8, DEFAULTS["seed"], r, step)[1]
            z = torch.cat(twin.encoders["gyro"](data.inputs["gyro"][rows]), 1).detach()
            for i, y in enumerate(data.label[rows].tolist()):
                first[y] += weight * z[i]
                mass[y] += weight
    torch.testing.assert_close(state["prototypes-gyro/count"][1], mass)
    torch.testing.assert_close(state["prototypes-gyro/first"][1], first, atol=1e-3, rtol=1e-3)
