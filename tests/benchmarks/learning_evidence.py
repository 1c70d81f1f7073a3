"""Every method on equal terms: same data, rounds, joules to compute with, and tuning effort.

cd results/reference; RUN="python ../../tests/benchmarks/learning_evidence.py"
$RUN tune --data watch --csv tuning.csv
$RUN study --data watch --tuning tuning.csv --csv evidence.csv
$RUN table --csv evidence.csv
$RUN picture --csv evidence.csv --out evidence.png

Nine devices on a 3 x 3 grid, ideal network, batch 16, 60 rounds. Each device may compute for as
many joules as 5 iterations of both modalities a round cost `dmml`; the iteration optimizer (rule
uniform) charges each method its own work, so that what costs more trains less. `centralised` has
the joules of all devices, and all modalities. Bytes are what a method sends; the CSV has them.
In a star the eight devices but the server share the same data and have the same joules each, in
half the rounds. `single_modality` chooses its modality in tuning; with a third each only those
that have it are measured.
`tune` runs six settings a method on the fold's validation people (Dirichlet 0.5, all modalities);
`study` takes the best of the fold and runs Dirichlet 0.1 and 0.5, all modalities and a third each,
on the fold's test people. Folds share training people, so intervals over five folds are optimistic.
Rows that the CSV has are not run again. Data sets other than watch: --data-path.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from cosim.arithmetic import may_start_again  # before anything that computes is imported

may_start_again()

import numpy as np
import pandas as pd
import torch
from study import compare, work_off

from cosim import arithmetic
from cosim.config import to_scenario
from cosim.config.assemble import learning_setup, make_learner
from cosim.config.model import RunConfig
from cosim.config.sources import load
from cosim.loop import run_rounds
from cosim.planning.compute import PROFILES, compute_j
from learning.data.catalogue import load as load_data
from learning.data.dealing.modalities import modality_mask
from learning.learner import Learner
from learning.methods.catalogue import topology_of
from learning.model.evaluate import Evaluation
from ns3_scenarios.ideal import IdealNetwork

ROUNDS, ITERATIONS, FOLDS = 60, 5, 5
MEASURED_ROUNDS = (49, 54, 59)
# Odd: those that go down, after which all have the server's model.
STAR_ROUNDS = (49, 55, 59)
CELLS = ["data", "alpha", "pattern"]
ALPHAS, PATTERNS = (0.1, 0.5), ("all", "thirds")
MANY_RATES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
FEW_RATES = (0.1, 0.25, 0.5)


@dataclass(frozen=True)
class Arm:
    """A method with its grid: a flag besides the learning rate, and its values.

    Without values: the modalities of the data.
    """

    method: str
    flag: str | None = None
    values: tuple[float, ...] = ()
    fixed: tuple[str, ...] = ()

    def grid(self, modalities: list[str]) -> list[dict[str, str]]:
        """List six settings, as flags."""
        if self.flag is None:
            return [{"learning_rate": str(rate)} for rate in MANY_RATES]
        values = self.values or tuple(modalities)
        rates = FEW_RATES if len(values) == 2 else (0.25,)
        return [
            {"learning_rate": str(rate), self.flag: str(value)}
            for rate, value in product(rates, values)
        ]


ARMS = {
    "local": Arm("local"),
    "dmml": Arm("dmml"),
    "dmml_strong": Arm("dmml_strong", "unimodal_weight", (0.3, 1.0)),
    "fedprox": Arm("fedprox", "proximal_weight", (0.01, 0.1)),
    "qg_momentum": Arm("qg_momentum", "momentum", (0.5, 0.9)),
    "ogm_ge": Arm("ogm_ge", "modulation", (0.1, 0.5)),
    "pmr": Arm("pmr", "prototype_weight", (0.3, 1.0)),
    "fedproto": Arm("fedproto", "prototype_weight", (0.3, 1.0)),
    "fedgen": Arm("fedgen", "distillation_weight", (0.3, 1.0)),
    "fedgen_strong": Arm("fedgen_strong", "distillation_weight", (0.3, 1.0)),
    "dmml_kd": Arm("dmml_kd", "distillation_weight", (0.3, 1.0)),
    "dmml_kd, network": Arm(
        "dmml_kd",
        "distillation_weight",
        (0.3, 1.0),
        ("--learning.generator=network",),
    ),
    "fedavg_star": Arm("fedavg_star"),
    "fedopt_star": Arm("fedopt_star", "server_rate", (0.003, 0.01)),
    "single_modality": Arm("single_modality", "only_modality"),
    "centralised": Arm("centralised"),
}
OPTIONS = ("proximal_weight", "momentum", "modulation", "prototype_weight", "server_rate")


@dataclass(frozen=True)
class Job:
    """One run."""

    data: str
    data_path: str | None
    arm: str
    setting: tuple[tuple[str, str], ...]
    alpha: float
    pattern: str
    fold: int | None
    seed: int
    evaluate_on: str
    rule: str = "uniform"

    def key(self) -> dict[str, object]:
        """Name the run in a row of the CSV."""
        return {
            "data": self.data,
            "alpha": self.alpha,
            "pattern": self.pattern,
            "arm": self.arm,
            "setting": show(dict(self.setting)),
            "fold": self.fold,
            "seed": self.seed,
            "evaluate_on": self.evaluate_on,
        }


class SparseLearner(Learner):
    """Evaluates in the rounds that count, since 60 evaluations cost as much as training."""

    round_index = -1
    measured = MEASURED_ROUNDS
    seen: list[Evaluation]

    def evaluate(self) -> Evaluation:
        """Evaluate in three rounds; in others repeat the last."""
        self.round_index += 1
        if self.round_index == 0:
            self.seen = [super().evaluate()]
        elif self.round_index in self.measured:
            self.seen.append(super().evaluate())
        return self.seen[-1]


def make_config(job: Job, method: str, extra: tuple[str, ...], battery_j: float) -> RunConfig:
    """Put a run's flags together; without a fold, the data have their own split."""
    flags = [
        "--network.kind=ideal",
        "--network.round_period_s=1000",
        f"--iteration.rule={job.rule}",
        "--iteration.compute_share=0.99",
        "--iteration.max_iterations=1000",
        "--energy.reserve_j=0",
        f"--energy.battery_j={battery_j!r}",
        f"--learning.rounds={ROUNDS}",
        "--learning.batch_size=16",
        f"--learning.dataset={job.data}",
        f"--learning.method={method}",
        f"--learning.dirichlet_alpha={job.alpha}",
        f"--learning.modality_pattern={job.pattern}",
        *([] if job.fold is None else [f"--learning.fold={job.fold}"]),
        f"--learning.evaluate_on={job.evaluate_on}",
        f"--seed={job.seed}",
        *extra,
    ]
    if job.data_path:
        flags.append(f"--learning.data_path={job.data_path}")
    return load(flags, None, None)


