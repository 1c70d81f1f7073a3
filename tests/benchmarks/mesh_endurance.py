"""How the default mesh lasts: deliveries over 120 rounds, deaths, and recovery from a dead relay.

python tests/benchmarks/mesh_endurance.py [--rounds 120] [--seeds 3] [--death-seeds 20]
    [--relay-seeds 10]

Prints what was counted and exits with 1 if a limit is missed. Wall times are ratios of one run.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from mesh import make_mesh, make_traffic

from ns3_scenarios.description.mobility import neighbours_within
from ns3_scenarios.reports import OUTCOMES
from ns3_scenarios.worker import Ns3Network

DELIVERED = OUTCOMES.index("delivered")


class Meter:
    """A network under load, and what was seen in each of its rounds."""

    def __init__(self, seed: int, log: Path) -> None:
        self._scenario = make_mesh(seed=seed)
        self.network = Ns3Network(self._scenario, log)
        self.network.wait_ready()
        self.whole: list[bool] = []
        self.wall_s: list[float] = []
        self.memory_bytes: list[int] = []
        self.events: list[int] = []

    def run(self, rounds: int) -> None:
        """Run more rounds, each with one message between all direct neighbours."""
        for _ in range(rounds):
            traffic = make_traffic(self._scenario, len(self.whole))
            started = time.perf_counter()
            report = self.network.run_round(traffic)
            self.wall_s.append(time.perf_counter() - started)
            self.memory_bytes.append(self.network.memory_bytes())
            self.events.append(report.num_events)
            self.whole.append(bool(np.all(report.flows.outcome == DELIVERED)))


def endurance(seed: int, rounds: int, folder: Path) -> bool:
    """Ample batteries: every message of every round but the first arrives; nothing grows.

    A processor's speed drifts by more than 10 % within minutes. So a second, equal run starts when
    the first is 20 rounds from its end, and its rounds 10 to 30 take turns with the first one's
    last 20 rounds: the ratio of their wall times is that of late rounds over early ones.
    """
    first = Meter(seed, folder / "first.log")
    first.run(rounds - 20)
    twin = Meter(seed, folder / "twin.log")
    twin.run(10)
    for _ in range(20):
        first.run(1)
        twin.run(1)
    first.network.close()
    twin.network.close()
    early, late = slice(10, 30), slice(rounds - 20, rounds)
    bad = [i for i in range(1, rounds) if not first.whole[i]]
    memory_ratio = float(np.mean(first.memory_bytes[late]) / np.mean(first.memory_bytes[early]))
    wall_ratio = float(np.mean(first.wall_s[late]) / np.mean(twin.wall_s[early]))
    event_ratio = float(np.mean(first.events[late]) / np.mean(first.events[early]))
    same = first.events[early] == twin.events[early]
    print(
        f"endurance seed {seed}: bad rounds {bad}, last 20 rounds over rounds 10-30: memory"
        f" x{memory_ratio:.3f}, wall x{wall_ratio:.3f}, events x{event_ratio:.3f}"
        f" ({np.mean(first.wall_s):.2f} s a round, twin {'equal' if same else 'DIFFERS'})",
        flush=True,
    )
    steady = abs(memory_ratio - 1) <= 0.1 and abs(wall_ratio - 1) <= 0.1
    return not bad and same and steady


def deaths(seed: int, folder: Path) -> bool:
    """Tight batteries under load: every device dies, each within 1 mJ of empty, the run goes on."""
    rng = np.random.default_rng(seed)
    scenario = make_mesh(seed=seed, battery_j=rng.uniform(5.0, 25.0, 9))
    network = Ns3Network(scenario, folder / "ns3.log")
    reports = [network.run_round(make_traffic(scenario, i)) for i in range(12)]
    network.close()
    left_j = reports[-1].energy.remaining_energy_j
    died_at_s = reports[-1].energy.died_at_s
    still_sent = 0
    for report in reports:
        dead_before = report.energy.died_at_s < report.start_s
        still_sent += int(report.links.frames[dead_before].sum())
    print(
        f"deaths seed {seed}: {int(np.isfinite(died_at_s).sum())} of 9 died, furthest from empty"
        f" {1e3 * np.abs(left_j).max():.4f} mJ, frames of the dead {still_sent}",
        flush=True,
    )
    return bool(np.isfinite(died_at_s).all() and np.abs(left_j).max() < 1e-3 and still_sent == 0)


def recovery_s(seed: int, folder: Path, period_s: float = 0.5) -> float:
    """The centre of the grid dies; return when every other pair has delivered again [s]."""
    battery_j = np.full(9, 1e6)
    battery_j[4] = 10.0
    scenario = make_mesh(seed=seed, battery_j=battery_j)
    src, dst = np.nonzero(neighbours_within(scenario.position_m, 62.0))  # over the centre too
    keep = (src != 4) & (dst != 4)
    network = Ns3Network(scenario, folder / "ns3.log")
    died_at_s = np.nan
    again_s = np.full(int(keep.sum()), np.inf)  # when each pair delivered for the first time again
    for i in range(60):
        report = network.run_round(
            make_traffic(
                scenario,
                i,
                (src[keep], dst[keep]),
                payload_bytes=2_000,
                period_s=period_s,
                compute_s=0.0,
                compute_j=0.0,
            )
        )
        if report.start_s > died_at_s:
            again_s = np.minimum(again_s, report.start_s + report.flows.finish_s)
        died_at_s = report.energy.died_at_s[4]
        if report.start_s > died_at_s + 12.0:
            break
    network.close()
    print(
        f"relay seed {seed}: died at {died_at_s:.2f} s, the last pair delivered again after"
        f" {again_s.max() - died_at_s:.2f} s",
        flush=True,
    )
    return float(again_s.max() - died_at_s)


def main() -> int:
    """Run the three studies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--death-seeds", type=int, default=20)
    parser.add_argument("--relay-seeds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        passed = [endurance(seed, options.rounds, folder) for seed in range(1, options.seeds + 1)]
        passed += [deaths(seed, folder) for seed in range(1, options.death_seeds + 1)]
        passed += [recovery_s(seed, folder) <= 5.0 for seed in range(1, options.relay_seeds + 1)]
    print(f"{sum(passed)} of {len(passed)} within the limits")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
