"""Run every method and every way of exchange for two tiny rounds, and print what came out.

python tests/support/same_bits.py     a line each: name, hash of the tables, hash of the parameters

It runs in portable arithmetic, and needs no ns-3: an emulated processor takes some minutes.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cosim import arithmetic

ROOT = Path(__file__).resolve().parents[2]
FIXED = {
    "dataset": "made",
    "rounds": 2,
    "batch_size": 4,
    "feature_dim": 8,
    "generator_samples": 4,
    "warmup_rounds": 0,
    "ramp_rounds": 0,
}
OTHERS: dict[str, dict[str, Any]] = {
    "generator network": {"generator": "network"},
    "float16": {"payload_codec": "float16"},
    "int8": {"payload_codec": "int8"},
    "top_k": {"payload_codec": "top_k"},
    "push_sum": {"mixing": "push_sum"},
    "local scaling": {"normalisation": "local"},
    "gossip scaling": {"normalisation": "gossip"},
    "thirds of unequal size": {"modality_pattern": "thirds", "size_sigma": 0.3},
    "real data": {"dataset": "watch"},
    "own data": {"dataset": str(ROOT / "learning/examples/own_data.py")},
    "own encoder": {"model": str(ROOT / "learning/examples/own_encoder.py")},
    "own method": {"method": str(ROOT / "learning/examples/own_method.py")},
    "Shannon capacities": {"network": "analytic"},
}


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name each case and the fields in which it differs."""
    from learning.methods.names import METHOD_NAMES

    for method in METHOD_NAMES:
        only = {"only_modality": "acc"} if method == "single_modality" else {}
        yield method, {"method": method, **only}
    yield from OTHERS.items()


def outcome(network: str = "ideal", **changed: Any) -> tuple[str, str]:
    """Run one case; return the hashes of its tables, as they are stored, and of its parameters."""
    from cosim.config.assemble import make_learner
    from cosim.config.energy import EnergyConfig
    from cosim.config.iteration import IterationConfig
    from cosim.config.learning import LearningConfig
    from cosim.config.model import RunConfig
    from cosim.config.network import NetworkConfig
    from cosim.config.to_scenario import make_scenario
    from cosim.loop import run_rounds
    from cosim.records.tables import partition_table, to_tables
    from ns3_scenarios.analytic import AnalyticNetwork
    from ns3_scenarios.ideal import IdealNetwork

    # Made without the command line, whose making takes longer than two rounds.
    config = RunConfig.model_construct(
        scenario="mesh80211",
        seed=1,
        network=NetworkConfig(num_devices=4, kind=network),
        energy=EnergyConfig(),
        learning=LearningConfig(**{**FIXED, **changed}),
        iteration=IterationConfig(max_iterations=2),
    )
    scenario, (data, learner) = make_scenario(config), make_learner(config)
    kind = {"ideal": IdealNetwork, "analytic": AnalyticNetwork}[network]
    # Of the second round, which hangs on all of the first.
    *_, last = run_rounds(config, scenario, learner, kind(scenario))
    stored = [table.to_parquet() for table in to_tables(last, scenario, learner).values()]
    # Its rows come out of NumPy's AVX2 argsort, which qemu 7.2 executes wrongly.
    rows = sorted(partition_table(data, learner).to_csv(index=False).splitlines())
    tables = hashlib.sha256(b"".join([*stored, *(row.encode() for row in rows)]))
    return tables.hexdigest(), learner.parameters_digest()


def main() -> None:
    """Print the outcome of every case, or of those named."""
    arithmetic.may_start_again()
    import torch

    arithmetic.ensure("portable")
    torch.set_num_threads(1)
    for name, changed in cases():
        if name in sys.argv[1:] or len(sys.argv) == 1:
            print(name, *outcome(**changed), sep="\t", flush=True)
    os._exit(0)  # as a run ends (cosim/__main__.py)


if __name__ == "__main__":
    main()
