from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_reference import everything_arrives, make_setup
from pretend_gpu import DEVICE, PretendGpu

from learning.device import computing_on, data_on, name_of
from learning.errors import LearningError
from learning.learner import Learner
from learning.methods.names import METHOD_NAMES

N = 4
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
PEERS = [name for name in METHOD_NAMES if name not in ("centralised", "single_modality")]


def learn(made, device, method="dmml_kd", rounds=2, **fields):
    setup = make_setup(method=method, **fields).model_copy(update={"device": device})
    learner = Learner(setup, made)
    everyone = np.ones(N, bool)
    for round_index in range(rounds):
        trains, _ = learner.roles(round_index)
        tau = np.where(learner.available & trains[:, None], [[2, 1], [1, 1], [1, 2], [2, 0]], 0)
        learner.train(round_index, tau, everyone)
        delivery = everything_arrives(learner)
        offered = learner.payload().part_bytes[:, None, :] > 0
        learner.mix(replace(delivery, offered=offered & delivery.arrived), everyone)
    return learner


@NO_GPU
def test_a_gpu_that_is_not_there_is_refused_in_one_line(made):
    with pytest.raises(LearningError, match="learning.device: expected a GPU for cuda, got") as odd:
        Learner(make_setup(device="cuda"), made)
    assert "\n" not in str(odd.value)
    assert "use learning.device cpu" in str(odd.value)
    assert name_of("cuda") == ""


def test_on_the_processor_nothing_is_copied(made):
    learner = Learner(make_setup(device="cpu"), made)
    data = learner._data
    assert data_on("cpu", data).inputs["acc"].data_ptr() == data.inputs["acc"].data_ptr()


@pytest.mark.parametrize(
    "fields",
    [{"method": each} for each in PEERS]
    + [
        {"normalisation": "gossip"},
        {"normalisation": "local"},
        {"generator": "network"},
        {"generator": "none"},
        {"modality_pattern": "thirds"},
        {"mixing": "push_sum"},
        {"payload_codec": "top_k"},
        {"late_weight": 0.5},
    ],
    ids=lambda fields: "-".join(fields.values()) if "late_weight" not in fields else "late",
)
def test_elsewhere_everything_stays_there_and_comes_back_the_same(made, fields):
    # Pretended on this processor, where products alone are others' and rounded otherwise.
    here = learn(made, "cpu", **fields)
    with PretendGpu():
        there = learn(made, DEVICE, **fields)
        scores = there.evaluate()
        state = there.state()
    assert all(value.is_cpu for value in state.values())
    for name, value in here.state().items():
        torch.testing.assert_close(state[name], value, atol=1e-4, rtol=1e-3, equal_nan=True)
    # Of 480 samples, some three may lie on an edge.
    np.testing.assert_allclose(scores.accuracy, here.evaluate().accuracy, atol=0.01)


def test_encoders_of_the_users_own_run_elsewhere(made, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "def encoder(modality, shape, out_features):\n"
        "    size = shape[0] * shape[1]\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(size, 6), nn.ReLU(),\n"
        "                         nn.Linear(6, out_features))\n"
    )
    own = {"model": str(tmp_path / "mine.py")}
    here = learn(made, "cpu", **own)
    with PretendGpu():
        # Own encoders are PyTorch's in both places.
        assert learn(made, DEVICE, **own).parameters_digest() == here.parameters_digest()


@NEEDS_GPU
@pytest.mark.parametrize("method", PEERS)
def test_a_gpu_learns_what_the_processor_does(made, method):
    one, other = learn(made, "cpu", method), learn(made, "cuda", method)
    here, there = one.state(), other.state()
    for name, value in here.items():
        assert there[name].device.type == "cpu"
        # What rounding made of the last bits in four steps.
        torch.testing.assert_close(there[name], value, atol=2e-3, rtol=2e-2)
    apart = np.abs(one.evaluate().accuracy - other.evaluate().accuracy)
    assert apart.max() <= 0.05


@NEEDS_GPU
def test_a_gpu_gives_the_same_bits_twice(made):
    digests = {learn(made, "cuda").parameters_digest() for _ in range(3)}
    assert len(digests) == 1


@NEEDS_GPU
@pytest.mark.parametrize("fields", [{"normalisation": "gossip"}, {"generator": "network"}])
def test_a_gpu_scales_and_generates_as_the_processor_does(made, fields):
    here, there = (learn(made, device, **fields).state() for device in ("cpu", "cuda"))
    for name, value in here.items():
        torch.testing.assert_close(there[name], value, atol=2e-3, rtol=2e-2)


@NEEDS_GPU
def test_what_a_gpu_cannot_hold_is_said_in_one_line():
    with pytest.raises(LearningError, match="enough of its memory") as odd, computing_on("cuda"):
        torch.zeros(10**13)
    assert "\n" not in str(odd.value)


@NEEDS_GPU
def test_the_gpu_is_named(made):
    learner = Learner(make_setup(device="cuda"), made)
    assert torch.cuda.get_device_name() in name_of("cuda")
    assert any(torch.cuda.get_device_name() in each for each in learner.warnings())
