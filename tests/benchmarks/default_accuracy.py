"""What the default run learns: against local-only training and against the ideal network.

python tests/benchmarks/default_accuracy.py [--seeds 5] [--csv FILE]

Runs the real script for each seed: DMML-KD on the mesh, local-only on the mesh, DMML-KD on the
ideal network; everything else as by default. Accuracy is the mean over devices on people that no
device has seen, averaged over the last five rounds. Exits with 1 if DMML-KD is not 10 points above
local-only, or further than 3 points from the ideal network.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

SCRIPT = Path(__file__).resolve().parents[2] / "cosim" / "run.py"
ARMS = {
    "dmml_kd, mesh": [],
    "local, mesh": ["--learning.method", "local"],
    "dmml_kd, ideal": ["--network.kind", "ideal"],
}


def run(flags: list[str], seed: int, folder: Path) -> dict[str, float]:
    """Run one configuration; return its headline numbers."""
    subprocess.run(
        [sys.executable, str(SCRIPT), *flags, "--seed", str(seed), "--output", str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    rounds = pd.read_parquet(folder / "rounds.parquet")
    spent_j = rounds["radio_j"].sum() + rounds["compute_j"].sum()
    offered = rounds["offered_bytes"].sum()
    return {
        "accuracy_percent": 100 * rounds["accuracy_mean"].tail(5).mean(),
        "plan_share_percent": 100 * rounds["compute_j"].sum() / spent_j,
        "delivered_percent": 100 * rounds["delivered_bytes"].sum() / offered if offered else 0,
        "alive_devices": rounds["alive_devices"].iloc[-1],
    }


def main() -> int:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for seed in range(1, options.seeds + 1):
            for arm, flags in ARMS.items():
                folder = Path(name) / f"{arm.replace(', ', '-')}-{seed}"
                rows.append({"arm": arm, "seed": seed} | run(flags, seed, folder))
                print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    if options.csv:
        table.round(4).to_csv(options.csv, index=False)
    accuracy = table.pivot_table(index="seed", columns="arm", values="accuracy_percent")
    print(accuracy.round(1))
    print(accuracy.agg(["mean", "std"]).round(2))
    above_local = (accuracy["dmml_kd, mesh"] - accuracy["local, mesh"]).mean()
    below_ideal = (accuracy["dmml_kd, ideal"] - accuracy["dmml_kd, mesh"]).mean()
    print(f"above local-only {above_local:.1f}, below the ideal network {below_ideal:.1f} points")
    return 0 if above_local >= 10 and abs(below_ideal) <= 3 else 1


if __name__ == "__main__":
    sys.exit(main())
