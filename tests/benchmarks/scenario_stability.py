"""120 rounds of each scenario: the delivered share does not drift, and memory stays flat.

.venv/bin/python tests/benchmarks/scenario_stability.py [SCENARIO:TRANSPORT ...]

Default devices and radios of each preset, 80 kB from neighbour to neighbour in rounds of 3 s,
static but for d2d. Compares the rounds 20-69 with 70-119: the difference of the mean delivered
shares against three standard errors (rounds of moving devices are correlated: blocks of ten), and
the memory of the ns-3 process after round 20 with that after the last. Exit code 1 on a miss.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))
from mesh import make_traffic

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.worker import Ns3Network

ROUNDS, SETTLED = 120, 20
CASES = [
    "mesh80211:arq",
    "adhoc80211:arq",
    "infrastructure:arq",
    "d2d:arq",
    "mesh80211:tcp",
    "mesh80211:udp",
    "adhoc80211:broadcast",
]
MEMORY_LIMIT = 1.05


def shares_and_memory(case: str, folder: Path) -> tuple[np.ndarray, float]:
    """Run the rounds of a case; return the delivered share of each, and how memory grew."""
    name, transport = case.split(":")
    flags = ["--network.transport", transport, "--energy.battery_j", "100000"]
    scenario = make_scenario(load(flags, None, name))
    pairs = None
    if scenario.mobility.moves:  # those who start as neighbours, else all 72 pairs
        apart_m = np.linalg.norm(scenario.position_m[:, None] - scenario.position_m, axis=-1)
        pairs = np.nonzero((apart_m > 0) & (apart_m < 60))
    network = Ns3Network(scenario, folder / "ns3.log")
    shares, memory = [], []
    try:
        for i in range(ROUNDS):
            flows = network.run_round(make_traffic(scenario, i, pairs)).flows
            shares.append(flows.delivered_bytes.sum() / (80_000 * len(flows.delivered_bytes)))
            memory.append(network.memory_bytes())
    finally:
        network.close()
    return np.array(shares), memory[-1] / memory[SETTLED]


def main() -> int:
    """Print a line per case; return 1 if one drifts."""
    cases, missed = sys.argv[1:] or CASES, 0
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            shares, growth = shares_and_memory(case, Path(folder))
        early, late = np.split(shares[SETTLED:], 2)
        blocks = [half.reshape(-1, 10).mean(axis=1) for half in (early, late)]
        error = np.sqrt(sum(np.var(block, ddof=1) / len(block) for block in blocks))
        drift = late.mean() - early.mean()
        ok = abs(drift) <= max(3 * error, 0.005) and growth <= MEMORY_LIMIT
        missed += not ok
        print(
            f"{case:<22} delivered {early.mean():.4f} then {late.mean():.4f}"
            f" (drift {drift:+.4f}, standard error {error:.4f}), memory x{growth:.3f}:"
            f" {'ok' if ok else 'MISS'}",
            flush=True,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
