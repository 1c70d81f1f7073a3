"""An encoder from the user's own file: what it does, and how each mistake in it is reported."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_reference import everything_arrives, make_setup
from pydantic import ValidationError

import learning
from learning.errors import LearningError
from learning.learner import Learner
from learning.model.stack import make_model

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
    with pytest.raises(ValidationError, match="model: expected default or a file .*got cnn"):
        make_setup(model="cnn")
    with pytest.raises(ValidationError, match=r"got .*no\.py; choose"):
        make_setup(model=str(tmp_path / "no.py"))
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


MODULE = """
import random
import torch
from torch import nn
from torch.nn import functional

class Own(nn.Module):
    def __init__(self, out, forward):
        super().__init__()
        self.linear, self.own, self.calls = nn.Linear(384, out), forward, 0

    def forward(self, x):
        return self.own(self, x)

def plain(self, x):
    return self.linear(x.flatten(1))

def recurrent(layer, width, out):
    module = Own(out, lambda self, x: self.out(self.layer(x.transpose(1, 2))[0][:, -1]))
    module.layer, module.out = layer, nn.Linear(width, out)
    return module

def named(name, value, out, forward=plain):
    module = Own(out, forward)
    module.register_parameter(name, nn.Parameter(value))
    return module

def tied(out):
    module = Own(out, lambda self, x: self.linear(self.b(self.a(x.flatten(1)).relu())))
    module.a, module.b = nn.Linear(384, 384), nn.Linear(384, 384)
    module.b.weight = module.a.weight
    return module

def encoder(modality, shape, out):
    return {}
