"""A study file: which fields are varied together, and the runs that this makes.

    question = "..."        one sentence, for the page
    [fixed]                 fields of all runs
    [grid]                  field -> values: every combination
    [zip]                   field -> values: the first of each, the second of each, ...
    [[case]]                fields of one more combination, for each of those above
    [arms]                  name -> fields: alternatives by name, a value each of the field "arm"
    [[exclude]]             combinations that agree with all of these are left out
    [[set]]                 when: fields and values; fields: what runs that agree with it have too
    [seeds]                 count (from first, by default 1), or list; fields: what goes with them,
                            a value a seed, as a fold
    [figure]                x and lines: swept fields; y: columns of the table of runs
    [compare]               field, against: whose other values are held against this one, by seed;
                            or a table, value -> the one that it is held against, as its control
    [quick]                 fixed, grid, zip, seeds in place of those above, for `--quick`
    [slurm]                 options of sbatch as they stand, and at_once, pack

Fields are named as in a configuration, network.tx_power_dbm, quoted or not; paths count from the
folder of the study's file.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cosim.config.model import RunConfig
from cosim.config.sources import (
    configure,
    dotted_fields,
    explain,
    read_toml,
    to_toml,
)
from cosim.errors import ConfigError
from cosim.failures import ONE_LINE, said
from cosim.files import content_hash, known_hash
from cosim.records.user_files import given_files
from cosim.studies.checks import ARM, check

READY = Path(__file__).with_name("ready")
LONGEST_LABEL = 80
Values = dict[str, Any]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Seeds(_Table):
    """Seeds of the repetitions, by which runs are paired."""

    count: int = Field(1, ge=1, le=10_000)
    first: int = Field(1, ge=0)
    list: tuple[int, ...] | None = Field(None, min_length=1)
    fields: dict[str, tuple[Any, ...]] = {}

    @property
    def all(self) -> tuple[int, ...]:
        """Every seed."""
        return self.list or tuple(range(self.first, self.first + self.count))

    def fields_of(self, seed: int) -> Values:
        """Return the fields that go with a seed."""
        place = self.all.index(seed) if self.fields else 0
        return {name: values[place] for name, values in self.fields.items()}


class Setting(_Table):
    """Fields of the runs that agree with `when`: they go with an arm, and are not swept."""

    when: Values
    fields: Values

    def fields_for(self, run: Values) -> Values:
        """Return its fields, none for a run that does not agree."""
        agrees = all(run.get(name) == value for name, value in self.when.items())
        return self.fields if agrees else {}


class FigureChoice(_Table):
    """What the figures show: a swept field along x, another as lines, columns as y."""

    x: str | None = None
    lines: str | None = None
    y: tuple[str, ...] = ("accuracy_last5", "energy_j")


class Comparison(_Table):
    """A swept field, one of whose values the others are held against, paired by seed.

    against: that value, or value -> what it is held against; one that is no key there is not held.
    """

    field: str
    against: Any
    y: tuple[str, ...] = ("accuracy_last5", "energy_j")


class _Varied(_Table):
    fixed: Values = {}
    grid: dict[str, list[Any]] = {}
    zip: dict[str, list[Any]] = {}
    seeds: Seeds = Seeds()


class _Quick(_Table):
    fixed: Values = {}
    grid: dict[str, list[Any]] | None = None
    zip: dict[str, list[Any]] | None = None
    seeds: Seeds | None = None


class Slurm(BaseModel):
    """at_once: tasks that run together; pack: runs a task; whatever else is passed to sbatch."""

    model_config = ConfigDict(extra="allow", frozen=True)

    at_once: int | None = Field(None, ge=1)
    pack: int = Field(1, ge=1)

    @property
    def options(self) -> Values:
        """Options of sbatch by their long names; one that is false is not to be given."""
        return {name.replace("_", "-"): value for name, value in (self.model_extra or {}).items()}

    @model_validator(mode="after")
    def _are_long_names(self) -> Slurm:
        for name in self.model_extra or {}:
            if not re.fullmatch(r"[A-Za-z][\w-]+", name):
                raise ValueError(f"[slurm]: expected options of sbatch by long names, got {name!r}")
        return self


class Study(_Varied):
    """What a study file says."""

    question: str = ""
    target_accuracy: float | None = Field(None, gt=0.0, lt=1.0)
    case: list[Values] = []
    arms: dict[str, Values] = {}
    exclude: list[Values] = []
    set: list[Setting] = []
    figure: FigureChoice = FigureChoice()
    compare: Comparison | None = None
    quick: _Quick = _Quick()
    slurm: Slurm = Slurm()

    @property
    def swept(self) -> tuple[str, ...]:
        """Fields that differ between runs, in the order of the file; the seed is not among them."""
        names = (*self.grid, *self.zip, *(name for case in self.case for name in case))
        return tuple(dict.fromkeys(names))

    def beside(self, field: str) -> tuple[str, ...]:
        """Return the swept fields that vary freely beside one: none of those that go with it."""
        of_cases = {name for case in self.case for name in case}
        tied = next((set(group) for group in (self.zip, of_cases) if field in group), {field})
        return tuple(name for name in self.swept if name not in tied)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table of runs that figures or comparisons show."""
        compared = self.compare.y if self.compare else ()
        return tuple(dict.fromkeys((*self.figure.y, *compared)))


@dataclass(frozen=True)
class Case:
    """One run of a study: its name in the folder, what is swept or goes with it, its seed.

    config: none where it is refused, with the reason.
    """

    name: str
    values: Values
    seed: int
    config: RunConfig | None
    refused: str = ""


