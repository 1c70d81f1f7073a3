"""What the way through Python costs: a scenario against its twin in plain C++.

python tests/benchmarks/network_twin.py [--repetitions 3] [--rounds 10]

Compiles network_twin.cpp (by $CXX, by default g++) with the native part, hands it the numbers of a
scenario in a text file and lets both run the same rounds: default mesh with 9 devices, ad hoc with
9 and 25. Ours is the whole call of the network's child process (messages in, reports out); the
twin is timed around the same work in C++. They take turns round by round, so that the machine's
drift hits both; each repetition starts both anew. The first round is left out: it has the first
call of each kind from Python to C++. Prints medians over all rounds and their ratio, and that of
the processor times, which other work on the machine disturbs less. Exits with 1 if a round differs
in events, delivered bytes or simulated time, or if a ratio of wall times is above 1.10.
"""

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "support"))

from mesh import make_mesh, make_traffic

from ns3_scenarios.build.losses import SIGHT_STREAM
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.installation import (
    NATIVE,
    NS3_RELEASE,
    check_installation,
    native_build,
)
from ns3_scenarios.session import NS3_MODULES
from ns3_scenarios.traffic import RoundTraffic
from ns3_scenarios.worker import Ns3Network

RATIO_LIMIT = 1.10
CASES = [("mesh80211", 9, 80_000), ("adhoc80211", 9, 80_000), ("adhoc80211", 25, 20_000)]
COLUMNS = [
    *("network", "devices", "kB a message", "ours, ms a round", "twin, ms a round", "ratio"),
    *("ratio of processor times", "rounds equal"),
]
FLAGS = ["-std=c++20", "-O2", "-ffp-contract=off"]  # as in precompile.py


def compile_twin(folder: Path) -> Path:
    """Compile the twin against the ns3 wheel; return the program."""
    wheel, program = check_installation(), folder / "network_twin"
    library = wheel / "lib64"
    sources = [HERE / "network_twin.cpp", *sorted(NATIVE.glob("*.cpp"))]
    modules = [f"-lns{NS3_RELEASE}-{module}" for module in NS3_MODULES]
    # config-store names functions of GTK, which need not be there as long as nobody calls them.
    lenient = ["-Wl,--unresolved-symbols=ignore-in-shared-libs", "-Wl,-z,lazy"]
    command = [
        *(os.environ.get("CXX", "g++"), *FLAGS),
        *(f"-I{wheel / 'include'}", f"-I{NATIVE}", *map(str, sources), "-o", str(program)),
        *(f"-L{library}", f"-Wl,-rpath,{library}", "-Wl,--no-as-needed", *lenient),
        *modules,
    ]
    subprocess.run(command, check=True)
    return program