def fair_battery_j(job: Job, scale: float) -> float:
    """Joules of 60 rounds of 5 iterations of every modality in dmml, on a device that has all."""
    config = make_config(job, "dmml", (), 1e6)
    work = make_learner(config)[1].work_cost()
    cost = work.per_iteration_flop.max(0).sum() + work.per_step_flop[0]
    flop = ROUNDS * ITERATIONS * cost
    return scale * float(compute_j(flop, PROFILES[config.energy.device_profile])) * (1 + 1e-9)


def run(job: Job) -> dict[str, object]:
    """Run one job and return what it came to."""
    arithmetic.ensure("portable")
    torch.set_num_threads(1)
    started = time.perf_counter()
    arm = ARMS[job.arm]
    extra = [
        f"--learning.method_options={name}={value}"
        if name in OPTIONS
        else f"--learning.{name}={value}"
        for name, value in job.setting
    ]
    scale = 9.0 if arm.method == "centralised" else 1.0
    config = make_config(job, arm.method, (*arm.fixed, *extra), fair_battery_j(job, scale))
    scenario, setup = to_scenario.make_scenario(config), learning_setup(config)
    learner = SparseLearner(setup, load_data(setup))
    if topology_of(arm.method).has_server:
        learner.measured = STAR_ROUNDS
    records = list(run_rounds(config, scenario, learner, IdealNetwork(scenario)))
    last = learner.seen[-len(MEASURED_ROUNDS) :]
    accuracy = np.mean([e.accuracy for e in last], axis=0)
    return {
        "accuracy_percent": 100 * np.nanmean(accuracy),
        "worst_device_percent": 100 * np.nanmin(accuracy),
        "macro_f1_percent": 100 * np.nanmean([e.macro_f1 for e in last]),
        "feature_distance": float(np.nanmean(last[-1].feature_distance)),
        "consensus_distance": float(np.nanmean(last[-1].consensus_distance)),
        "connected": connected(modality_mask(setup, learner.modality_names), scenario.neighbours),
        "iterations": float(np.mean([r.trained.iterations.sum(1).max() for r in records])),
        "sent_mb": sum(int(r.traffic.payload_bytes.sum()) for r in records) / 1e6,
        "compute_j": sum(float(r.report.energy.compute_j.sum()) for r in records),
        "wall_s": time.perf_counter() - started,
    }


def connected(available: np.ndarray, neighbours: np.ndarray) -> bool:
    """Tell whether the devices that have a modality reach each other over such, for each."""
    for m in range(available.shape[1]):
        has = np.flatnonzero(available[:, m])
        graph = neighbours[np.ix_(has, has)] | np.eye(len(has), dtype=bool)
        if not np.linalg.matrix_power(graph.astype(float), max(len(has), 1)).all():
            return False
    return True


