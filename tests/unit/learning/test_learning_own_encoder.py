"""An encoder from the user's own file: what it does, and how each mistake in it is reported."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_reference import everything_arrives, make_setup

import learning
from learning.errors import LearningError
from learning.learner import Learner
from learning.models import make_model

EXAMPLE = Path(learning.__file__).parent / "examples/own_encoder.py"
N = 4
EVERYBODY = np.ones(N, dtype=bool)
UNEQUAL = np.array([[2, 1], [1, 3], [0, 0], [1, 1]])
BUILT_IN = """
from torch import nn

def encoder(modality, shape, out_features):
    return nn.Sequential(
        nn.Conv1d(shape[0], 8, 5, padding=2), nn.ReLU(), nn.MaxPool1d(4),
        nn.Conv1d(8, 16, 5, padding=2), nn.ReLU(), nn.MaxPool1d(4),
        nn.Flatten(), nn.Linear(shape[1], out_features),
    )
"""
LAYERS = {"conv1": "0", "conv2": "3", "linear": "7"}


def own(tmp_path, text):
    file = tmp_path / "mine.py"
    file.write_text(text)
    return str(file)


def train(learner, rounds):
    for r in rounds:
        result = learner.train(r, UNEQUAL, EVERYBODY)
        learner.mix(everything_arrives(learner), EVERYBODY)
    return result


@pytest.mark.parametrize("method", ["dmml_kd", "fedgen_strong"])
def test_the_built_in_encoder_brought_as_ones_own_trains_alike(made, tmp_path, method):
    # Small steps, and the first round by itself: training blows up a last bit, and by how much
    # depends on the processor.
    setup = {"method": method, "learning_rate": 0.02}
    built_in = Learner(make_setup(**setup), made)
    mine = Learner(make_setup(**setup, model=own(tmp_path, BUILT_IN)), made)
    names = {
        f"encoder_{m}/{layer}_{kind}": f"encoder_{m}/{number}.{kind}"
        for m in ("acc", "gyro")
        for layer, number in LAYERS.items()
        for kind in ("weight", "bias")
    }
    state = built_in.state()
    mine.load({names.get(name, name): value for name, value in state.items()})
    for rounds, speed_rtol, close in (
        ([0], 1e-4, {"atol": 1e-5, "rtol": 1e-4}),
        ([1, 2], 5e-3, {"atol": 2e-4, "rtol": 0}),
    ):
        expected, result = train(built_in, rounds), train(mine, rounds)
        np.testing.assert_array_equal(result.flop, expected.flop)
        np.testing.assert_allclose(result.loss, expected.loss, rtol=1e-5)
        np.testing.assert_allclose(mine.speed(), built_in.speed(), rtol=speed_rtol)
        for name, value in built_in.state().items():
            other = mine.state()[names.get(name, name)]
            torch.testing.assert_close(other, value, **close, msg=name)
    np.testing.assert_array_equal(mine.payload().part_bytes, built_in.payload().part_bytes)
    np.testing.assert_allclose(mine.evaluate().accuracy, built_in.evaluate().accuracy, atol=0.01)


def test_the_example_learns_and_its_features_are_not_negative(made):
    learner = Learner(make_setup(method="dmml", model=str(EXAMPLE)), made)
    before = learner.evaluate().accuracy.mean()
    for r in range(20):
        learner.train(r, 4 * learner.available, EVERYBODY)
        learner.mix(everything_arrives(learner), EVERYBODY)
    assert learner.evaluate().accuracy.mean() > before + 0.2
    shapes = {"signal": (3, 128), "image": (1, 28, 28), "vector": (20,)}
    model = make_model(shapes, 5, 8, 8, 3, str(EXAMPLE))
    for m, shape in shapes.items():
        one = model.encoders[m]
        stack = {name: value[None] for name, value in one.initial.items()}
        z = one.encode(stack, torch.randn(1, 6, *shape))
        assert z.shape == (1, 6, 16)
        assert float(z.min()) == 0 < float(z.max())


def test_initial_parameters_are_decided_by_the_runs_seed_and_leave_torchs_own_alone(tmp_path):
    path, shapes = own(tmp_path, BUILT_IN), {"acc": (3, 128), "gyro": (3, 128)}
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    one = make_model(shapes, 5, 8, 8, 3, path).initial
    assert torch.equal(torch.rand(3), expected)
    torch.rand(5)
    same, other = (make_model(shapes, 5, 8, 8, seed, path).initial for seed in (3, 4))
    for name, value in one.items():
        assert torch.equal(value, same[name])
        assert not torch.equal(value, other[name])
    assert not torch.equal(one["encoder_acc/0.weight"], one["encoder_gyro/0.weight"])


def encoder_file(tmp_path, module):
    return own(
        tmp_path,
        "import torch\nfrom torch import nn\n"
        "class M(nn.Module):\n    pass\n"
        f"def encoder(modality, shape, out_features):\n    return {module}\n",
    )


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("3", "expected a torch.nn.Module, got int"),
        ("1 / 0", "got line 6: ZeroDivisionError"),
        ("M(1)", "got line 6: TypeError"),
        (
            "nn.Sequential(nn.Flatten(), nn.Linear(384, out_features - 1))",
            r"16\).*float32 \(3, 15\)",
        ),
        (
            "nn.Sequential(nn.Flatten(), nn.Linear(7, out_features))",
            "expected a function that runs",
        ),
        ("nn.Linear(128, out_features)", r"got float32 \(3, 3, 16\)"),
        ("nn.BatchNorm1d(3)", "without buffers, got running_mean; remedy: use GroupNorm or Layer"),
        ("nn.Flatten()", "expected a module with parameters, got none"),
        ("nn.Sequential(nn.Flatten(), nn.Linear(384, 16), nn.Dropout(0.1))", "got 2: Dropout"),
        ("nn.Linear(2, 2).double()", "got weight: torch.float64"),
        ("nn.Linear(2, 2).requires_grad_(False)", "requires_grad False"),
        (
            "nn.Sequential(nn.Flatten(), nn.LayerNorm(384), nn.Unflatten(1, (16, 24)))",
            r"\(3, 16, 2",
        ),
    ],
)
def test_a_module_that_breaks_the_contract_is_one_line_with_a_remedy(
    made, tmp_path, module, expected
):
    path = encoder_file(tmp_path, module)
    with pytest.raises(LearningError) as refusal:
        Learner(make_setup(model=path), made)
    message = str(refusal.value)
    assert message.startswith(f"{path}, encoder of acc: expected ")
    assert "\n" not in message
    assert "remedy: " in message
    assert re.search(expected, message)


def test_a_model_that_is_no_file_or_has_no_encoder_is_refused(made, tmp_path):
    with pytest.raises(LearningError, match="model: expected default or a Python file, got 'cnn'"):
        make_setup(model="cnn")
    with pytest.raises(LearningError, match="nothing there"):
        Learner(make_setup(model=str(tmp_path / "no.py")), made)
    with pytest.raises(LearningError, match="expected a definition of encoder, got x"):
        Learner(make_setup(model=own(tmp_path, "x = 1\n")), made)
    with pytest.raises(LearningError, match="encoder: expected a function, got int"):
        Learner(make_setup(model=own(tmp_path, "encoder = 1\n")), made)


def test_work_that_torch_cannot_count_is_not_charged_as_nothing(made, tmp_path):
    text = """
import torch
from torch import nn

class Scaled(nn.Module):
    def __init__(self, out_features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(out_features))

    def forward(self, x):
        return x.flatten(1)[:, : len(self.scale)] * self.scale

def encoder(modality, shape, out_features):
    return Scaled(out_features)
"""
    with pytest.raises(LearningError, match="whose work is charged, got none that torch counts"):
        Learner(make_setup(model=own(tmp_path, text)), made)