def write_numbers(scenario: NetworkScenario, traffic: RoundTraffic, path: Path) -> None:
    """Hand a scenario and the traffic of every round over to the twin."""
    radio, channel = scenario.radio, scenario.channel
    slowest_bps, *_, fastest_bps = radio.rates_bps
    if (radio.channel, radio.standard, radio.rate_manager) != (36, "80211ax", "ideal"):
        raise SystemExit("network_twin.cpp knows 802.11ax on channel 36 with ideal rates only")
    numbers: dict[str, Any] = radio.model_dump() | scenario.mesh.model_dump()
    numbers |= {
        "name": scenario.name,
        "num_devices": scenario.num_devices,
        "rng_seed": scenario.rng_seed,
        "rng_run": scenario.rng_run,
        "segment_bytes": scenario.transport.segment_bytes,
        "max_window_segments": scenario.transport.max_window_segments,
        "peers_at_once": scenario.transport.peers_at_once,
        "max_peer_links": min(max(32, scenario.num_devices), 255),
        "boot_s": scenario.settings.boot_s,
        "path_loss_exponent": channel.path_loss_exponent,
        "reference_loss_db": channel.reference_loss_db,
        "sight_stream": SIGHT_STREAM,
        "position_m": scenario.position_m,
        "shadowing_db": channel.shadowing_db,
        "greetings": np.argwhere(scenario.neighbours),
        "battery_j": scenario.initial_energy_j[0],
        "radio_states": RADIO_STATES,
        "state_power_w": scenario.draws.state_power_w[0],
        "band": [radio.bandwidth_hz, radio.noise_power_dbm, slowest_bps, fastest_bps],
        "messages": np.column_stack([traffic.src, traffic.dst, traffic.payload_bytes]),
        "compute_s": traffic.compute_s[0],
        "compute_j": traffic.compute_j[0],
        "period_s": traffic.period_s,
    }
    lines = [
        " ".join([name, *map(str, np.ravel(np.asarray(value)).tolist())])
        for name, value in numbers.items()
    ]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used [s]."""
    clock = ctypes.c_int()
    if ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)) != 0:
        raise SystemExit(f"no processor clock of process {pid}")
    return time.clock_gettime(clock.value)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process [bytes]."""
    statm = Path(f"/proc/{pid}/statm").read_text(encoding="ascii")
    return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Twin:
    """The program under way; `run_round` moves it on."""

    def __init__(self, program: Path, numbers: Path) -> None:
        self._process = subprocess.Popen(
            [str(program), str(numbers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def run_round(self) -> tuple[float, tuple[int, ...]]:
        """Return the wall time [s], and events, delivered bytes, clock [ns]."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(file=stdin, flush=True)
        wall_s, *counts = stdout.readline().split()
        return float(wall_s), tuple(map(int, counts))

    def close(self) -> None:
        """End the program."""
        self._process.communicate()


def compare(
    scenario: NetworkScenario, payload_bytes: int, rounds: int, program: Path, folder: Path
) -> tuple[Any, bool]:
    """Run both by turns; tell whether all rounds agree.

    Returns seconds after the first round (rounds, 4): wall of ours, of the twin, processor alike.
    """
    traffic = [make_traffic(scenario, i, payload_bytes=payload_bytes) for i in range(rounds)]
    write_numbers(scenario, traffic[0], folder / "numbers.txt")
    ours, twin = Ns3Network(scenario, folder / "ns3.log"), Twin(program, folder / "numbers.txt")
    ours.wait_ready()
    spent_s, same = [], True
    for i, each in enumerate(traffic):
        started, cpu_started = time.perf_counter(), (cpu_s(ours.pid), cpu_s(twin.pid))
        report = ours.run_round(each)
        ours_s = time.perf_counter() - started
        twin_s, theirs = twin.run_round()
        cpu_ended = (cpu_s(ours.pid), cpu_s(twin.pid))
        end_ns = round(1e9 * (report.start_s + report.duration_s))
        counts = (report.num_events, int(report.flows.delivered_bytes.sum()), end_ns)
        if counts != theirs:
            print(f"{scenario.name} round {i}: events, bytes, ns: ours {counts}, twin {theirs}")
            same = False
        spent_s.append((ours_s, twin_s, *np.subtract(cpu_ended, cpu_started)))
    ours.close()
    twin.close()
    return spent_s[1:], same


def main() -> int:
    """Compare all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    if not native_build(".so").exists():
        raise SystemExit("the native part is not compiled: python -m ns3_scenarios.precompile")
    passed = True
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        program = compile_twin(folder)
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
        for name, n, payload_bytes in CASES:
            scenario = make_mesh(n, name=name, air="stock")  # as the twin's
            runs = [
                compare(scenario, payload_bytes, options.rounds, program, folder)
                for _ in range(options.repetitions)
            ]
            same = all(agree for _, agree in runs)
            spent_s = np.concatenate([spent for spent, _ in runs])
            ours_s, twin_s, ours_cpu_s, twin_cpu_s = np.median(spent_s, axis=0)
            ratio = ours_s / twin_s
            cells = [
                *(name, str(n), str(payload_bytes // 1000)),
                *(f"{1e3 * ours_s:.0f}", f"{1e3 * twin_s:.0f}"),
                f"{ratio:.3f}, limit {RATIO_LIMIT:.2f} {_met(ratio <= RATIO_LIMIT)}",
                f"{ours_cpu_s / twin_cpu_s:.3f}",
                "yes" if same else "NO",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)
            passed &= same and ratio <= RATIO_LIMIT
    return 0 if passed else 1


def _met(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
