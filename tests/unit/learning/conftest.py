import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_reference import DEFAULTS

from learning.data.catalogue import FROM_PATH
from learning.data.samples import TEST, TRAIN, MultiModalData
from learning.data.sets.made import make_data
from learning.data.sets.watch import load_watch
from learning.model import convolution, encoders


def pytest_configure(config):
    DEFAULTS["device"] = config.getoption("--learning-device")


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    # Bit-identical results need one order of sums, whatever the machine.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def torch_counts(monkeypatch):
    """Leave products to PyTorch, whose counter of FLOP sees its own alone."""
    monkeypatch.setattr(encoders, "multiply", torch.matmul)
    monkeypatch.setattr(convolution, "multiplied", torch.matmul)


@pytest.fixture(scope="session")
def made():
    return make_data()


@pytest.fixture(scope="session")
def watch():
    return load_watch()


@cache
def _from_path(name):
    return FROM_PATH[name](Path(os.environ["COSIM_DATA"]) / f"{name}.npz")


@pytest.fixture(params=["made", "watch", "kinds", *FROM_PATH])
def every_data_set(request):
    """Each in turn; those that do not come with the program from the folder COSIM_DATA, if any."""
    if request.param not in FROM_PATH:
        return request.getfixturevalue(request.param)
    if "COSIM_DATA" not in os.environ:
        pytest.skip("COSIM_DATA names no folder with the data sets by path")
    return _from_path(request.param)


@pytest.fixture(scope="session")
def kinds():
    """An image, a vector and a 1-D signal of each sample, of four classes by their means."""
    rng = np.random.default_rng(5)
    recording = np.repeat(np.arange(96), 4)
    label = recording % 4
    modalities = {}
    for name, shape in (("image", (1, 28, 28)), ("vector", (20,)), ("signal", (1, 50))):
        centre = rng.normal(0, 0.5, (4, *shape))
        noise = rng.normal(0, 1, (len(label), *shape))
        modalities[name] = (centre[label] + noise).astype(np.float32)
    return MultiModalData(
        name="kinds",
        modalities=modalities,
        label=label.astype(np.int64),
        subject=(recording // 16).astype(np.int64),
        recording=recording.astype(np.int64),
        split=np.where(recording < 64, TRAIN, TEST).astype(np.int8),
        class_names=("a", "b", "c", "d"),
    )
