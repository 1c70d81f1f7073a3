"""Hypothesis draws the same examples in every run, so that a red run can be repeated.

PyTorch and NumPy load before cosim, which would choose their vectors: so tests compute with those
of the processor, or with what the environment asks for (`make test-rounding`).
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as in a run

import torch  # noqa: F401
from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")


def pytest_addoption(parser):
    parser.addoption(
        "--learning-device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where the tests of learning train and evaluate",
    )
