"""All devices as one batch against a plain loop over them: time, and the same parameters.

python tests/benchmarks/learning_speed.py [--data-path uci_har.npz] [--repeats 5]
    [--devices 9 25 50] [--workers 1 2] [--on cpu | cuda] [--rounds 60]
    [--arithmetic fast | portable]

The loop is the twin of the tests (tests/support/learning_reference.py): ordinary modules, one
optimizer a device, on one thread of the processor. Both train `dmml` (fused loss) in turns, batch
16, 5 iterations a round. Prints seconds a round, their ratio, the share of the peak of a matrix
product that was measured in the same run (of one thread), how far the parameters are apart after 20
steps at a learning rate of 0.01, and what an evaluation costs. Without --data-path: made data. With
--rounds last a run's learning: so many rounds of the default method and data, each with an
evaluation, of the largest number of devices. Arithmetic is fast, the better one for the loop, with
one thread a product; runs have portable unless they ask for the other.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from cosim.arithmetic import may_start_again  # before anything that computes is imported

may_start_again()

import numpy as np
import pandas as pd
import torch
from learning_reference import (
    Device,
    everything_arrives,
    make_setup,
    plain_loss,
    train_device,
)

from cosim import arithmetic
from learning.data.batches import draw_batch
from learning.data.catalogue import load as load_data
from learning.data.samples import MultiModalData
from learning.data.sets.made import make_data
from learning.device import data_on
from learning.learner import Learner
from learning.settings import LearningSetup

BATCH, ITERATIONS, TWIN_STEPS = 16, 5, 20


class Loop:
    """The same learning, a device at a time."""

    def __init__(self, learner: Learner, shapes: dict[str, tuple[int, ...]], rate: float) -> None:
        self._data, self._setup, self._rate = data_on("cpu", learner._data), learner._setup, rate
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


def make_pair(
    data: MultiModalData, num_devices: int, rate: float, **where: object
) -> tuple[Learner, Loop]:
    """Make the batched learner and the loop, with the same models; where: device, workers."""
    setup = make_setup(
        **where,
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


def difference(data: MultiModalData, num_devices: int, **where: object) -> float:
    """Largest relative difference of a parameter array after 20 steps."""
    learner, loop = make_pair(data, num_devices, 0.01, **where)
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


def measure(
    data: MultiModalData, num_devices: int, repeats: int, **where: object
) -> dict[str, float]:
    """Time both in turns; medians."""
    learner, loop = make_pair(data, num_devices, 0.1, **where)
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
        "difference": difference(data, num_devices, **where),
    }


def run_learning(num_devices: int, rounds: int, **where: object) -> dict[str, float]:
    """Time the learning of a run: rounds of all devices, with everything delivered."""
    setup = LearningSetup(num_devices=num_devices, seed=1, **where)
    learner, everyone = Learner(setup, load_data(setup)), np.ones(num_devices, bool)
    delivery, spent = everything_arrives(learner), {"train_s": 0.0, "mix_s": 0.0, "evaluate_s": 0.0}
    for index in range(rounds):
        tau = ITERATIONS * learner.available
        spent["train_s"] += timed(lambda i=index, tau=tau: learner.train(i, tau, everyone))
        spent["mix_s"] += timed(lambda: learner.mix(delivery, everyone))
        spent["evaluate_s"] += timed(learner.evaluate)
    return {"devices": num_devices, "rounds": rounds} | spent | {"all_s": sum(spent.values())}


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-path")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--devices", type=int, nargs="+", default=[9, 25, 50])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--on", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--arithmetic", choices=arithmetic.ARITHMETICS, default="fast")
    options = parser.parse_args()
    arithmetic.ensure(options.arithmetic)
    torch.set_num_threads(1)
    data = make_data(num_subjects=60, windows_per_recording=16)
    if options.data_path:
        setup = make_setup(dataset="uci_har", data_path=options.data_path)
        data = load_data(setup)
    rows, runs = [], []
    for workers in options.workers:
        where = {"workers": workers, "device": options.on}
        for num_devices in options.devices:
            rows.append(where | measure(data, num_devices, options.repeats, **where))
            print(rows[-1], flush=True)
        if options.rounds:
            runs.append(where | run_learning(max(options.devices), options.rounds, **where))
            print(runs[-1], flush=True)
    for each in (rows, runs):
        print(pd.DataFrame(each).round(4).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
