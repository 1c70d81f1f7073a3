"""Hashes of the tables of short runs: what a change that should change nothing is held against.

.venv/bin/python tests/benchmarks/table_hashes.py HASHES.csv [--against BEFORE.csv]

Every scenario over every kind of network with three methods: two rounds each, by the script, two
at a time (some four minutes). Exit code 1 where a hash differs from that in BEFORE.csv. Made of
the tables only, which hold no wall time; --script: that of another checkout.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pandas as pd

from cosim.records.layout import JOINED, PARTITION

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ("mesh80211", "adhoc80211", "d2d", "infrastructure")
NETWORKS = ("ideal", "analytic", "ns3")
METHODS = ("dmml_kd", "fedgen_strong", "fedavg_star")
FLAGS = (
    *("--network.num_devices=5", "--learning.dataset=made", "--learning.rounds=2"),
    *("--iteration.max_iterations=3", "--learning.batch_size=8"),
)
# These two neither move devices nor know other losses.
PLAIN = ("--network.mobility=static", "--network.path_loss=log_distance", "--network.fading=none")


def table_hash(case: tuple[str, str, str], script: Path) -> str:
    """Run one case; return the hash of its tables, or what the script said."""
    scenario, network, method = case
    flags = [f"--scenario={scenario}", f"--network.kind={network}", f"--learning.method={method}"]
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, str(script), *flags, *FLAGS, *PLAIN * (network != "ns3")]
        done = subprocess.run(
            [*command, f"--output={name}/run"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return done.stderr.strip().splitlines()[-1]
        digest = hashlib.sha256()
        for table in (*JOINED, PARTITION):
            digest.update((Path(name) / "run" / table).read_bytes())
    return digest.hexdigest()[:16]


def main() -> int:
    """Run all cases; write their hashes and hold them against those of before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hashes", type=Path, help="CSV file to write")
    parser.add_argument("--against", type=Path, help="CSV file of hashes from before")
    parser.add_argument("--script", type=Path, default=ROOT / "cosim" / "run.py")
    given = parser.parse_args()
    cases = list(product(SCENARIOS, NETWORKS, METHODS))
    with ThreadPoolExecutor(2) as pool:  # each waits for its process
        hashes = list(pool.map(lambda case: table_hash(case, given.script), cases))
    keys = ["scenario", "network", "method"]
    table = pd.DataFrame(cases, columns=keys).assign(tables_sha256=hashes)
    table.to_csv(given.hashes, index=False)
    print(table.to_string(index=False))
    if given.against is None:
        return 0
    both = table.merge(pd.read_csv(given.against), on=keys, suffixes=("", "_before"))
    differ = both[both["tables_sha256"] != both["tables_sha256_before"]]
    print(f"{len(both) - len(differ)} of {len(table)} as before")
    for row in differ.itertuples(index=False):
        print("DIFFERS", *row)
    return int(len(differ) > 0 or len(both) < len(table))


if __name__ == "__main__":
    sys.exit(main())