def ready_names() -> list[str]:
    """Return the studies that can be run by name."""
    return sorted(path.stem for path in READY.glob("*.toml"))


def find_study(name: str) -> Path:
    """Return the file of a study, which may be given by the name of a ready one."""
    if name in ready_names():
        return READY / f"{name}.toml"
    if Path(name).suffix != ".toml":
        known = ", ".join(ready_names())
        raise ConfigError(f"study: expected a TOML file or one of {known}, got {name}")
    return Path(name)


def read_study(path: Path, quick: bool = False) -> Study:
    """Read and check a study file; raise ConfigError for whatever cannot be meant."""
    table = read_toml(path)
    _name_fields(table)
    _name_fields(table.get("quick", {}))
    try:
        study = Study.model_validate(table)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error.errors(), str(path))}") from None
    whole = _with_arms(study)
    check(whole, combinations(whole), path)
    if quick:
        whole = _with_arms(_quick(study))
        check(whole, combinations(whole), path, quick)
    return whole


def cases_of(study: Study, folder: Path = Path()) -> list[Case]:
    """Make every run of a study: validated, those refused with the reason.

    folder: that of the study's file, from which paths of own files count.
    """
    with _working_in(folder):
        found = [_case(study, v, seed) for v in combinations(study) for seed in study.seeds.all]
    if not found:
        raise ConfigError("study: expected at least one run, got none; look at [[exclude]]")
    name, count = Counter(case.name for case in found).most_common(1)[0]
    if count > 1:
        raise ConfigError(f"study: expected every run once, got {name} twice; look at [[case]]")
    return found


def num_cases(study: Study) -> int:
    """Count the runs of a study, without what is excluded being left out."""
    count = len(study.case or [{}]) * len(study.seeds.all)
    for values in study.grid.values():
        count *= len(values)
    return count * len(next(iter(study.zip.values()), [None]))


def _quick(study: Study) -> Study:
    """Put the quick size in place of the full one."""
    changes: dict[str, Any] = {"fixed": study.fixed | study.quick.fixed}
    for name in ("grid", "zip", "seeds"):
        if getattr(study.quick, name) is not None:
            changes[name] = getattr(study.quick, name)
    return study.model_copy(update=changes)


def _with_arms(study: Study) -> Study:
    """Sweep the names of arms, and let the fields of each go with its name."""
    if not study.arms:
        return study
    settings = [Setting(when={ARM: name}, fields=of) for name, of in study.arms.items() if of]
    grid = {ARM: list(study.arms), **study.grid}
    return study.model_copy(update={"grid": grid, "set": [*study.set, *settings]})


def _name_fields(table: dict[str, Any]) -> None:
    """Let [fixed] and the like name fields by dots, whichever way TOML nested them."""
    for name in ("fixed", "grid", "zip"):
        if isinstance(table.get(name), dict):
            table[name] = _flat(table[name])
    for name in ("case", "exclude"):
        if isinstance(table.get(name), list):
            table[name] = [_flat(each) if isinstance(each, dict) else each for each in table[name]]
    if isinstance(table.get("arms"), dict):
        arms = table["arms"].items()
        table["arms"] = {name: _flat(of) if isinstance(of, dict) else of for name, of in arms}
    settings = table.get("set")
    for each in (table.get("seeds"), *(settings if isinstance(settings, list) else ())):
        for name in ("when", "fields"):
            if isinstance(each, dict) and isinstance(each.get(name), dict):
                each[name] = _flat(each[name])


def _flat(table: Mapping[str, Any], prefix: str = "") -> Values:
    known, flat = set(dotted_fields()), dict[str, Any]()
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name not in known:
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value
    return flat


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def combinations(study: Study) -> Iterator[Values]:
    """Yield the swept fields of each combination."""
    rows = [dict(zip(study.zip, row, strict=True)) for row in zip(*study.zip.values(), strict=True)]
    for choice in product(*study.grid.values()):
        grid = dict(zip(study.grid, choice, strict=True))
        for row, case in product(rows or [{}], study.case or [{}]):
            values = {name: (grid | row | case).get(name) for name in study.swept}
            values = {name: value for name, value in values.items() if value is not None}
            every = study.fixed | values
            if not any(all(every.get(n) == v for n, v in out.items()) for out in study.exclude):
                yield values


def _case(study: Study, values: Values, seed: int) -> Case:
    words = (f"{name.rpartition('.')[2]}={_short(value)}" for name, value in values.items())
    label = re.sub(r"[^\w.=+,-]", "_", ",".join([*words, f"seed={seed}"]))[:LONGEST_LABEL]
    from cosim.config.to_scenario import make_scenario

    along = study.seeds.fields_of(seed)
    run = study.fixed | values | along
    for setting in study.set:
        along |= setting.fields_for(run)
    fields = run | along
    try:
        base = fields.pop("scenario", "mesh80211")
        fields.pop(ARM, None)
        config = configure(base, fields | {"seed": seed})
        make_scenario(config)
    except ONE_LINE as error:
        name = f"{label}-{content_hash(f'{fields} {seed}'.encode())[:8]}"
        return Case(name, values | along, seed, None, said(error))
    whole = to_toml(config) + "".join(known_hash(each) for each in given_files(config))
    name = f"{label}-{content_hash(whole.encode())[:8]}"
    return Case(name, values | along, seed, config)


def _short(value: Any) -> str:
    return Path(value).stem if isinstance(value, str) else str(value)
