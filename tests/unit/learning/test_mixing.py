import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.exchange.mixing import Gaps, keep_own, metropolis_hastings, mix_stack


def path_of_three():
    arrived = np.zeros((3, 3, 1), dtype=bool)
    arrived[0, 1] = arrived[1, 0] = arrived[1, 2] = arrived[2, 1] = True
    return arrived, np.array([[1], [2], [1]])


EVERYONE = np.ones((3, 1), dtype=bool)
EVERYONE_OF_4 = np.ones((4, 1), dtype=bool)


def test_weights_on_a_path_of_three_are_those_of_the_textbook():
    weight = metropolis_hastings(*path_of_three(), EVERYONE)[..., 0]
    expected = [[2 / 3, 1 / 3, 0], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 3, 2 / 3]]
    np.testing.assert_allclose(weight, expected)


def test_the_weight_of_a_lost_part_goes_to_its_receiver():
    arrived, degree = path_of_three()
    arrived[0, 1] = False
    weight = metropolis_hastings(arrived, degree, EVERYONE)[..., 0]
    np.testing.assert_allclose(weight, [[2 / 3, 1 / 3, 0], [0, 2 / 3, 1 / 3], [0, 1 / 3, 2 / 3]])


def test_a_dead_device_keeps_its_model_but_what_it_sent_before_counts():
    arrived, degree = path_of_three()
    alive = np.array([[True], [True], [False]])
    weight = metropolis_hastings(arrived, degree, alive)[..., 0]
    np.testing.assert_allclose(weight, [[2 / 3, 1 / 3, 0], [1 / 3, 1 / 3, 1 / 3], [0, 0, 1]])


def brute_force(arrived, degree, receives):
    n, _, p = arrived.shape
    weight = np.zeros((n, n, p))
    for part in range(p):
        for k in range(n):
            heard = [j for j in range(n) if j != k and arrived[j, k, part] and receives[k, part]]
            own = max(degree[k, part], len(heard))
            for j in heard:
                weight[k, j, part] = 1 / (1 + max(own, degree[j, part]))
            weight[k, k, part] = 1 - sum(weight[k, j, part] for j in heard)
    return weight


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 10_000))
def test_rows_sum_to_one_without_negative_weights_whatever_arrived(n, p, seed):
    rng = np.random.default_rng(seed)
    arrived = rng.random((n, n, p)) < rng.random()
    degree = rng.integers(0, n, (n, p))
    receives = rng.random((n, p)) < 0.8
    weight = metropolis_hastings(arrived, degree, receives)
    np.testing.assert_allclose(weight, brute_force(arrived, degree, receives), atol=1e-12)
    np.testing.assert_allclose(weight.sum(1), 1.0)
    assert weight.min() >= 0


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 7), st.integers(0, 10_000))
def test_without_losses_mixing_keeps_the_mean_and_shrinks_the_spread(n, seed):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n, n)) < 0.7, 1)
    arrived = (upper | upper.T)[..., None]
    weight = metropolis_hastings(arrived, arrived.sum(0), np.ones((n, 1), dtype=bool))
    before = torch.from_numpy(rng.normal(size=(n, 2, 3)).astype(np.float32))
    after = mix_stack({"head/w": before}, ("head",), weight)["head/w"]
    torch.testing.assert_close(after.mean(0), before.mean(0), atol=1e-5, rtol=0)
    assert float(after.var(0).sum()) <= float(before.var(0).sum()) + 1e-5


def test_parts_mix_with_their_own_weights_and_others_stay():
    stack = {"head/b": torch.tensor([[1.0], [5.0]]), "encoder_a/w": torch.tensor([[2.0], [4.0]])}
    stack["generator/count"] = torch.tensor([[7.0], [9.0]])
    weight = np.zeros((2, 2, 2))
    weight[..., 0] = [[0.5, 0.5], [0.0, 1.0]]
    weight[..., 1] = [[0.75, 0.25], [0.25, 0.75]]
    mixed = mix_stack(stack, ("encoder_a", "head"), weight)
    assert mixed["encoder_a/w"].tolist() == [[3.0], [4.0]]
    assert mixed["head/b"].tolist() == [[2.0], [4.0]]
    assert mixed["generator/count"].tolist() == [[7.0], [9.0]]


def test_a_row_that_keeps_its_own_model_keeps_every_bit():
    value = torch.randn(3, 50, generator=torch.Generator().manual_seed(1))
    weight = np.eye(3)[..., None]
    weight[0, :, 0] = [0.5, 0.5, 0.0]
    mixed = mix_stack({"head/w": value}, ("head",), weight)["head/w"]
    assert torch.equal(mixed[1:], value[1:])
    assert mixed[0].numpy() == pytest.approx(((value[0] + value[1]) / 2).numpy(), abs=1e-6)


def test_an_element_that_did_not_arrive_leaves_its_weight_with_the_receiver():
    rng = np.random.default_rng(4)
    n = 4
    value = torch.from_numpy(rng.normal(size=(n, 5)).astype(np.float32))
    arrived = rng.random((n, n, 5)) < 0.6  # [receiver, sender, element]
    weight = metropolis_hastings(
        ~np.eye(n, dtype=bool)[..., None], np.full((n, 1), 3), EVERYONE_OF_4
    )
    before = {"head/w": value}
    mixed = mix_stack(before, ("head",), weight)
    gaps = [
        Gaps(j, k, "head", {"head/w": torch.from_numpy(arrived[k, j])})
        for k in range(n)
        for j in range(n)
        if j != k
    ]
    keep_own(mixed, before, ("head",), weight, gaps)
    expected = np.zeros((n, 5))
    for k in range(n):
        for e in range(5):
            own = 1.0
            for j in range(n):
                if j != k and arrived[k, j, e]:
                    own -= weight[k, j, 0]
                    expected[k, e] += weight[k, j, 0] * float(value[j, e])
            expected[k, e] += own * float(value[k, e])
    np.testing.assert_allclose(mixed["head/w"].numpy(), expected, atol=1e-6)
    assert torch.equal(before["head/w"], value)
