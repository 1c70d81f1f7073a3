"""What a promise of reports is: a check that yields one line per fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic

# ns-3 counts whole nanoseconds.
TOLERANCE_S = 2e-9
RELATIVE = 1e-9
# How far below 0 J a battery may be found empty: a device is not checked at every instant.
OVERDRAWN_J = 1e-3
TYPES: dict[Any, type] = {FloatArray: np.float64, IntArray: np.int64, BoolArray: np.bool_}


@dataclass(frozen=True)
class Played:
    """What was asked of a network in a round, and what it reported."""

    traffic: RoundTraffic
    report: RoundReport


RoundCheck = Callable[[NetworkScenario, RoundTraffic, RoundReport], Iterator[str]]
SeriesCheck = Callable[[NetworkScenario, list[Played]], Iterator[str]]


def each_round(check: RoundCheck) -> SeriesCheck:
    """Turn a check of one round into one of many."""

    def check_all(scenario: NetworkScenario, rounds: list[Played]) -> Iterator[str]:
        for each in rounds:
            for fault in check(scenario, each.traffic, each.report):
                yield f"round {each.traffic.round_index + 1}: {fault}"

    return check_all


def where(what: str, wrong: BoolArray, *values: Any) -> Iterator[str]:
    """Yield one line on the first offender, and how many there are."""
    if np.any(wrong):
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        got = " and ".join(f"{np.asarray(value)[first]:.12g}" for value in values)
        at = ", ".join(str(i) for i in first)
        yield f"{what}; not so at [{at}]{got and f': {got}'} ({np.count_nonzero(wrong)} in all)"