"""
LINEAR_FLOP = 2 * 2 * 384 * 16
# flop of a sample, or None
SCALED = "named('scale', torch.tensor(1.0), out, lambda self, x: self.scale * plain(self, x))"
RUNS = {
    SCALED: LINEAR_FLOP,
    "nn.Sequential(nn.Flatten(), nn.LazyLinear(out))": LINEAR_FLOP,
    "named('a' * 300 + '/b', torch.zeros(2), out)": LINEAR_FLOP,
    # 128 steps of 4 gates: weights in each, the state's gradient in all but the first
    "recurrent(nn.LSTM(3, 5, batch_first=True), 5, out)": 128 * 2 * 40 * 8 + 127 * 200 + 480,
    "recurrent(nn.GRU(3, 5, 2, batch_first=True, bidirectional=True), 10, out)": None,
    "tied(out)": 5 * 2 * 384 * 384 + 3 * 2 * 384 * 16,
    "Own(out, plain).eval()": LINEAR_FLOP,
    "Own(out, lambda self, x: plain(self, x) if x.mean() > 0 else -plain(self, x))": LINEAR_FLOP,
    "nn.Sequential(nn.Flatten(), nn.Linear(384, out), *3 * [nn.Linear(out, out)])": LINEAR_FLOP
    + 9 * 2 * 16 * 16,
    "nn.Sequential(nn.Flatten(), nn.Linear(384, 4), *[nn.Linear(4, 4) for _ in range(140)],"
    " nn.Linear(4, out))": 2 * 2 * 384 * 4 + 140 * 3 * 2 * 16 + 3 * 2 * 4 * 16,
    "Own(out, lambda self, x: (x.flatten(1)[:, None] * self.linear.weight).sum(-1))": LINEAR_FLOP,
}


@pytest.mark.parametrize(("module", "flop"), RUNS.items())
def test_what_a_module_may_be_runs_a_round_and_is_charged(made, tmp_path, module, flop):
    path = own(tmp_path, MODULE.format(module))
    learner = Learner(make_setup(method="dmml", model=path), made)
    before = learner.state()
    learner.train(0, UNEQUAL, EVERYBODY)
    trained = learner.state()
    learner.mix(everything_arrives(learner), EVERYBODY)
    assert np.isfinite(learner.evaluate().accuracy).all()
    assert any(not torch.equal(v, before[name]) for name, v in trained.items())
    learner.load(learner.state())
    if flop is not None:
        logits = 3 * 2 * 16 * made.num_classes
        setup = make_setup(method="dmml", model=path)
        per_iteration = learner.work_cost().per_iteration_flop[0, 0] - setup.batch_size * logits
        assert per_iteration == setup.batch_size * flop


def test_a_parameter_of_two_names_is_each_devices_own_under_both(tmp_path):
    twice = "named('z', torch.ones(16), out, lambda self, x: plain(self, x) * 0 + self.z * self.y)"
    path = own(tmp_path, MODULE.format(f"(lambda m: (setattr(m, 'y', m.z), m)[1])({twice})"))
    encoder = make_model({"acc": (3, 128)}, 5, 8, 8, 3, path).encoders["acc"]
    stack = {name: torch.stack([value, 3 * value]) for name, value in encoder.initial.items()}
    z = encoder.encode(stack, torch.randn(2, 6, 3, 128))
    torch.testing.assert_close(z, torch.tensor([1.0, 9.0])[:, None, None].expand(2, 6, 16))


def test_devices_that_run_one_by_one_learn_what_a_batch_of_them_does(made, tmp_path):
    batch = "Own(out, lambda self, x: plain(self, x))"
    # torch cannot batch a decision by values.
    single = "Own(out, lambda self, x: plain(self, x) if x.sum() < 1e9 else x)"
    states = []
    for number, module in enumerate((batch, single)):
        (tmp_path / str(number)).mkdir()
        path = own(tmp_path / str(number), MODULE.format(module))
        learner = Learner(make_setup(method="dmml", model=path, learning_rate=0.02), made)
        assert len(learner.warnings()) == 2 * number
        train(learner, [0])
        states.append(learner.state())
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("named('z', torch.zeros(0, 3), out)", "elements, got z .0, 3.; remedy: leave it out"),
        ("named('z', torch.zeros(2, dtype=torch.complex64), out)", "hold two real parameters"),
        ("Own(out, plain).half()", "got linear.weight: torch.float16"),
        ("named('z', torch.full((2,), torch.nan), out)", "finite initial parameters, got z"),
        ("nn.Sequential(nn.Flatten(), nn.Linear(384, out, device='meta'))", "on the CPU, got 1.w"),
        ("(lambda m: (setattr(m, 'z', nn.LazyLinear(3)), m)[1])(Own(out, plain))", "nn.LazyLinear"),
        ("recurrent(nn.LSTM(3, 5, 2, batch_first=True, dropout=0.5), 5, out)", "no random numbers"),
        ("Own(out, lambda self, x: functional.dropout(plain(self, x)))", "draw no random numbers"),
        ("Own(out, lambda self, x: plain(self, x) * random.random())", "draw no random numbers"),
        (
            "Own(out, lambda self, x: (setattr(self, 'calls', self.calls + 1),"
            " plain(self, x) * self.calls)[1])",
            "keep nothing from call to call",
        ),
        ("named('z', torch.tensor([random.random()]), out)", "same parameters.*others in z"),
        ("Own(out, lambda self, x: plain(self, x.add_(1)))", "leaves its input alone"),
        (
            "Own(out, lambda self, x: (self.linear.weight.data.mul_(0.9), plain(self, x))[1])",
            "forward leaves alone, got linear.weight",
        ),
        ("Own(out, lambda self, x: (plain(self, x), 1))", "got tuple; remedy: return one tensor"),
        ("Own(out, lambda self, x: plain(self, x).detach())", "leave out detach"),
        ("Own(out, lambda self, x: self.linear(x.reshape(16, 384)))", "expected a function that"),
        ("torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(384, out)))", "TorchScript"),
        ("Own(out, lambda self, x: plain(self, torch.fft.fft(x).abs()))", "got _fft_r2c of torch"),
        (
            "named('z', torch.ones(16, 384), out,"
            " lambda self, x: torch.cdist(x.flatten(1), self.z))",
            "got _cdist_forward of torch; remedy: write it with linear",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.jit
@pytest.mark.filterwarnings("ignore::UserWarning")  # of lazy modules
def test_what_a_module_may_not_be_is_one_line(made, tmp_path, module, expected):
    path = own(tmp_path, MODULE.format(module))
    with pytest.raises(LearningError) as refusal:
        Learner(make_setup(method="dmml", model=path), made)
    message = str(refusal.value)
    assert message.startswith(f"{path}, encoder of acc: expected ")
    assert "\n" not in message
    assert re.search(expected, message)


def test_the_remedy_for_a_constant_works(made, tmp_path):
    keep = "(lambda m: (m.{}, m)[1])(Own(out, lambda self, x: plain(self, x) + self.z))"
    buffer = keep.format("register_buffer('z', torch.ones(16))")
    with pytest.raises(LearningError, match="keep a constant as an attribute that is no buffer"):
        Learner(make_setup(model=own(tmp_path, MODULE.format(buffer))), made)
    attribute = keep.format("__setattr__('z', torch.ones(16))")
    Learner(make_setup(model=own(tmp_path, MODULE.format(attribute))), made)


@pytest.mark.parametrize("exchange", [{"mixing": "push_sum"}, {"payload_codec": "top_k"}])
def test_scalars_travel_by_every_codec_and_mixing(made, tmp_path, exchange):
    path = own(tmp_path, MODULE.format(SCALED))
    learner = Learner(make_setup(method="dmml_kd", model=path, **exchange), made)
    for r in range(2):
        learner.train(r, UNEQUAL, EVERYBODY)
        delivery = everything_arrives(learner)
        learner.mix(replace(delivery, offered=delivery.arrived), EVERYBODY)
    for device in range(N):
        learner.message(device, "encoder_acc", 2, 3)


def test_parameters_beyond_the_machines_memory_are_refused(made, monkeypatch):
    pages = {"SC_PAGE_SIZE": 1000, "SC_PHYS_PAGES": 50}
    monkeypatch.setattr("learning.model.stack.os.sysconf", pages.get)
    with pytest.raises(LearningError, match=r"model of 4 devices: expected .*\(0.0 GB\), got"):
        Learner(make_setup(), made)
