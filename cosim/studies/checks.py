"""What a study file cannot mean: refused in one line, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim.config.sources import did_you_mean, dotted_fields
from cosim.errors import ConfigError
from cosim.studies.columns import NUMBERS

if TYPE_CHECKING:
    from cosim.studies.study import Comparison, Study, Values


def check(study: Study, combinations: Iterable[Values], path: Path) -> None:
    """Raise ConfigError; combinations: of the swept fields."""
    known = list(dotted_fields())
    everywhere = (study.fixed, study.grid, study.zip, *study.case, *study.exclude)
    for name in (name for table in everywhere for name in table):
        if name not in known:
            hint = did_you_mean(name, known) or "; see --help for the known ones"
            raise ConfigError(f"{path}: unknown field {name}{hint}")
        if name == "seed":
            raise ConfigError(f"{path}: seed: expected in [seeds], got it among the fields")
    for name, values in (*study.grid.items(), *study.zip.items()):
        if not values:
            raise ConfigError(f"{path}: {name}: expected at least one value, got an empty list")
    lengths = {name: len(values) for name, values in study.zip.items()}
    if len(set(lengths.values())) > 1:
        got = ", ".join(f"{name} with {length}" for name, length in lengths.items())
        raise ConfigError(f"{path}: [zip]: expected lists of one length, got {got}")
    for twice in study.grid.keys() & study.zip.keys():
        raise ConfigError(f"{path}: {twice}: expected in one of [grid] and [zip], got it in both")
    _check_once(study, path)
    _check_shown(study, list(combinations), path)


def _check_shown(study: Study, combinations: list[Values], path: Path) -> None:
    """Refuse figures and comparisons of what there will not be."""
    for column in study.columns:
        if column not in NUMBERS:
            hint = did_you_mean(column, list(NUMBERS))
            raise ConfigError(f"{path}: y: expected a column of runs.csv, got {column}{hint}")
    named: dict[str, str | None] = {
        "figure.x": study.figure.x,
        "figure.lines": study.figure.lines,
    }
    named |= {"compare.field": study.compare.field} if study.compare else {}
    for what, given in named.items():
        if given is not None and given not in study.swept:
            swept = ", ".join(study.swept) or "none is swept"
            raise ConfigError(f"{path}: {what}: expected a swept field ({swept}), got {given}")
    if study.compare:
        _check_against(study.compare, combinations, path)


def _check_against(compare: Comparison, combinations: list[Values], path: Path) -> None:
    field = compare.field
    there = {as_text(values[field]) for values in combinations if field in values}
    if as_text(compare.against) not in there:
        values = ", ".join(sorted(there))
        raise ConfigError(
            f"{path}: compare.against: expected a value of {field} ({values}), got"
            f" {compare.against}"
        )


def _check_once(study: Study, path: Path) -> None:
    """Refuse what would count the same run as several."""
    lists = {"seeds": list(study.seeds.all), **study.grid}
    for name, values in lists.items():
        texts = [as_text(value) for value in values]
        if len(set(texts)) < len(texts):
            twice = next(text for text in texts if texts.count(text) > 1)
            raise ConfigError(f"{path}: {name}: expected each value once, got {twice} twice")
    for name in {name for case in study.case for name in case} & {*study.grid, *study.zip}:
        raise ConfigError(
            f"{path}: {name}: expected in one of [[case]] and [grid] or [zip], got it in both"
        )


def as_text(value: Any) -> str:
    """Return a value as it is compared: 8 and 8.0 are one."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.12g}" if is_number else str(value)
