"""DMML-KD with wide common features, and distillation of the whole head."""

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
from learning.data.partition import partition_recordings
from learning.learner import Learner
from learning.methods import dmml_kd_wide
from learning.models import make_model

N, C, COMMON, SPECIFIC = 4, 5, 14, 2
SHAPES = {"acc": (3, 128), "gyro": (3, 128)}
MODEL = make_model(SHAPES, C, COMMON, SPECIFIC, 3)
UNEQUAL = np.array([[0, 0], [3, 1], [0, 2], [2, 4]])
PRIOR = torch.tensor([[0.2] * 5, [0.6, 0.4, 0, 0, 0], [0, 0, 0.5, 0.3, 0.2], [0.9, 0, 0, 0, 0.1]])


def decomposition(c, s):
    centred = [v - v.mean(0) for v in (c, s)]
    c_unit, s_unit = (v / (v.square().sum(0) + 1e-6).sqrt() for v in centred)
    return (c_unit.T @ s_unit).norm() ** 2 / c.shape[1]


@pytest.mark.parametrize("adjusted", [True, False])
def test_its_loss_is_that_written_out_for_one_device(made, adjusted):
    source = torch.Generator().manual_seed(2)
    known = torch.rand(N, C, generator=source) < 0.7
    state, mean, std = random_sums("generator", N, C, COMMON, known)
    own = {}
    for i, m in enumerate(SHAPES):
        own_known = torch.rand(N, C, generator=source) < 0.7
        sums, *gaussian = random_sums(f"specific_{m}", N, C, SPECIFIC, own_known, seed=5 + i)
        state |= sums
        own[m] = (*gaussian, own_known)
    setup = make_setup(
        method="dmml_kd_wide",
        unimodal_weight=0.7,
        orthogonality_weight=0.3,
        distillation_weight=0.9,
        alignment_weight=0.4,
        logit_adjustment=adjusted,
    )
    round_ = make_round(dmml_kd_wide.METHOD, setup, MODEL, state, PRIOR)

    def taught(device, m, k, y, common, normal):
        """Cross entropy of one modality on generated features, sample by sample."""
        own_mean, own_std, own_known = (v[k] for v in own[m])
        total = 0.0
        for i, label in enumerate(y):
            if not own_known[label]:
                continue
            # Samples of the specific features in the opposite order of those of the common ones.
            noise = normal[len(y) - 1 - i, :SPECIFIC]
            h = (own_mean[label] + own_std[label] * noise).relu()
            logits = device.common(common[i]) + device.encoders[m].specific(h)
            total = total + functional.cross_entropy(logits, torch.tensor(label)) / len(y)
        return total

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
                total = total + 0.3 * decomposition(c, s)
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
                each = taught(device, m, k, y, common, noise.normal[k])
                total = total + 0.9 * weight * each / len(features)
            return total

        return loss

    data = gather_device_data(made, partition_recordings(made, setup.data), N)
    check_against_a_loop_over_devices(
        MODEL, SHAPES, data, UNEQUAL, dmml_kd_wide.begin(round_), loss_of, clip_norm=2.0
    )


def test_a_quarter_is_specific_and_its_sums_travel_with_the_modality(made):
    learner = Learner(make_setup(method="dmml_kd_wide", modality_pattern="thirds"), made)
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
    assert learner.state()["encoder_acc/specific_weight"].shape == (N, C, SPECIFIC)
    assert learner.state()["head/common_weight"].shape == (N, C, COMMON)


def test_sums_of_specific_features_are_those_of_the_samples_seen(made):
    learner = Learner(make_setup(method="dmml_kd_wide"), made)
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
