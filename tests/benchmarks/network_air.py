"""What the lean air and tcmalloc save, against the twin in plain C++ on the stock channel.

python tests/benchmarks/network_air.py [--quick] [--repetitions 1]

For each case the twin (network_twin.py) and the network by each setting of network.air, with and
without tcmalloc in the child, run the same rounds in turn, in one process each: processor seconds
of a round, events, resident memory, and the ratio to the twin's processor seconds, medians. Of 9
devices the first round is left out: it has the first call of each kind from Python to C++. Exits
with 1 where a setting delivers other bytes than the twin, or where lean with tcmalloc takes more
than 0.5 times the twin's processor time with many devices, or more than 1.05 times with 9.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from network_twin import Twin, compile_twin, cpu_s, resident_bytes, write_numbers

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "support"))

from mesh import make_mesh, make_traffic

from ns3_scenarios import worker
from ns3_scenarios.allocator import fast_allocator

# Name, devices, bytes a message, rounds, and the most that lean with tcmalloc may take.
CASES = [
    ("mesh80211", 9, 80_000, 8, 1.05),
    ("adhoc80211", 9, 80_000, 8, 1.05),
    ("mesh80211", 49, 50_000, 1, 0.5),
    ("adhoc80211", 100, 50_000, 1, 0.5),
]
SHADOWING_DB = (0.0, 4.0)
COLUMNS = ("network", "devices", "shadowing, dB", "air", "tcmalloc")
COLUMNS += ("CPU s a round", "ratio", "events a round", "MB")


def settings() -> Iterator[tuple[str, str | None]]:
    """Yield each air with and without tcmalloc, as far as it is installed."""
    yield from product(("stock", "lean"), dict.fromkeys((None, fast_allocator())))


def measure(
    case: tuple[str, int, int, int, float], sigma_db: float, program: Path, folder: Path
) -> dict[Any, list[tuple[float, ...]]]:
    """Return (CPU s, events, delivered bytes, resident bytes) of each round, by setting."""
    name, n, payload_bytes, rounds, _ = case
    kind = {"name": name, "shadowing_sigma_db": sigma_db}
    scenario = make_mesh(n, **kind)
    traffic = [make_traffic(scenario, i, payload_bytes=payload_bytes) for i in range(rounds)]
    write_numbers(scenario, traffic[0], folder / "numbers.txt")
    found: dict[Any, list[tuple[float, ...]]] = {}
    with ExitStack() as stack:
        twin = stack.enter_context(closing(Twin(program, folder / "numbers.txt")))
        networks = {}
        for air, library in settings():
            with mock.patch.object(worker, "fast_allocator", lambda library=library: library):
                network = worker.Ns3Network(make_mesh(n, air=air, **kind), folder / "ns3.log")
            networks[air, library] = stack.enter_context(closing(network))
            network.wait_ready()
        for each in traffic:
            before_s = cpu_s(twin.pid)
            _, (events, delivered, _) = twin.run_round()
            spent_s = cpu_s(twin.pid) - before_s
            row = (spent_s, events, delivered, resident_bytes(twin.pid))
            found.setdefault(None, []).append(row)
            for key, network in networks.items():
                before_s = cpu_s(network.pid)
                report = network.run_round(each)
                spent_s = cpu_s(network.pid) - before_s
                delivered = int(report.flows.delivered_bytes.sum())
                row = (spent_s, report.num_events, delivered, network.memory_bytes())
                found.setdefault(key, []).append(row)
    return {key: rows[1:] or rows for key, rows in found.items()}


def compare(
    case: tuple[str, int, int, int, float], sigma_db: float, program: Path, repetitions: int
) -> bool:
    """Print the rows of a case; tell whether it keeps its limits."""
    name, n, _, _, most = case
    runs = []
    for _ in range(repetitions):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(measure(case, sigma_db, program, Path(folder)))
    tables = {key: np.concatenate([run[key] for run in runs]) for key in runs[0]}
    passed = True
    for key, table in tables.items():
        air, library = key or ("twin: stock", None)
        seconds, events, delivered, memory_bytes = table.T
        ratio = float(np.median(seconds / tables[None][:, 0]))
        same = np.array_equal(delivered, tables[None][:, 2])
        is_held = air == "lean" and library is not None
        met = same and (not is_held or ratio <= most)
        passed &= met
        limit = f", limit {most:.2f} {'met' if ratio <= most else 'MISSED'}" if is_held else ""
        cells = [
            *(name, str(n), f"{sigma_db:g}", air, "yes" if library else "no"),
            *(f"{np.median(seconds):.2f}", f"{ratio:.2f}{limit}", f"{np.median(events):,.0f}"),
            f"{memory_bytes.max() / 1e6:.0f}{'' if same else ' OTHER BYTES'}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
    return passed


def main() -> int:
    """Compare all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="9 devices only")
    parser.add_argument("--repetitions", type=int, default=1)
    options = parser.parse_args()
    passed = True
    with tempfile.TemporaryDirectory() as folder:
        program = compile_twin(Path(folder))
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
        for case, sigma_db in product(CASES[: 2 if options.quick else None], SHADOWING_DB):
            passed &= compare(case, sigma_db, program, options.repetitions)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
