"""The conformance check of networks: a few short rounds, and what their reports promise.

make(scenario) --> rounds full, empty, to the oracle's end, cut short --> all of `contract`
make(scenario) --> the first of them once more                       --> the same report?
make(scenario with one battery next to empty) --> a death and after  --> all of `contract`
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ns3_scenarios import contract
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.network import Network
from ns3_scenarios.promise import Played, SeriesCheck, each_round
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic

PERIOD_S = 2.0
CUT_SHORT_S = 0.5
COMPUTE_S = 0.2
COMPUTE_J = 0.02
MESSAGE_BYTES = 20_000
# More than an 80 MHz radio carries in a round that is cut short.
LONG_MESSAGE_BYTES = 200_000_000
SMALL_BATTERY_J = 0.05


@dataclass(frozen=True)
class Finding:
    """One promise of the contract: its name, whether it holds, and its first faults."""

    name: str
    ok: bool
    text: str


def check_network(
    make: Callable[[NetworkScenario], Network], scenario: NetworkScenario
) -> list[Finding]:
    """Run short rounds on networks of a scenario; return one finding per promise.

    make starts a fresh network, three times; each is closed. Batteries must last for some
    seconds. Where a shape is wrong, that is the only finding. Leaves out whether delays, rates
    and joules are right, which only another model can tell. Raises what the network raises.
    """
    poor = _with_small_battery(scenario)
    ample_rounds = _run(make(scenario), _ample_plan(scenario))
    first_again = _run(make(scenario), _ample_plan(scenario)[:1])
    poor_rounds = _run(make(poor), [_traffic(poor, i, **_overdraw(poor)) for i in range(3)])

    def find(name: str, check: SeriesCheck) -> Finding:
        faults = [
            *(f"ample batteries, {fault}" for fault in check(scenario, ample_rounds)),
            *(f"small battery, {fault}" for fault in check(poor, poor_rounds)),
        ]
        return _finding(name, faults)

    shapes = find("shapes", each_round(contract.shapes))
    if not shapes.ok:
        return [shapes]
    return [
        shapes,
        *(find(name, check) for name, check in contract.CHECKS.items()),
        _finding("something arrives", _arrivals(ample_rounds)),
        _finding("a small battery runs empty", _survivals(poor, poor_rounds)),
        _finding("same again", _differences(ample_rounds[0].report, first_again[0].report)),
    ]


def _ample_plan(scenario: NetworkScenario) -> list[RoundTraffic]:
    nothing = np.zeros(0, dtype=np.int64)
    empty = dict.fromkeys(("src", "dst", "part", "payload_bytes"), nothing)
    full = _traffic(scenario, 0)
    long = np.full_like(full.payload_bytes, LONG_MESSAGE_BYTES)
    return [
        full,
        _traffic(scenario, 1, **empty),
        _traffic(scenario, 2, stop_when_settled=True),
        _traffic(scenario, 3, stop_when_settled=True, **empty),
        _traffic(scenario, 4, payload_bytes=long, period_s=CUT_SHORT_S),
        _traffic(scenario, 5, payload_bytes=long, period_s=CUT_SHORT_S, stop_when_settled=True),
    ]


def _traffic(scenario: NetworkScenario, round_index: int, **changes: Any) -> RoundTraffic:
    """Two messages from each device to each planned neighbour; everybody computes."""
    n = scenario.num_devices
    src, dst = np.nonzero(scenario.neighbours)
    usual: dict[str, Any] = {
        "round_index": round_index,
        "src": np.tile(src, 2),
        "dst": np.tile(dst, 2),
        "part": np.repeat([0, 1], len(src)),
        "payload_bytes": np.repeat([MESSAGE_BYTES // 10, MESSAGE_BYTES], len(src)),
        "compute_s": np.full(n, COMPUTE_S),
        "compute_j": np.full(n, COMPUTE_J),
        "period_s": PERIOD_S,
        "stop_when_settled": False,
    }
    return RoundTraffic(**(usual | changes))


def _poor_device(scenario: NetworkScenario) -> int:
    """Return the device with the most planned neighbours."""
    return int(scenario.neighbours.sum(axis=1).argmax())


def _with_small_battery(scenario: NetworkScenario) -> NetworkScenario:
    initial_j = scenario.initial_energy_j.copy()
    device = _poor_device(scenario)
    initial_j[device] = min(initial_j[device], SMALL_BATTERY_J)
    return replace(scenario, initial_energy_j=initial_j)


def _overdraw(scenario: NetworkScenario) -> dict[str, Any]:
    """Plan computing that the small battery cannot pay for, whatever is harvested."""
    compute_j = np.full(scenario.num_devices, COMPUTE_J)
    device = _poor_device(scenario)
    compute_j[device] = 2 * SMALL_BATTERY_J + scenario.harvest.most_w[device] * COMPUTE_S
    return {"compute_j": compute_j}


def _run(network: Network, plan: Sequence[RoundTraffic]) -> list[Played]:
    try:
        network.wait_ready()
        return [Played(traffic, network.run_round(traffic)) for traffic in plan]
    finally:
        network.close()


def _arrivals(rounds: Sequence[Played]) -> list[str]:
    """Check that the first round brings bytes to somebody."""
    if rounds[0].report.flows.delivered_bytes.any():
        return []
    return ["expected bytes from some planned neighbour in the first round, got none"]


def _survivals(scenario: NetworkScenario, rounds: Sequence[Played]) -> list[str]:
    """Check that the device with the small battery dies in the middle of its computing."""
    device, report = _poor_device(scenario), rounds[0].report
    lived_s = float(report.energy.died_at_s[device] - report.start_s)
    if lived_s < COMPUTE_S:
        return []
    return [f"expected device {device} to die before {COMPUTE_S:g} s, got {lived_s:g} s"]


def _differences(one: RoundReport, other: RoundReport) -> list[str]:
    """Check that networks of one scenario report equal rounds alike, bit by bit."""
    return [
        f"{part}.{name} differs between two runs of the same round"
        for part in ("flows", "links", "energy")
        for name, value, again in _paired(getattr(one, part), getattr(other, part))
        if not np.array_equal(value, again, equal_nan=value.dtype.kind == "f")
    ]


def _paired(one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    for field in fields(one):
        yield field.name, getattr(one, field.name), getattr(other, field.name)


def _finding(name: str, faults: Sequence[str]) -> Finding:
    more = [f"and {len(faults) - 3} more"] if len(faults) > 3 else []
    return Finding(name, not faults, "; ".join([*faults[:3], *more]) or "holds")
