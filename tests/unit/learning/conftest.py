import pytest
import torch

from learning.data.made import make_data
from learning.data.watch import load_watch


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    # Bit-identical results need one order of sums, whatever the machine.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def made():
    return make_data()


@pytest.fixture(scope="session")
def watch():
    return load_watch()
