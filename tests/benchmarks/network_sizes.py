"""What a round costs by size of the network and of its messages, and what settings for speed do.

python tests/benchmarks/network_sizes.py [--quick | --large] [--rounds 3] [--limit-s 120]

Grids of 9 to 100 devices, 30 m apart, shadowing of 4 dB; one message per ordered pair of grid
neighbours; a round ends when every message is settled. Each case runs in a child process of its
own for limit_s at most (with fewer rounds, if not all fit); one with no second round by then is
told as such, and larger messages are left out. Of all rounds after the first (which has the first
calls from Python to C++): mean wall seconds, events, simulated seconds, share of delivered bytes,
mean delay of whole messages, and the child's peak of resident memory, with that before the first
round in parentheses. start: wall seconds until the network has booted. peers: 802.11s peers of a
device, mean and most. --quick: the small half; --large: ad hoc networks of 100 to 400 devices
alone. Seconds are this machine's: take the ratios.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "support"))

from mesh import change, make_mesh, make_traffic

from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import NetworkFailedError
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.worker import Ns3Network

NETWORKS = ("mesh80211", "adhoc80211")
SIZES = (9, 25, 49, 100)
PAYLOADS_BYTES = (10_000, 100_000, 1_000_000)
LARGE, LARGE_PAYLOADS_BYTES = (100, 200, 400), (10_000, 50_000)
PERIOD_S = 600.0  # simulated; a round ends before, when all is settled
PEER_LIMIT = "dot11s::PeerManagementProtocol::MaxNumberOfPeerLinks"
# Settings for speed, each with what it changes.
DEFAULT: tuple[str, dict[str, Any]] = ("default", {})
SENDING = [
    DEFAULT,
    ("datagrams of 700 instead of 1400 bytes", {"segment_bytes": 700}),
    ("no A-MPDU", {"max_ampdu_bytes": 0}),
]
# Of use where many devices are out of range of each other.
HEARING = [DEFAULT, ("receive sensitivity -85 instead of -101 dBm", {"rx_sensitivity_dbm": -85.0})]
# ns-3's own limit of peers is 32; the scenario raises it to the number of devices.
DENSE = [
    ("mesh80211", 25, DEFAULT),
    ("mesh80211", 36, DEFAULT),
    ("mesh80211", 36, ("at most 32 peers", {"ns3_defaults": {PEER_LIMIT: "32"}})),
    ("adhoc80211", 36, DEFAULT),
]
COLUMNS = ("start s", "wall s", "events", "simulated s", "delivered", "delay s", "peak MB", "peers")


def peak_memory_bytes(pid: int) -> int:
    """Return the largest resident memory of a process since `forget_peak` [bytes]."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def forget_peak(pid: int) -> None:
    """Let Linux count the peak of a process's memory anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def measure(
    scenario: NetworkScenario,
    payload_bytes: int,
    rounds: int,
    limit_s: float,
    period_s: float | None = None,
) -> tuple[dict[str, str], bool]:
    """Run one case; return its columns, and whether it took no longer than the limit.

    period_s: simulated length of a round; by default it ends when all is settled.
    """
    with tempfile.TemporaryDirectory() as name:
        network = Ns3Network(scenario, Path(name) / "ns3.log")
        deadline = time.monotonic() + limit_s
        watchdog = threading.Timer(limit_s, os.kill, (network.pid, signal.SIGKILL))
        watchdog.start()
        reports: list[RoundReport] = []
        wall_s: list[float] = []
        try:
            network.wait_ready()
            idle_bytes = network.memory_bytes()
            for i in range(1 + rounds):
                if i == 1:
                    forget_peak(network.pid)
                elif i > 1 and time.monotonic() + 1.2 * wall_s[-1] > deadline:
                    break
                traffic = make_traffic(
                    scenario,
                    i,
                    payload_bytes=payload_bytes,
                    period_s=period_s or PERIOD_S,
                    oracle=period_s is None,
                )
                started = time.perf_counter()
                reports.append(network.run_round(traffic))
                wall_s.append(time.perf_counter() - started)
            peak_bytes = peak_memory_bytes(network.pid)
        except NetworkFailedError:
            if time.monotonic() < deadline:
                raise
            booted = f"{network.start_s:.1f}" if network.start_s else f"> {limit_s:.0f}"
            return {"start s": booted, "wall s": f"> {limit_s:.0f} s"}, False
        finally:
            watchdog.cancel()
            network.close()
    memory_bytes = (peak_bytes, idle_bytes)
    return columns(network.start_s, wall_s[1:], reports[1:], memory_bytes), True


def columns(
    start_s: float,
    wall_s: list[float],
    reports: list[RoundReport],
    memory_bytes: tuple[int, int],
) -> dict[str, str]:
    """Put the measured rounds into words."""
    flows = [report.flows for report in reports]
    offered = sum(int((flow.handed_bytes + flow.unsent_bytes).sum()) for flow in flows)
    delivered = sum(int(flow.delivered_bytes.sum()) for flow in flows)
    whole = [flow.outcome == OUTCOMES.index("delivered") for flow in flows]
    delay_s = np.concatenate([f.delay_s[w] for f, w in zip(flows, whole, strict=True)])
    peers = reports[-1].links.is_peer.sum(axis=1)
    values = (
        f"{start_s:.1f}",
        f"{np.mean(wall_s):.2f}",
        f"{np.mean([report.num_events for report in reports]):,.0f}",
        f"{np.mean([report.duration_s for report in reports]):.2f}",
        f"{100 * delivered / offered:.1f} %",
        f"{delay_s.mean():.2f}" if delay_s.size else "-",
        f"{memory_bytes[0] / 1e6:.0f} ({memory_bytes[1] / 1e6:.0f})",
        f"{peers.mean():.0f}, {peers.max()}" if peers.any() else "-",
    )
    return dict(zip(COLUMNS, values, strict=True))


def row(head: list[str], found: dict[str, str]) -> None:
    """Print one row of a table."""
    print(f"| {' | '.join(head + [found.get(name, '-') for name in COLUMNS])} |", flush=True)


def header(head: list[str]) -> None:
    """Print the head of a table."""
    print(f"\n| {' | '.join([*head, *COLUMNS])} |\n|{'---|' * (len(head) + len(COLUMNS))}")


def compare_sizes(names: Any, sizes: Any, payloads: Any, rounds: int, limit_s: float) -> None:
    """Print the table of sizes."""
    header(["network", "devices", "kB a message"])
    for name in names:
        for n in sizes:
            scenario = make_mesh(n, name=name)
            for payload_bytes in payloads:
                found, in_time = measure(scenario, payload_bytes, rounds, limit_s)
                row([name, str(n), str(payload_bytes // 1000)], found)
                if not in_time:
                    break


def compare_settings(
    n: int, payload_bytes: int, settings: Any, rounds: int, limit_s: float
) -> None:
    """Print the table of some settings for speed, on one case."""
    print(f"\n{n} devices, {payload_bytes // 1000} kB a message:")
    header(["network", "setting"])
    for name in NETWORKS:
        for setting, changes in settings:
            scenario = make_mesh(n, name=name, **changes)
            row([name, setting], measure(scenario, payload_bytes, rounds, limit_s)[0])


def compare_dense(rounds: int, limit_s: float) -> None:
    """Print what a mesh does where nearly all devices hear each other: 10 m apart, rounds of 1 s.

    The same pairs exchange 10 kB each.
    """
    print("\n10 m instead of 30 m apart, 10 kB a message, rounds of 1 s simulated:")
    header(["network", "devices", "setting"])
    for name, n, (setting, changes) in DENSE:
        grid = make_mesh(n, name=name)
        scenario = change(grid, position_m=grid.position_m * [1 / 3, 1 / 3, 1.0], **changes)
        found, _ = measure(scenario, 10_000, rounds, limit_s, period_s=1.0)
        row([name, str(n), setting], found)


def main() -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    half = parser.add_mutually_exclusive_group()
    half.add_argument("--quick", action="store_true")
    half.add_argument("--large", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit-s", type=float, default=120.0)
    options = parser.parse_args()
    small = 2 if options.quick else 4
    limits = (options.rounds, options.limit_s)
    if options.large:
        compare_sizes(NETWORKS[1:], LARGE, LARGE_PAYLOADS_BYTES, *limits)
        return 0
    compare_sizes(NETWORKS, SIZES[:small], PAYLOADS_BYTES[:small], *limits)
    compare_settings(9 if options.quick else 25, 100_000, SENDING, *limits)
    compare_settings(25 if options.quick else 100, 10_000, HEARING, *limits)
    if not options.quick:
        compare_dense(*limits)
    return 0


if __name__ == "__main__":
    sys.exit(main())
