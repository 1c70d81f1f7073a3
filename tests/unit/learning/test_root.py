"""The square root of learning: right to the last bits, and the only one."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

from learning.root import root

PACKAGE = Path(__file__).resolve().parents[3] / "learning"


def test_a_root_is_within_one_and_a_half_units_in_the_last_place_of_the_true_one():
    rng = np.random.default_rng(1)
    x = np.exp(rng.uniform(-80, 80, 100_000)).astype(np.float32)
    true = np.sqrt(x.astype(np.float64))
    away = np.abs(root(torch.from_numpy(x)).numpy() - true) / np.spacing(true.astype(np.float32))
    # Three roundings: of the root, of its inverse, and of that one's.
    assert 0.5 < away.max() < 1.6


def test_the_root_of_zero_is_zero_and_of_no_number_none():
    got = root(torch.tensor([0.0, torch.inf, -1.0, torch.nan]))
    assert got[:2].tolist() == [0.0, torch.inf]
    assert got[2:].isnan().all()


@pytest.mark.parametrize("size", [1, 3, 8, 37, 5000])
def test_a_root_does_not_depend_on_its_place_in_an_array(size):
    x = torch.from_numpy(np.random.default_rng(2).uniform(1e-6, 9, size).astype(np.float32))
    alone = torch.stack([root(each) for each in x])
    assert torch.equal(root(x), alone)
    assert torch.equal(root(torch.stack([x, x], dim=1)[:, 0]), alone)


def test_the_slope_of_a_root_is_one_over_twice_the_root():
    x = torch.tensor([1e-12, 1e-6, 0.25, 9.0, 1e6], requires_grad=True)
    (slope,) = torch.autograd.grad(root(x).sum(), x)
    torch.testing.assert_close(slope, (0.5 / x.detach().double().sqrt()).float(), rtol=1e-6, atol=0)


def test_learning_takes_no_other_root_of_a_tensor():
    taken = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in {"sqrt", "sqrt_"}
        and not (isinstance(node.value, ast.Name) and node.value.id in {"np", "math"})
    ]
    assert taken == []
