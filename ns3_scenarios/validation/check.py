"""What a check is, and the rows of its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ns3_scenarios.description.scenario import NetworkScenario

# Of rows whose error is in standard errors of what was drawn.
LIMIT_STANDARD_ERRORS = 4.0

# make(name, **fields): the program's default scenario of that name, but for these network fields.
Make = Callable[..., NetworkScenario]


@dataclass(frozen=True)
class Row:
    """One quantity: what theory expects, what was measured, and by how much the two differ."""

    name: str
    expected: str
    measured: str
    error: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the error is within its limit; one that is no number is not."""
        return bool(self.error <= self.limit)


@dataclass(frozen=True)
class Check:
    """One theme: its theory, the settings that differ from the defaults, and how it is measured."""

    title: str
    settings: dict[str, Any]
    otherwise: str
    rows: Callable[[Make, bool], list[Row]]


def relative(name: str, expected: float, measured: float, unit: str, limit: float) -> Row:
    """Return a row whose error is |measured / expected - 1|."""
    error = abs(measured / expected - 1.0)
    return Row(name, f"{expected:.7g} {unit}", f"{measured:.7g} {unit}", error, limit)


def absolute(name: str, expected: float, measured: float, unit: str, limit: float) -> Row:
    """Return a row whose error is |measured - expected|, in the unit."""
    error = abs(measured - expected)
    return Row(name, f"{expected:.7g} {unit}", f"{measured:.7g} {unit}", error, limit)


def on_line(scenario: NetworkScenario, x_m: Any, z_m: Any = 1.5) -> NetworkScenario:
    """Put the devices on the x axis, at the heights z."""
    n = len(x_m)
    position_m = np.column_stack([x_m, np.zeros(n), np.broadcast_to(z_m, n)])
    return replace(scenario, position_m=position_m)
