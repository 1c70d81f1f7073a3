"""Every method on equal terms: same data, rounds, joules to compute with, and tuning effort.

Prints the study files of a data set, to be swept: first that of the tuning, then, from its runs,
that of the comparison.

python tests/benchmarks/learning_evidence.py watch > results/tune_watch.toml
python cosim/run.py sweep results/tune_watch.toml
python tests/benchmarks/learning_evidence.py watch results/studies/tune_watch/runs.csv \
    > results/evidence_watch.toml
python cosim/run.py sweep results/evidence_watch.toml

Nine devices on a 3 x 3 grid, ideal network, batch 16, 60 rounds. Each device may compute for as
many joules as 5 iterations of both modalities a round cost `dmml`; the iteration optimizer (rule
uniform) charges each method its own work, so that what costs more trains less. `centralised` has
the joules of all devices, and all modalities. Bytes are what a method sends; the tables have them.
In a star the eight devices but the server share the same data and have the same joules each, in
half the rounds. `single_modality` chooses its modality in tuning; with a third each only those
that have it are measured.
Six settings a method are run on each fold's validation people (Dirichlet 0.5, all modalities); the
comparison takes the best of the fold and runs Dirichlet 0.1 and 0.5, all modalities and a third
each, on the fold's test people, a seed a fold. Accuracy is the mean of the last five evaluations,
in every fifth round (in a star, whose odd rounds go up, every fourth). Folds share training people,
so intervals over five folds are optimistic. Data sets other than watch: --data-path.
"""

import argparse
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from cosim.arithmetic import may_start_again  # before anything that computes is imported

may_start_again()

import pandas as pd
import tomli_w

from cosim import arithmetic
from cosim.config.assemble import make_learner
from cosim.config.sources import configure
from cosim.planning.compute import PROFILES, compute_j
from learning.methods.catalogue import topology_of

ROUNDS, ITERATIONS, FOLDS = 60, 5, 5
MANY_RATES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
FEW_RATES = (0.1, 0.25, 0.5)
RATE, METHOD, FOLD = "learning.learning_rate", "learning.method", "learning.fold"
AGAINST = "fedgen_strong"
Fields = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """A method's own number besides the learning rate, and its values; none: only rates."""

    field: str | None = None
    values: tuple[Any, ...] = ()

    def settings(self) -> list[Fields]:
        """List six settings (or one rate for each of many values)."""
        if self.field is None:
            return [{RATE: rate} for rate in MANY_RATES]
        rates = FEW_RATES if len(self.values) == 2 else (0.25,)
        return [{RATE: rate} | self._own(value) for rate, value in product(rates, self.values)]

    def _own(self, value: Any) -> Fields:
        name, _, option = str(self.field).partition(":")
        return {name: {option: value} if option else value}


def arms(modalities: list[str]) -> dict[str, Arm]:
    """Return the methods that are compared."""
    options, teaches = "learning.method_options:", "learning.distillation_weight"
    return {
        "local": Arm(),
        "dmml": Arm(),
        "dmml_strong": Arm("learning.unimodal_weight", (0.3, 1.0)),
        "fedprox": Arm(f"{options}proximal_weight", (0.01, 0.1)),
        "qg_momentum": Arm(f"{options}momentum", (0.5, 0.9)),
        "ogm_ge": Arm(f"{options}modulation", (0.1, 0.5)),
        "pmr": Arm(f"{options}prototype_weight", (0.3, 1.0)),
        "fedproto": Arm(f"{options}prototype_weight", (0.3, 1.0)),
        "fedgen": Arm(teaches, (0.3, 1.0)),
        "fedgen_strong": Arm(teaches, (0.3, 1.0)),
        "dmml_kd": Arm(teaches, (0.3, 1.0)),
        "fedavg_star": Arm(),
        "fedopt_star": Arm(f"{options}server_rate", (0.003, 0.01)),
        "single_modality": Arm("learning.only_modality", tuple(modalities)),
        "centralised": Arm(),
    }


def same_for_all(data: str, data_path: str | None) -> Fields:
    """Return the fields of all runs, with the joules of a device."""
    fields: Fields = {
        "scenario": "mesh80211",
        "network.kind": "ideal",
        "network.round_period_s": 1000.0,
        "iteration.rule": "uniform",
        "iteration.compute_share": 0.99,
        "iteration.max_iterations": 1000,
        "energy.reserve_j": 0.0,
        "learning.rounds": ROUNDS,
        "learning.batch_size": 16,
        "learning.evaluate_every": 5,
        "learning.dataset": data,
    }
    if data_path:
        fields["learning.data_path"] = str(Path(data_path).resolve())
    return fields | {"energy.battery_j": fair_battery_j(fields)}


