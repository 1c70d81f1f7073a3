"""Runs of packets that the network of kind surrogate is fitted to, and judged on.

python tests/benchmarks/surrogate_packets.py fit|held_out [--folder DIR]

Each case is a network without learning: a round that is not counted, some until all is settled
(oracle), then some of 0.6 of the mean length of those, at whose end messages are late. Of each
counted round one record goes into DIR/fit.jsonl or held_out.jsonl (results/reference/surrogate);
cases that are there are left out. `fit` takes some 15 minutes of one core, `held_out` some 35:
small networks have more rounds, whose chance would else pass for an error of the surrogate.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.description.energy import above_idle_w
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.network import Network
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.traffic import RoundTraffic
from ns3_scenarios.worker import Ns3Network

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "results" / "reference" / "surrogate"
LONGEST_S = 120.0  # of a round until all is settled, simulated
SHARE_OF_ROUND = 0.6
TX, RX, CCA_BUSY = 0, 1, 3


@dataclass(frozen=True)
class Case:
    """One network and its load; a disc has as many devices per area as the grid of its spacing."""

    scenario: str
    devices: int
    kilobytes: float
    spacing_m: float = 30.0
    neighbour_distance_m: float = 35.0
    placement: str = "grid"
    shadowing_db: float = 4.0
    seed: int = 1


def rounds_of(which: str, case: Case) -> int:
    """Return how many rounds of each kind are counted: of meshes many, whose rounds differ most."""
    if case.scenario == "mesh80211":
        return 8 if case.devices > 49 else 20 if which == "fit" else 40
    if which == "fit" or case.devices > 49:
        return 3 if case.devices <= 25 else 2
    return 12 if case.devices <= 25 else 6


def cases(which: str) -> list[Case]:
    """Return the cases of a set; held out are sizes, loads, densities, places and seeds."""
    found = []
    for name in ("mesh80211", "adhoc80211"):
        if which == "fit":
            plain = [(9, 10), (9, 40), (9, 100), (16, 10), (16, 50), (25, 20), (25, 50), (36, 20)]
            plain += [(49, 10), (49, 30)]
            found += [Case(name, n, kb, seed=1 + i % 3) for i, (n, kb) in enumerate(plain)]
            for spacing_m, reach_m in ((20.0, 24.0), (25.0, 30.0), (40.0, 45.0)):
                found += [
                    Case(name, n, kb, spacing_m, reach_m, seed=4 + i)
                    for i, (n, kb) in enumerate([(9, 50), (25, 20)])
                ]
            found += [Case(name, 16, 20, placement="disc", seed=6), Case(name, 25, 30, seed=7)]
            found += [Case(name, 16, 50, shadowing_db=0.0), Case(name, 36, 10, shadowing_db=0.0)]
        else:
            plain = [(9, 25), (9, 70), (16, 30), (25, 15), (25, 40), (36, 15), (36, 30), (49, 20)]
            plain += [(100, 10), (100, 20)]
            found += [Case(name, n, kb, seed=11 + i) for i, (n, kb) in enumerate(plain)]
            for spacing_m, reach_m in ((22.0, 26.0), (35.0, 40.0)):
                found += [
                    Case(name, n, kb, spacing_m, reach_m, seed=31 + i)
                    for i, (n, kb) in enumerate([(16, 30), (36, 20)])
                ]
            found += [Case(name, 25, 20, placement="disc", seed=41)]
            found += [Case(name, 100, 10, 35.0, 40.0, seed=42)]
            found += [Case(name, 49, 20, shadowing_db=2.0, seed=43)]
    return found


def scenario_of(case: Case) -> NetworkScenario:
    """Describe a case as a run would."""
    flags: dict[str, Any] = {
        "--scenario": case.scenario,
        "--seed": case.seed,
        "--learning.method": "none",
        "--energy.battery_j": 1e6,
        "--network.num_devices": case.devices,
        "--network.placement": case.placement,
        "--network.neighbour_distance_m": case.neighbour_distance_m,
        "--network.shadowing_sigma_db": case.shadowing_db,
    }
    radius_m = case.spacing_m * np.sqrt(case.devices / np.pi)
    where = (
        ("disc_radius_m", radius_m) if case.placement == "disc" else ("spacing_m", case.spacing_m)
    )
    flags[f"--network.{where[0]}"] = round(float(where[1]), 3)
    words = [str(word) for pair in flags.items() for word in pair]
    return make_scenario(load(words, None, None))


def play(
    case: Case, scenario: NetworkScenario, network: Network, rounds: int, period_s: float = 0.0
) -> Iterator[dict[str, Any]]:
    """Yield a record of each counted round, as many of either kind.

    period_s: of the cut ones, by default SHARE_OF_ROUND of the settled ones' mean.
    """
    settled_s = []
    for i in range(1 + 2 * rounds):
        is_cut = i > rounds
        if is_cut and not period_s:
            period_s = round(SHARE_OF_ROUND * float(np.mean(settled_s)), 3)
        traffic = traffic_of(case, scenario, i, period_s if is_cut else LONGEST_S, not is_cut)
        report = network.run_round(traffic)
        if i > 0 and not is_cut:
            settled_s.append(report.duration_s)
        if i > 0:
            yield {"round": i, "is_cut": is_cut} | measured(scenario, traffic, report)


def traffic_of(
    case: Case, scenario: NetworkScenario, index: int, period_s: float, is_oracle: bool
) -> RoundTraffic:
    src, dst = np.nonzero(scenario.neighbours)
    nothing = np.zeros(scenario.num_devices)
    return RoundTraffic(
        round_index=index,
        src=src,
        dst=dst,
        part=np.zeros_like(src),
        payload_bytes=np.full(len(src), round(1000 * case.kilobytes)),
        compute_s=nothing,
        compute_j=nothing,
        period_s=period_s,
        stop_when_settled=is_oracle,
    )


def measured(
    scenario: NetworkScenario, traffic: RoundTraffic, report: RoundReport
) -> dict[str, Any]:
    """Put a round into numbers; seconds and joules are means over devices."""
    flows, links, energy = report.flows, report.links, report.energy
    delay_s = flows.delay_s[flows.outcome == OUTCOMES.index("delivered")]
    above_j = (energy.state_s * above_idle_w(scenario.draws.state_power_w)).sum(axis=1)
    frames = max(int(links.frames.sum()), 1)
    return {
        "duration_s": report.duration_s,
        "delivered_share": float(flows.delivered_bytes.sum() / traffic.payload_bytes.sum()),
        "delay_median_s": float(np.median(delay_s)) if len(delay_s) else 0.0,
        "delay_p90_s": float(np.quantile(delay_s, 0.9)) if len(delay_s) else 0.0,
        "tx_s": float(energy.state_s[:, TX].mean()),
        "rx_s": float(energy.state_s[:, RX].mean()),
        "cca_busy_s": float(energy.state_s[:, CCA_BUSY].mean()),
        "joules": float(energy.state_j.sum(axis=1).mean()),
        "above_idle_j": float(above_j.mean()),
        "frames": frames,
        "lost_share": float(np.nansum(links.loss_ratio * links.frames) / frames),
        "devices_above_idle_j": [float(f"{x:.4g}") for x in above_j],
    }


def read(path: Path) -> dict[Case, list[dict[str, Any]]]:
    """Read records by case."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
    return {Case(**line["case"]): line["rounds"] for line in lines}


def main() -> int:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", choices=["fit", "held_out"])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    path = options.folder / f"{options.set}.jsonl"
    options.folder.mkdir(parents=True, exist_ok=True)
    known = read(path)
    for case in cases(options.set):
        if case in known:
            continue
        scenario = scenario_of(case)
        with tempfile.TemporaryDirectory() as name:
            network = Ns3Network(scenario, Path(name) / "ns3.log")
            try:
                rounds = list(play(case, scenario, network, rounds_of(options.set, case)))
            finally:
                network.close()
        with path.open("a", encoding="ascii") as file:
            file.write(json.dumps({"case": asdict(case), "rounds": rounds}) + "\n")
        print(case, f"{rounds[0]['duration_s']:.2f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
