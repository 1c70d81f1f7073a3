import math

import numpy as np
import pytest
import torch

from learning.data.batches import GeneratorNoise
from learning.exchange.mixing import metropolis_hastings, mix_stack
from learning.methods.parts import generator


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def noise(devices, samples, d, seed=0):
    source = torch.Generator().manual_seed(seed)
    return GeneratorNoise(
        torch.rand(devices, samples, generator=source),
        torch.randn(devices, samples, d, generator=source),
        torch.zeros(devices, samples, 0),
    )


def sums_of(common, label, devices, num_devices, num_classes):
    sums = generator.empty_sums("generator", num_devices, num_classes, common.shape[-1])
    generator.add_features(sums, "generator", torch.tensor(devices), common, label)
    return sums


def teacher_of(mean, std, known):
    """A statistics generator with these moments (n, C, d)."""
    count = known.float()
    mass = count[..., None]
    sums = {
        "generator/count": count,
        "generator/first": mass * mean,
        "generator/second": mass * (std.square() + mean.square()),
    }
    return generator.gaussian_teacher(sums, "generator")


def ask(q):
    """Wish for classes with probability q (n, C), and weight one."""
    return generator.Distillation(q, torch.ones(len(q)))


def test_sums_give_the_mean_and_deviation_of_each_class():
    common = draw(2, 40, 3).relu()
    label = torch.arange(80).view(2, 40) % 4
    mean, std, known = generator.gaussians(sums_of(common, label, [2, 0], 3, 5), "generator")
    for position, device in enumerate([2, 0]):
        for c in range(4):
            mine = common[position][label[position] == c].numpy()
            np.testing.assert_allclose(mean[device, c], mine.mean(0), rtol=1e-4)
            np.testing.assert_allclose(std[device, c], mine.std(0), rtol=1e-3)
    assert known.tolist() == [[True] * 4 + [False], [False] * 5, [True] * 4 + [False]]


def test_a_class_that_a_device_lacks_reaches_it_and_ends_as_the_pooled_statistics():
    # Each device sees one class of three, in different amounts, and class 0 on two of them.
    common, label = draw(4, 30, 2).relu(), torch.tensor([[0], [1], [2], [0]]).expand(4, 30)
    sums = sums_of(common, label, [0, 1, 2, 3], 4, 3)
    ring = np.zeros((4, 4, 1), dtype=bool)
    for k in range(4):
        ring[k, (k + 1) % 4] = ring[(k + 1) % 4, k] = True
    weight = metropolis_hastings(ring, ring.sum(0), np.ones((4, 1), dtype=bool))
    for _ in range(40):
        sums = mix_stack(sums, ("generator",), weight)
    mean, std, _ = generator.gaussians(sums, "generator")
    for c in range(3):
        pooled = common[label == c].numpy()
        for k in range(4):
            np.testing.assert_allclose(mean[k, c], pooled.mean(0), rtol=1e-3)
            np.testing.assert_allclose(std[k, c], pooled.std(0), rtol=1e-2)


def test_old_mass_decays_only_on_devices_that_trained():
    old = sums_of(draw(2, 6, 2), torch.zeros(2, 6, dtype=torch.long), [0, 1], 2, 2)
    fresh = sums_of(draw(1, 4, 2), torch.ones(1, 4, dtype=torch.long), [1], 2, 2)
    new = generator.renew(old, fresh, torch.tensor([False, True]), 0.5)
    assert new["generator/count"].tolist() == [[6, 0], [3, 4]]
    torch.testing.assert_close(new["generator/first"][0], old["generator/first"][0], rtol=0, atol=0)
    torch.testing.assert_close(new["generator/second"][1, 0], old["generator/second"][1, 0] / 2)


def test_a_device_distils_the_classes_that_it_lacks():
    prior = torch.tensor([[0.6, 0.4, 0.0], [1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]])
    asked = generator.what_to_distil(prior, adjusted=False)
    # max - p: (0, .2, .6), all 0 (so uniform, with weight 0), (0, 1, 1)
    expected = [[0, 0.25, 0.75], [1 / 3] * 3, [0, 0.5, 0.5]]
    torch.testing.assert_close(asked.class_probability, torch.tensor(expected))
    torch.testing.assert_close(asked.weight, torch.tensor([0.8, 0.0, 2.0]), atol=1e-6, rtol=0)
    six = generator.what_to_distil(torch.eye(6), adjusted=False)
    assert six.weight.tolist() == [4.0] * 6
    adjusted = generator.what_to_distil(prior, adjusted=True)
    torch.testing.assert_close(adjusted.class_probability, torch.full((3, 3), 1 / 3))
    assert adjusted.weight.tolist() == [1.0] * 3


def test_labels_are_drawn_as_asked_among_known_classes_only():
    known = torch.tensor([[True, False, True, True], [False] * 4])
    teacher = teacher_of(torch.zeros(2, 4, 1), torch.zeros(2, 4, 1), known)
    q = torch.tensor([[0.1, 0.5, 0.1, 0.3]] * 2)
    _, label, weight = generator.generate(teacher, torch.arange(2), ask(q), noise(2, 20_000, 1))
    frequency = np.bincount(label[0].numpy(), minlength=4) / 20_000
    # q on known classes, normalised: 0.2, 0, 0.2, 0.6; four standard errors are 0.014
    np.testing.assert_allclose(frequency, [0.2, 0.0, 0.2, 0.6], atol=0.014)
    assert weight.tolist() == [1, 0]


def test_the_extremes_of_the_uniform_draw_stay_on_allowed_classes():
    known = torch.tensor([[False, True, True, False]])
    teacher = teacher_of(torch.zeros(1, 4, 1), torch.zeros(1, 4, 1), known)
    largest = torch.nextafter(torch.tensor(1.0), torch.tensor(0.0))
    edge = GeneratorNoise(
        torch.tensor([[0.0, float(largest)]]), torch.zeros(1, 2, 1), torch.zeros(1, 2, 0)
    )
    _, label, _ = generator.generate(
        teacher, torch.tensor([0]), ask(torch.full((1, 4), 0.25)), edge
    )
    assert label.tolist() == [[1, 2]]


def test_generated_features_have_the_moments_of_a_rectified_gaussian():
    mu, sigma = 0.5, 1.5
    known = torch.ones(1, 1, dtype=torch.bool)
    teacher = teacher_of(torch.full((1, 1, 1), mu), torch.full((1, 1, 1), sigma), known)
    g, _, _ = generator.generate(
        teacher, torch.tensor([0]), ask(torch.ones(1, 1)), noise(1, 100_000, 1)
    )
    # E max(0, X) = mu Phi(mu / sigma) + sigma phi(mu / sigma)
    ratio = mu / sigma
    phi = math.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
    expected = mu * 0.5 * (1 + math.erf(ratio / math.sqrt(2))) + sigma * phi
    assert float(g.mean()) == pytest.approx(expected, abs=0.015)
    assert float(g.min()) == 0.0
