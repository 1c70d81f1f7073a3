"""All devices as one batch against a plain loop over them: time, and the same parameters.

python tests/benchmarks/learning_speed.py [--data-path uci_har.npz] [--repeats 5]

The loop is the twin of the tests (tests/support/learning_reference.py): ordinary modules, one
optimizer a device. Both train `dmml` (fused loss) in turns, batch 16, 5 iterations a round. Prints
seconds a round, their ratio, the share of the peak of a matrix product that was measured in the
same run, how far the parameters are apart after 20 steps at a learning rate of 0.01, and what an
evaluation costs. Without --data-path: made data.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from learning_reference import Device, make_setup, plain_loss, train_device

from learning.data.batches import draw_batch
from learning.data.catalogue import load as load_data
from learning.data.samples import MultiModalData
from learning.data.sets.made import make_data
from learning.learner import Learner

BATCH, ITERATIONS, TWIN_STEPS = 16, 5, 20


class Loop:
    """The same learning, a device at a time."""

    def __init__(self, learner: Learner, shapes: dict[str, tuple[int, ...]], rate: float) -> None:
        self._data, self._setup, self._rate = learner._data, learner._setup, rate
        state = learner.state()
        self.devices = [Device(state, k, shapes) for k in range(learner._setup.num_devices)]
        self._names = tuple(shapes)

    def train(self, round_index: int, steps: int) -> None:
        """Train every device for some steps of a round."""
        rows = [
            draw_batch(self._data, BATCH, self._setup.seed, round_index, step)
            for step in range(1, steps + 1)
        ]
        for k, device in enumerate(self.devices):

            def batch(step: int, k: int = k) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
                mine = rows[step - 1][k]
                inputs = {m: x[mine] for m, x in self._data.inputs.items()}
                return inputs, self._data.label[mine]

            tau = dict.fromkeys(self._names, steps)
            train_device(device, batch, tau, plain_loss, self._setup.clip_norm, self._rate)


def make_pair(data: MultiModalData, num_devices: int, rate: float) -> tuple[Learner, Loop]:
    """Make the batched learner and the loop, with the same models."""
    setup = make_setup(
        method="dmml",
        num_devices=num_devices,
        batch_size=BATCH,
        feature_dim=32,
        learning_rate=rate,
        clip_norm=5.0,
    )
    learner = Learner(setup, data)
    shapes = {m: x.shape[1:] for m, x in data.modalities.items()}
    return learner, Loop(learner, shapes, rate)


def difference(data: MultiModalData, num_devices: int) -> float:
    """Largest relative difference of a parameter array after 20 steps."""
    learner, loop = make_pair(data, num_devices, 0.01)
    learner.train(0, TWIN_STEPS * learner.available, np.ones(num_devices, bool))
    loop.train(0, TWIN_STEPS)
    state, worst = learner.state(), 0.0
    for k, device in enumerate(loop.devices):
        for name, value in device.named_stack():
            away = (state[name][k] - value.detach()).norm() / value.detach().norm()
            worst = max(worst, float(away))
    return worst


def peak_flop_per_s() -> float:
    """Best of ten products of 1024 x 1024 matrices."""
    a = torch.randn(1024, 1024)
    return 2 * 1024**3 / min(timed(lambda: a @ a) for _ in range(10))


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def measure(data: MultiModalData, num_devices: int, repeats: int) -> dict[str, float]:
    """Time both in turns; medians."""
    learner, loop = make_pair(data, num_devices, 0.1)
    everyone = np.ones(num_devices, bool)
    tau = ITERATIONS * learner.available
    stacked, plain, evaluation, peak = [], [], [], []
    for r in range(repeats + 1):
        stacked.append(timed(lambda r=r: learner.train(r, tau, everyone)))
        plain.append(timed(lambda r=r: loop.train(r, ITERATIONS)))
        evaluation.append(timed(learner.evaluate))
        peak.append(peak_flop_per_s())
    # The first turn warms up.
    seconds = statistics.median(stacked[1:])
    flop = float(learner.work_cost().of(tau).sum())
    return {
        "devices": num_devices,
        "batched_s": seconds,
        "loop_s": statistics.median(plain[1:]),
        "ratio": statistics.median(plain[1:]) / seconds,
        "share_of_peak": flop / seconds / statistics.median(peak),
        "evaluation_s": statistics.median(evaluation[1:]),
        "difference": difference(data, num_devices),
    }


def main() -> int:
    """Print the table for one and two threads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-path")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    data = make_data(num_subjects=60, windows_per_recording=16)
    if options.data_path:
        setup = make_setup(dataset="uci_har", data_path=options.data_path)
        data = load_data(setup)
    rows = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for num_devices in (9, 25, 50):
            rows.append({"threads": threads} | measure(data, num_devices, options.repeats))
            print(rows[-1], flush=True)
    print(pd.DataFrame(rows).round(4).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
