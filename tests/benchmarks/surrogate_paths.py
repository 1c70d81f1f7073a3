"""How many hops more packets take in meshes than the cheapest ways have: `detour_share`.

python tests/benchmarks/surrogate_paths.py [--folder DIR]

Plays the meshes of the fit (surrogate_packets.py) with packets, 80 rounds after the first, and
writes DIR/paths.csv: of each case the hops of the paths in use above those of the cheapest ways,
and those that detours around the first link would have, means over pairs and rounds. Prints the
share of detours that gives as many hops more over all cases, which goes into
ns3_scenarios/surrogate/fitted.toml before a fit. Takes 10 minutes of processor time, on all cores.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from surrogate_packets import FOLDER, LONGEST_S, Case, cases, scenario_of, traffic_of

from ns3_scenarios.surrogate import fitted
from ns3_scenarios.surrogate.network import Pair, SurrogateNetwork
from ns3_scenarios.worker import Ns3Network

ROUNDS = 80


def surrogate_hops(case: Case, detour_share: float) -> dict[Pair, int]:
    """Return the hops of every pair over the surrogate, with detours everywhere or nowhere."""
    scenario = scenario_of(case)
    fit = fitted.fit_of(case.scenario)
    own = replace(fit.coefficients, detour_share=detour_share)
    network = SurrogateNetwork(scenario, replace(fit, coefficients=own))
    network.run_round(traffic_of(case, scenario, 0, 1e-3, is_oracle=False))
    return {pair: len(way) - 1 for pair, way in network.ways.items()}


def row(case: Case) -> dict[str, Any]:
    """Play a case; return it with its mean hops above the usual ones."""
    scenario, more = scenario_of(case), []
    usual, round_about = (surrogate_hops(case, share) for share in (0.0, 1.0))
    with tempfile.TemporaryDirectory() as name:
        network = Ns3Network(scenario, Path(name) / "ns3.log")
        try:
            for i in range(1 + ROUNDS):
                report = network.run_round(traffic_of(case, scenario, i, LONGEST_S, is_oracle=True))
                hops = report.links.hops
                more.append(np.mean([hops[x] - n for x, n in usual.items() if hops[x] > 0]))
        finally:
            network.close()
    detours = np.mean([n - usual[pair] for pair, n in round_about.items()])
    return asdict(case) | {
        "extra_hops": round(float(np.mean(more[1:])), 3),
        "detour_extra_hops": round(float(detours), 2),
    }


def main() -> int:
    """Play all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    meshes = [case for case in cases("fit") if case.scenario == "mesh80211"]
    with ProcessPoolExecutor() as pool:
        table = pd.DataFrame(pool.map(row, meshes))
    table.to_csv(options.folder / "paths.csv", index=False)
    print(table.to_string())
    share = table["extra_hops"].sum() / table["detour_extra_hops"].sum()
    print(f"detour_share = {share:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
