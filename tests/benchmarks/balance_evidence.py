"""Does it pay to spend iterations by speed, or by contribution? Five rules on equal joules.

cd results/reference
python ../../tests/benchmarks/balance_evidence.py --tuning tuning.csv --csv balance.csv
python ../../tests/benchmarks/balance_evidence.py --csv balance.csv --table

The setting is that of learning_evidence.py (watch, its five folds, nine devices, ideal network,
Dirichlet 0.5, all modalities, the settings tuned there), with the iteration optimizer's rule as
what differs: each device spends the same joules, on other modalities. Modalities are as they are,
or one is made faint (its values times 0.2, so that it learns slowly), or cheap (every fourth of
its samples, so that an iteration of it costs a quarter). 20 runs each: four seeds a fold. Rows
that the CSV has are not run again.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from learning_evidence import FOLDS, Job, best, run, show
from numpy.typing import NDArray
from study import compare, work_off

from cosim.config.assemble import learning_setup
from cosim.config.sources import load
from learning.data.catalogue import load as load_data

Floats = NDArray[np.float32]

RULES = ("uniform", "random", "inverse", "balance", "contribution")
METHODS = ("dmml_strong", "fedgen_strong", "dmml_kd")
FAINT, CHEAP = 0.2, 4
# What is done to a modality of the watch, in each variant of its data.
VARIANTS: dict[str, dict[str, Callable[[Floats], Floats]]] = {
    "as they are": {},
    "faint gyro": {"gyro": lambda x: FAINT * x},
    "faint acc": {"acc": lambda x: FAINT * x},
    "cheap gyro": {"gyro": lambda x: x[..., ::CHEAP]},
    "cheap acc": {"acc": lambda x: x[..., ::CHEAP]},
}


def write_data(folder: Path, variant: str, fold: int) -> Path:
    """Write the fold's training and test people as data of one's own, one modality changed."""
    flags = [f"--learning.fold={fold}", "--network.kind=ideal"]
    data = load_data(learning_setup(load(flags, None, None)))
    path = folder / f"{variant.replace(' ', '_')}-{fold}.npz"
    used = data.split != 1  # the people that settings were tuned on stay out
    change = VARIANTS[variant]
    changed = {m: change.get(m, np.asarray)(x[used]) for m, x in data.modalities.items()}
    rest = {name: getattr(data, name)[used] for name in ("label", "subject", "recording", "split")}
    np.savez(path, **changed, **rest, class_names=np.array(data.class_names))
    return path


def work(job: Job) -> dict[str, object]:
    """Run one job and return what counts here."""
    row = run(job)
    shown = ("accuracy_percent", "macro_f1_percent", "compute_j", "wall_s")
    return {name: row[name] for name in shown}


def study(options: argparse.Namespace) -> None:
    """Run what the CSV does not have yet."""
    tuned = pd.read_csv(options.tuning)
    with tempfile.TemporaryDirectory() as folder:
        files = {
            (name, fold): str(write_data(Path(folder), name, fold))
            for name, fold in product(options.variants, range(FOLDS))
        }
        runs = []
        for seed, fold, variant, arm, rule in product(
            range(1, 5), range(FOLDS), options.variants, options.arms, options.rules
        ):
            setting = best(tuned, "watch", arm, fold)
            key = {"variant": variant, "arm": arm, "rule": rule, "fold": fold, "seed": seed}
            key["setting"] = show(setting)
            job = Job(
                files[variant, fold],
                None,
                arm,
                tuple(setting.items()),
                0.5,
                "all",
                None,
                1000 * fold + 200 + seed,
                "test",
                rule,
            )
            runs.append((key, (job,)))
        work_off(work, runs, options.csv, options.processes)


def main() -> int:
    """Study, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--arms", nargs="*", choices=METHODS, default=METHODS)
    parser.add_argument("--rules", nargs="*", choices=RULES, default=RULES)
    parser.add_argument("--tuning", type=Path)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        shown = compare(options.csv, ["variant", "arm"], "rule", RULES, ("random",))
        print(shown.round(2).to_string(index=False))
    else:
        study(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
