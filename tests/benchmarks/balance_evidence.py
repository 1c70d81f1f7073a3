"""Does it pay to spend iterations by speed, or by contribution? Five rules on equal joules.

Writes a study a variant of the data, to be swept, and the data themselves:

python tests/benchmarks/balance_evidence.py results/balance results/studies/tune_watch/runs.csv
for study in results/balance/*.toml; do python cosim/run.py sweep $study; done

The setting is that of learning_evidence.py, whose tuning it takes (watch, a seed for each of its
five folds, nine devices, ideal network, Dirichlet 0.5, all modalities), with the iteration
optimizer's rule as what differs: each device spends the same joules, on other modalities.
Modalities are as they are, or one is made faint (its values times 0.2, so that it learns slowly),
or cheap (every fourth of its samples, so that an iteration of it costs a quarter).
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import learning_evidence as evidence  # before anything that computes is imported
import numpy as np
import pandas as pd
import tomli_w
from numpy.typing import NDArray

from cosim import arithmetic
from cosim.config.assemble import make_learner
from cosim.config.sources import configure

Floats = NDArray[np.float32]

RULES = ("uniform", "random", "inverse", "balance", "contribution")
METHODS = ("dmml_strong", "fedgen_strong", "dmml_kd")
FAINT, CHEAP = 0.2, 4
DATA = "learning.dataset"
# What is done to a modality of the watch, in each variant of its data.
VARIANTS: dict[str, dict[str, Callable[[Floats], Floats]]] = {
    "as_they_are": {},
    "faint_gyro": {"gyro": lambda x: FAINT * x},
    "faint_acc": {"acc": lambda x: FAINT * x},
    "cheap_gyro": {"gyro": lambda x: x[..., ::CHEAP]},
    "cheap_acc": {"acc": lambda x: x[..., ::CHEAP]},
}


def write_data(folder: Path, variant: str, fold: int) -> str:
    """Write the fold's training and test people as data of one's own; return the file's name."""
    data, _ = make_learner(configure("mesh80211", {evidence.FOLD: fold}))
    used = data.split != 1  # the people that settings were tuned on stay out
    change = VARIANTS[variant]
    changed = {m: change.get(m, np.asarray)(x[used]) for m, x in data.modalities.items()}
    rest = {name: getattr(data, name)[used] for name in ("label", "subject", "recording", "split")}
    name = f"{variant}-{fold}.npz"
    np.savez(folder / name, **changed, **rest, class_names=np.array(data.class_names))
    return name


def study(folder: Path, variant: str, runs: pd.DataFrame) -> evidence.Fields:
    """Return the study of a variant; its data are written into the folder."""
    files = [write_data(folder, variant, fold) for fold in range(evidence.FOLDS)]
    shared = evidence.same_for_all(str(folder.resolve() / files[0]), None)
    fixed = {name: value for name, value in shared.items() if name not in (DATA, "iteration.rule")}
    fixed |= {"learning.dirichlet_alpha": 0.5, "learning.modality_pattern": "all"}
    tuned = [
        {
            "when": {evidence.METHOD: method, DATA: file},
            "fields": evidence.best(runs, method, arm, fold),
        }
        for method, arm in evidence.arms([]).items()
        if method in METHODS
        for fold, file in enumerate(files)
    ]
    return {
        "question": "Does it pay to spend iterations by speed, or by contribution?",
        "fixed": fixed,
        "grid": {"iteration.rule": RULES, evidence.METHOD: METHODS},
        "set": tuned,
        "seeds": {
            "list": [1000 * fold + 201 for fold in range(evidence.FOLDS)],
            "fields": {DATA: files},
        },
        "figure": {"x": "iteration.rule", "lines": evidence.METHOD},
        "compare": {"field": "iteration.rule", "against": "random"},
    }


def main() -> int:
    """Write data and studies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for data and studies")
    parser.add_argument("runs", type=Path, help="runs.csv of the tuning of learning_evidence.py")
    options = parser.parse_args()
    arithmetic.ensure("portable")
    options.folder.mkdir(parents=True, exist_ok=True)
    runs = pd.read_csv(options.runs)
    for variant in VARIANTS:
        path = options.folder / f"{variant}.toml"
        path.write_text(tomli_w.dumps(study(options.folder, variant, runs)), encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
