"""DMML-KD: its loss, the sums of specific features, and that its features live."""

import numpy as np
import pytest
import torch
from learning_reference import (
    check_against_a_loop_over_devices,
    everything_arrives,
    make_round,
    make_setup,
    random_sums,
)
from torch.nn import functional

from learning.data.batches import gather_device_data
from learning.data.dealing.partition import partition_recordings
from learning.learner import Learner
from learning.methods import dmml_kd
from learning.model.stack import make_model

N, C, FEATURES = 4, 5, 16
SHAPES = {"acc": (3, 128), "gyro": (3, 128)}
UNEQUAL = np.array([[0, 0], [3, 1], [0, 2], [2, 4]])
PRIOR = torch.tensor([[0.2] * 5, [0.6, 0.4, 0, 0, 0], [0, 0, 0.5, 0.3, 0.2], [0.9, 0, 0, 0, 0.1]])


def repeated(c, s):
    """Squared covariances over the common width, and what deviations lack of a half."""
    joint = torch.cov(torch.cat([c, s], 1).T, correction=0)[: c.shape[1], c.shape[1] :]
    lacking = [(0.5 - (v.var(0, correction=0) + 1e-4).sqrt()).relu().mean() for v in (c, s)]
    return joint.square().sum() / c.shape[1] + sum(lacking)


def taught(device, m, own, y, common, normal):
    """Cross entropy of one modality on generated features, sample by sample."""
    own_mean, own_std, own_known = own
    total = 0.0
    for i, label in enumerate(y):
        if own_known[label]:
            h = (own_mean[label] + own_std[label] * normal[i]).relu()
            logits = device.common(common[i])
            if len(h):
                logits = logits + device.encoders[m].specific(h)
            total = total + functional.cross_entropy(logits, torch.tensor(label)) / len(y)
    return total


@pytest.mark.parametrize("adjusted", [True, False])
@pytest.mark.parametrize("specific_dim", [8, 2, 0])
def test_its_loss_is_that_written_out_for_one_device(made, specific_dim, adjusted):
    model = make_model(SHAPES, C, FEATURES - specific_dim, specific_dim, 3)
    source = torch.Generator().manual_seed(2)
    known = torch.rand(N, C, generator=source) < 0.7
    known[3] = False
    state, mean, std = random_sums("generator", N, C, model.common_dim, known)
    own = {}
    for i, m in enumerate(SHAPES):
        # Without specific features there is nothing to be known of them.
        own_known = (torch.rand(N, C, generator=source) < 0.7) | (specific_dim == 0)
        sums, *gaussian = random_sums(f"specific_{m}", N, C, specific_dim, own_known, seed=5 + i)
        state |= sums if specific_dim else {}
        own[m] = (*gaussian, own_known)
    setup = make_setup(
        specific_share=specific_dim / FEATURES,
        unimodal_weight=0.7,
        decorrelation_weight=0.3,
        distillation_weight=0.9,
        alignment_weight=0.4,
        logit_adjustment=adjusted,
    )
    round_ = make_round(dmml_kd.METHOD, setup, model, state, PRIOR)

    def loss_of(k):
        prior = PRIOR[k]
        log_prior = (prior + 1e-3).log() if adjusted else torch.zeros(C)
        q = (torch.ones(C) if adjusted else prior.max() - prior) * known[k]
        weight = 1.0 if adjusted else min(4.0, C * float(prior.max()) - 1)

        def loss(device, outputs, label, step):
            features, alone, fused = outputs
            total = functional.cross_entropy(fused + log_prior, label)
            for m, (c, s) in features.items():
                total = total + 0.7 * functional.cross_entropy(alone[m] + log_prior, label)
                if specific_dim:
                    total = total + 0.3 * repeated(c, s)
                for i, y in enumerate(label.tolist()):
                    if known[k, y]:
                        total = total + 0.4 * ((c[i] - mean[k, y]) ** 2).mean() / len(label)
            noise = round_.noise(step)
            if q.sum() == 0:
                return total
            edges = (q.cumsum(0) / q.sum()).tolist()
            y = [next(c for c, e in enumerate(edges) if u < e) for u in noise.uniform[k].tolist()]
            common = (mean[k, y] + std[k, y] * noise.normal[k]).relu()
            for m in features:
                each = taught(device, m, [v[k] for v in own[m]], y, common, noise.specific[k])
                total = total + 0.9 * weight * each / len(features)
            return total

        return loss

    data = gather_device_data(made, partition_recordings(made, setup), N)
    check_against_a_loop_over_devices(
        model, SHAPES, data, UNEQUAL, dmml_kd.begin, round_, loss_of, clip_norm=2.0
    )


def test_sums_of_specific_features_travel_with_the_modality(made):
    learner = Learner(make_setup(modality_pattern="thirds", specific_share=0.125), made)
    payload = learner.payload()
    assert payload.parts == (
        "encoder_acc",
        "encoder_gyro",
        "head",
        "generator",
        "specific_acc",
        "specific_gyro",
    )
    has = payload.part_bytes > 0
    np.testing.assert_array_equal(has[:, 4:], learner.available)
    assert has[:, 3].all()
    assert learner.state()["encoder_acc/specific_weight"].shape == (N, C, 2)
    assert learner.state()["head/common_weight"].shape == (N, C, 14)


def test_sums_of_specific_features_are_those_of_the_samples_seen(made):
    learner = Learner(make_setup(), made)
    everybody = np.ones(N, bool)
    learner.train(0, np.array([[2, 1], [1, 1], [0, 3], [1, 0]]), everybody)
    count = {m: learner.state()[f"specific_{m}/count"].sum(1) for m in SHAPES}
    # Batches of 8 samples.
    assert count["acc"].tolist() == [16, 8, 0, 8]
    assert count["gyro"].tolist() == [8, 8, 24, 0]
    learner.mix(everything_arrives(learner), everybody)
    # Four devices that all hear each other average with weights of a quarter.
    mixed = learner.state()["specific_acc/count"].sum(1)
    torch.testing.assert_close(mixed, torch.full((N,), 8.0))


def test_after_thirty_rounds_at_most_a_tenth_of_the_common_features_is_dead(watch):
    setup = make_setup(
        dataset="watch",
        partition="dirichlet",
        dirichlet_alpha=0.1,
        feature_dim=32,
        batch_size=16,
        warmup_rounds=5,
        ramp_rounds=10,
        clip_norm=5.0,
    )
    learner, everybody = Learner(setup, watch), np.ones(N, bool)
    for round_index in range(30):
        learner.train(round_index, np.full((N, 2), 5), everybody)
        learner.mix(everything_arrives(learner), everybody)
    assert learner.evaluate().dead_feature_share.max() <= 0.1
