"""Runs of a study that must come out equal, since they differ in fields without effect."""

from __future__ import annotations

from collections import defaultdict

from cosim.config.inert import without_effect
from cosim.config.sources import to_toml
from cosim.studies.study import Case


def equal_cases(cases: list[Case]) -> list[list[str]]:
    """Return the groups of runs that differ only in fields without effect."""
    groups: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        if case.config is not None:
            groups[to_toml(without_effect(case.config))].append(case.name)
    return [group for group in groups.values() if len(group) > 1]