def jobs_of(options: argparse.Namespace) -> list[Job]:
    """List the runs of a command."""
    jobs = []
    arms = options.arms or list(ARMS)
    tuned = None if options.command == "tune" else pd.read_csv(options.tuning)
    flags = [f"--learning.dataset={options.data}"]
    flags += [f"--learning.data_path={options.data_path}"] if options.data_path else []
    modalities = list(load_data(learning_setup(load(flags, None, None))).modalities)
    cells = [(0.5, "all")] if tuned is None else list(product(ALPHAS, PATTERNS))
    for seed, fold, (alpha, pattern), arm in product(
        range(1, options.seeds + 1), range(FOLDS), cells, arms
    ):
        if tuned is None:
            settings = ARMS[arm].grid(modalities)
        else:
            settings = [best(tuned, options.data, arm, fold)]
        evaluate_on = "validation" if tuned is None else "test"
        # Tuning and study differ in their draws, too.
        number = 1000 * fold + seed + (0 if tuned is None else 100)
        jobs += [
            Job(
                options.data,
                options.data_path,
                arm,
                tuple(setting.items()),
                alpha,
                pattern,
                fold,
                number,
                evaluate_on,
            )
            for setting in settings
        ]
    return jobs


def show(setting: dict[str, str]) -> str:
    """Write a setting as it stands in a CSV."""
    return " ".join(f"{name}={value}" for name, value in setting.items())


def best(tuned: pd.DataFrame, data: str, arm: str, fold: int) -> dict[str, str]:
    """Return the setting with the best accuracy on the validation people of the fold."""
    rows = tuned[(tuned.data == data) & (tuned.arm == arm) & (tuned.fold == fold)]
    setting = rows.groupby("setting", sort=True).accuracy_percent.mean().idxmax()
    return dict(pair.split("=") for pair in str(setting).split())


def table(path: Path, cells: list[str] = CELLS) -> pd.DataFrame:
    """Accuracy of each method, and its paired differences to the two strongest baselines."""
    return compare(path, cells, "arm", ARMS, ("dmml_strong", "fedgen_strong"))


def draw(path: Path, out: Path) -> None:
    """Draw each method's paired difference to fedgen_strong with its 95 % interval, by cell."""
    import matplotlib.style
    from matplotlib.figure import Figure

    from cosim.report.figures import BLUE, DARK, STYLE

    shown = table(path)
    names = {"all": "all modalities", "thirds": "a third each"}
    cells = list(shown.groupby(CELLS, sort=True))
    arms = [arm for arm in ARMS if arm in set(shown["arm"]) and arm != "fedgen_strong"]
    with matplotlib.style.context(STYLE):
        columns = min(4, len(cells))
        lines = -(-len(cells) // columns)
        figure = Figure(figsize=(2.0 * columns + 1.0, (0.22 * len(arms) + 0.9) * lines))
        axes = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
        for ax, (cell, group) in zip(axes, cells, strict=False):
            base = group.loc[group["arm"] == "fedgen_strong", "mean"]
            for y, arm in enumerate(arms):
                row = group[group["arm"] == arm]
                if len(row):
                    x, half = (float(row[f"{c}_fedgen_strong"].iloc[0]) for c in ("minus", "ci95"))
                    ax.errorbar(x, y, xerr=half, fmt="o", color=BLUE, markersize=4)
            ax.axvline(0, color=DARK, linewidth=0.8)
            ax.set_title(
                f"{cell[0]}, Dirichlet {cell[1]},\n{names[str(cell[2])]}"
                f" (at 0: {float(base.iloc[0]):.1f} %)",
                fontsize="small",
            )
            ax.set_yticks(range(len(arms)), arms)
            ax.set_ylim(len(arms) - 0.5, -0.5)
        for ax in axes[len(cells) :]:
            ax.set_visible(False)
        label = "Accuracy minus that of fedgen_strong (points), 95 % interval over folds"
        figure.supxlabel(label, fontsize="medium")
        figure.savefig(out, dpi=150, metadata={"Software": None})


def main() -> int:
    """Tune, study, print the table, or draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("tune", "study", "table", "picture"))
    parser.add_argument("--data", default="watch")
    parser.add_argument("--data-path")
    parser.add_argument("--arms", nargs="*", choices=list(ARMS))
    parser.add_argument("--seeds", type=int, default=1, help="per fold")
    parser.add_argument("--tuning", type=Path)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("evidence.png"))
    parser.add_argument(
        "--connected", action="store_true", help="table: apart, whether each modality's graph is"
    )
    options = parser.parse_args()
    cells = [*CELLS, "connected"] if options.connected else CELLS
    if options.command == "table":
        print(table(options.csv, cells).round(2).to_string(index=False))
    elif options.command == "picture":
        draw(options.csv, options.out)
    else:
        runs = [(job.key(), (job,)) for job in jobs_of(options)]
        work_off(run, runs, options.csv, options.processes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
