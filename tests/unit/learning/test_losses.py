import math

import numpy as np
import pytest
import torch

from learning.methods.parts.warmup import warmup
from learning.model.losses import (
    PRIOR_FLOOR,
    alignment,
    cross_entropy,
    decorrelation,
    log_prior,
    strong_loss,
)
from learning.model.stack import Forward


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_cross_entropy_is_the_mean_negative_log_probability_of_each_device():
    logits, label = draw(3, 4, 5), torch.tensor([[0, 1, 2, 3], [4, 4, 0, 1], [2, 2, 2, 2]])
    for k, loss in enumerate(cross_entropy(logits, label).tolist()):
        by_hand = 0.0
        for i in range(4):
            row = [math.exp(v) for v in logits[k, i].tolist()]
            by_hand -= math.log(row[label[k, i]] / sum(row)) / 4
        assert loss == pytest.approx(by_hand, rel=1e-5)


def test_decorrelation_is_squared_covariance_and_what_deviations_lack_of_a_half():
    c, s = 0.4 * draw(2, 10, 3, seed=1), 2 * draw(2, 10, 2, seed=2)
    for k, value in enumerate(decorrelation(c, s).tolist()):
        by_hand = 0.0
        for i in range(3):
            for j in range(2):
                by_hand += np.cov(c[k, :, i].numpy(), s[k, :, j].numpy(), ddof=0)[0, 1] ** 2 / 3
        for features in (c, s):
            deviations = [float(np.std(column.numpy())) for column in features[k].T]
            lacking = [max(0.0, 0.5 - math.sqrt(d * d + 1e-4)) for d in deviations]
            by_hand += sum(lacking) / len(lacking)
        assert value == pytest.approx(by_hand, rel=1e-4)


def test_decorrelation_does_not_reward_features_that_die():
    # Shrinking all features towards constants takes the covariance away, and costs more.
    c, s = draw(1, 200, 4, seed=1), draw(1, 200, 4, seed=2)
    alive, dying, dead = (float(decorrelation(f * c, f * s)) for f in (1.0, 0.3, 0.0))
    assert alive < dying < dead


def test_decorrelation_has_a_finite_slope_where_a_feature_is_dead():
    c = torch.zeros(1, 6, 3, requires_grad=True)
    decorrelation(c, draw(1, 6, 3)).sum().backward()
    assert c.grad.isfinite().all()


def test_alignment_is_the_distance_to_the_class_mean_and_skips_unknown_classes():
    c, mean = draw(2, 4, 3, seed=1), draw(2, 5, 3, seed=2)
    label = torch.tensor([[0, 1, 1, 4], [2, 2, 3, 0]])
    known = torch.tensor([[True, True, False, True, False], [True, True, True, False, True]])
    for k, value in enumerate(alignment(c, label, mean, known).tolist()):
        by_hand = 0.0
        for i in range(4):
            y = int(label[k, i])
            if known[k, y]:
                by_hand += float(((c[k, i] - mean[k, y]) ** 2).mean()) / 4
        assert value == pytest.approx(by_hand, rel=1e-5)


def test_logit_adjustment_adds_the_devices_own_log_prior_to_every_logit_once():
    prior = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.2, 0.8], [1.0, 0.0, 0.0]])
    fused, alone = draw(2, 4, 3, seed=1), draw(1, 4, 3, seed=2)
    label = torch.tensor([[0, 1, 1, 0], [2, 1, 2, 2]])
    # Devices 1 and 2 train; only device 2 uses acc.
    passed = Forward(
        devices=torch.tensor([1, 2]),
        rows={"acc": torch.tensor([1])},
        common={},
        specific={},
        modality_logits={"acc": alone},
        fused_logits=fused,
        common_weight=draw(2, 3, 2),
        bias=draw(2, 3),
        specific_weight={},
    )
    loss = strong_loss(passed, label, log_prior(prior), 0.5)
    first = cross_entropy(fused[:1] + (prior[1] + PRIOR_FLOOR).log(), label[:1])
    second = cross_entropy(fused[1:] + (prior[2] + PRIOR_FLOOR).log(), label[1:])
    second += 0.5 * cross_entropy(alone + (prior[2] + PRIOR_FLOOR).log(), label[1:])
    torch.testing.assert_close(loss, torch.cat([first, second]))


def test_the_warm_up_is_zero_then_climbs_evenly_to_one():
    shares = [warmup(r, 2, 3) for r in range(8)]
    assert shares == pytest.approx([0, 0, 0.25, 0.5, 0.75, 1, 1, 1])
    assert [warmup(r, 0, 0) for r in range(2)] == [1, 1]
