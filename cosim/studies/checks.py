"""What a study file cannot mean: refused in one line, before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim.config.sources import did_you_mean, dotted_fields
from cosim.errors import ConfigError
from cosim.studies.columns import NUMBERS, OF_LEARNING
from learning.methods.names import NO_LEARNING

if TYPE_CHECKING:
    from cosim.studies.study import Comparison, Study, Values

# The field whose values are the names of arms.
ARM = "arm"


def check(study: Study, combinations: Iterable[Values], path: Path, is_quick: bool = False) -> None:
    """Raise ConfigError; combinations: of the swept fields."""
    known = [*dotted_fields(), *([ARM] if study.arms else [])]
    settings = [table for each in study.set for table in (each.when, each.fields)]
    everywhere = (
        *(study.fixed, study.grid, study.zip, *study.case, *study.exclude),
        *(study.seeds.fields, *settings),
    )
    for name in (name for table in everywhere for name in table):
        if name not in known:
            hint = did_you_mean(name, known) or "; see --help for the known ones"
            raise ConfigError(f"{path}: unknown field {name}{hint}")
        if name == "seed":
            raise ConfigError(f"{path}: seed: expected in [seeds], got it among the fields")
    for name, values in (*study.grid.items(), *study.zip.items(), *study.seeds.fields.items()):
        if not values:
            raise ConfigError(f"{path}: {name}: expected at least one value, got an empty list")
    lengths = {name: len(values) for name, values in study.zip.items()}
    if len(set(lengths.values())) > 1:
        got = ", ".join(f"{name} with {length}" for name, length in lengths.items())
        raise ConfigError(f"{path}: [zip]: expected lists of one length, got {got}")
    for twice in study.grid.keys() & study.zip.keys():
        raise ConfigError(f"{path}: {twice}: expected in one of [grid] and [zip], got it in both")
    _check_once(study, path)
    _check_seeds(study, path)
    runs = list(combinations)
    _check_settings(study, runs, path, is_quick)
    _check_shown(study, runs, path, is_quick)


def _check_seeds(study: Study, path: Path) -> None:
    """Refuse seeds that would share a value: their runs are no independent repetitions."""
    needed = len(study.seeds.all)
    for name, values in study.seeds.fields.items():
        if len(values) < needed:
            raise ConfigError(
                f"{path}: [seeds] {name}: expected a value for each of {needed} seeds, got"
                f" {len(values)}"
            )


def _check_settings(study: Study, combinations: list[Values], path: Path, is_quick: bool) -> None:
    """Refuse what goes with seeds or arms where it is swept too, or goes with none."""
    for where, table in (
        ("[seeds]", study.seeds.fields),
        *(("[[set]]", s.fields) for s in study.set),
    ):
        for name in table:
            if name in study.swept or (where == "[[set]]" and name in study.seeds.fields):
                raise ConfigError(f"{path}: {name}: expected once, got it in {where} and elsewhere")
    for number, setting in enumerate(study.set, 1):
        if not setting.fields:
            raise ConfigError(f"{path}: [[set]] number {number}: expected fields, got none")
        runs = (
            study.fixed | values | study.seeds.fields_of(seed)
            for values in combinations
            for seed in study.seeds.all
        )
        if not is_quick and not any(setting.fields_for(run) for run in runs):
            raise ConfigError(
                f"{path}: [[set]] number {number}: expected `when` to agree with some run, got"
                f" {setting.when}, which none has"
            )


def _check_shown(study: Study, combinations: list[Values], path: Path, is_quick: bool) -> None:
    """Refuse figures and comparisons of what there will not be."""
    for column in study.columns:
        if column not in NUMBERS:
            hint = did_you_mean(column, list(NUMBERS))
            raise ConfigError(f"{path}: y: expected a column of runs.csv, got {column}{hint}")
    _refuse_of_learning(study, combinations, path)
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
        _check_against(study, study.compare, combinations, path, is_quick)


def _refuse_of_learning(study: Study, combinations: list[Values], path: Path) -> None:
    """Refuse figures and comparisons of accuracy where no run learns."""
    methods = []
    for values in combinations:
        run = study.fixed | values
        for setting in study.set:
            run = run | setting.fields_for(run)
        methods.append(run.get("learning.method"))
    lacking = [column for column in study.columns if column in OF_LEARNING]
    if lacking and set(methods) == {NO_LEARNING}:
        raise ConfigError(
            f"{path}: y: expected columns that runs with learning.method {NO_LEARNING} have, got"
            f' {lacking[0]}; name others in [figure] and [compare], as y = ["delivered_share",'
            ' "delay_median_s", "energy_j"]'
        )


def _check_against(
    study: Study, compare: Comparison, combinations: list[Values], path: Path, is_quick: bool
) -> None:
    """Refuse what nothing is held against; of pairs, a quick study may have but some."""
    field = compare.field
    there = {as_text(values[field]) for values in combinations if field in values}
    against = compare.against
    pairs = pairs_of(against, there)
    named = [against] if pairs is None else [*pairs, *pairs.values()]
    missing = [value for value in named if as_text(value) not in there]
    some_will_do = is_quick and pairs is not None
    for unknown in [] if some_will_do else missing:
        values = ", ".join(sorted(there))
        raise ConfigError(
            f"{path}: compare.against: expected a value of {field} ({values}), got {unknown}"
        )
    for value, other in (pairs or {}).items():
        if as_text(value) == as_text(other):
            raise ConfigError(
                f"{path}: compare.against: expected another value for {value}, got itself"
            )
    if not named:
        raise ConfigError(f"{path}: compare.against: expected pairs of values, got an empty table")
    arms = Counter(
        tuple(as_text(values.get(name)) for name in (field, *study.beside(field)))
        for values in combinations
    )
    arm, count = arms.most_common(1)[0]
    if count > 1:  # they would be averaged as if they were one
        raise ConfigError(
            f"{path}: compare.field: expected one combination of the fields that go with {field}"
            f" for each of its values, got {count} for {arm[0]}; vary it in [grid], and leave out"
            " by [[exclude]]"
        )


def pairs_of(against: Any, there: Collection[str]) -> dict[Any, Any] | None:
    """Return what is held against what, none for one value; there: those of the field, as text.

    A table may be a value of the field itself.
    """
    return against if isinstance(against, dict) and as_text(against) not in there else None


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