def fair_battery_j(fields: Fields) -> float:
    """Joules of 60 rounds of 5 iterations of every modality in dmml, on a device that has all."""
    config = configure("mesh80211", fields | {METHOD: "dmml"})
    work = make_learner(config)[1].work_cost()
    cost = work.per_iteration_flop.max(0).sum() + work.per_step_flop[0]
    joules = compute_j(ROUNDS * ITERATIONS * cost, PROFILES[config.energy.device_profile])
    return float(joules) * (1 + 1e-9)


def tuning(shared: Fields, modalities: list[str]) -> Fields:
    """Return the study of six settings a method, on validation people."""
    fixed = shared | {
        "learning.dirichlet_alpha": 0.5,
        "learning.modality_pattern": "all",
        "learning.evaluate_on": "validation",
    }
    cases = [
        {METHOD: method} | setting
        for method, arm in arms(modalities).items()
        for setting in arm.settings()
    ]
    return {
        "question": "Which setting of each method is the best on validation people?",
        "fixed": fixed,
        "case": cases,
        "set": particular(fixed),
        "seeds": folds(1),
    }


def comparison(shared: Fields, modalities: list[str], runs: pd.DataFrame) -> Fields:
    """Return the study of all methods, each fold with the settings that are best in its tuning."""
    fixed = shared | {"learning.evaluate_on": "test"}
    tuned = [
        {"when": {METHOD: method, FOLD: fold}, "fields": best(runs, method, arm, fold)}
        for method, arm in arms(modalities).items()
        for fold in range(FOLDS)
    ]
    shown = ["accuracy_last5", "accuracy_worst"]
    return {
        "question": "Which method learns most from the same data, joules and tuning?",
        "fixed": fixed,
        "grid": {
            METHOD: list(arms(modalities)),
            "learning.dirichlet_alpha": [0.1, 0.5],
            "learning.modality_pattern": ["all", "thirds"],
        },
        "set": tuned + particular(fixed),
        "seeds": folds(101),
        "figure": {
            "x": METHOD,
            "lines": "learning.dirichlet_alpha",
            "y": [*shown, "compute_j", "sent_bytes"],
        },
        "compare": {"field": METHOD, "against": AGAINST, "y": shown},
    }


def particular(fixed: Fields) -> list[Fields]:
    """Return what goes with some methods whatever they are tuned to."""
    joules = {"energy.battery_j": 9 * fixed["energy.battery_j"]}
    stars = [method for method in arms([]) if topology_of(method).has_server]
    return [
        {"when": {METHOD: "centralised"}, "fields": joules},
        *({"when": {METHOD: star}, "fields": {"learning.evaluate_every": 4}} for star in stars),
    ]


def folds(first: int) -> Fields:
    """Return the seeds, one a fold; tuning and comparison differ in their draws, too."""
    seeds = [1000 * fold + first for fold in range(FOLDS)]
    return {"list": seeds, "fields": {FOLD: list(range(FOLDS))}}


def best(runs: pd.DataFrame, method: str, arm: Arm, fold: int) -> Fields:
    """Return the setting with the best accuracy on the validation people of the fold."""
    of_fold = runs[(runs[METHOD] == method) & (runs[FOLD] == fold)]
    accuracy = []
    for setting in arm.settings():
        agrees = [of_fold[name].map(str) == str(value) for name, value in setting.items()]
        (found,) = of_fold[pd.concat(agrees, axis=1).all(axis=1)]["accuracy_last5"]
        accuracy.append(found)
    return arm.settings()[accuracy.index(max(accuracy))]


def main() -> int:
    """Print a study file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", metavar="DATA", help="a data set, as in --learning.dataset")
    parser.add_argument("runs", nargs="?", type=Path, help="runs.csv of the tuning")
    parser.add_argument("--data-path")
    options = parser.parse_args()
    arithmetic.ensure("portable")
    shared = same_for_all(options.data, options.data_path)
    data, _ = make_learner(configure("mesh80211", shared))
    modalities = list(data.modalities)
    if options.runs is None:
        study = tuning(shared, modalities)
    else:
        study = comparison(shared, modalities, pd.read_csv(options.runs))
    print(tomli_w.dumps(study), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
