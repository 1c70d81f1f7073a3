"""Odd values and odd combinations of values for the configuration (make soak)."""

from __future__ import annotations

import contextlib
import io
import math
import signal
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from cosim import cli, failures
from cosim.config import remarks, to_scenario
from cosim.config.assemble import make_learner
from cosim.config.model import RunConfig
from cosim.config.sources import dotted_fields, load
from cosim.loop import run_rounds
from cosim.records.tables import to_tables
from ns3_scenarios.analytic import AnalyticNetwork
from ns3_scenarios.ideal import IdealNetwork

TEXTS = (
    *("", " ", "-", "--", "null", "None", "true", "0x10", "1e999", "-1e999", "nan", "inf", "-inf"),
    *(
        "1_000",
        "1,5",
        "٣",
        "½",
        "ü" * 50,
        "\u202e\u0000",
        "a\nb\nc",
        "\x1b[31m",
        "\udcff",
        "'\"`$(",
    ),
    *(
        "{",
        "[",
        "[1, 2",
        '{"a": 1}',
        "[[[[]]]]",
        "a=b",
        "=",
        "%s{}",
        "x" * 20_000,
        "9" * 400,
        "-0.0",
    ),
    *("../..", "/", "/dev/null", "~", "a.py", "b.npz", "dmml_kd ", "DMML_KD", "mesh80221"),
)
NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2**31, 2**63, -(2**63), 2**64, 10**300, 0.0, -0.0, 1e-320, 5e-324, 1e308, 1.5),
    *(math.nan, math.inf, -math.inf, True, False, 0.1 + 0.2, 1e22, -1e-9),
)
TABLES: tuple[Any, ...] = ([], [1], ["a"], {}, {"a": 1}, {"a": {"b": []}}, [[1], [2]])
LIMIT_S = 60
# What would make a try long without being another kind of try, and what is not a value.
SMALL = {"num_devices": 9, "rounds": 2, "max_iterations": 2, "batch_size": 16, "interferers": 3}
SMALL |= {"feature_dim": 16, "generator_samples": 16, "segment_bytes": 2000, "seed": 100}
SKIPPED = ("_file", "_path", "_trace", "ns3_defaults", "method_options", "model", "dataset")


class TooLongError(Exception):
    """A try did not end."""


class _Printed(list[str]):
    """Faults that are shown as they come."""

    def append(self, fault: str) -> None:
        print(f"  {fault}", flush=True)
        super().append(fault)


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """End a try that hangs."""

    def stop(*_: object) -> None:
        raise TooLongError(f"longer than {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def odd_values(folder: Path, count: int, rng: np.random.Generator) -> tuple[int, list[str]]:
    """Put nonsense into fields, by flag or file: it is taken, or refused in one line."""
    names, faults = [*dotted_fields(), "network", "energy.nothing", "sed"], _Printed()
    for _ in range(count):
        words, tables = ["--print-config"], dict[str, Any]()
        for name in rng.choice(names, int(rng.integers(1, 4)), replace=False):
            value = _odd(rng)
            if rng.random() < 0.5:
                words.append(f"--{name}={value}".replace("\x00", ""))  # which no argument can hold
            else:
                section, _, field = name.rpartition(".")
                inner = tables.setdefault(section, {}) if section else tables
                if isinstance(inner, dict):
                    inner[field] = value
        if tables:
            text = tomli_w.dumps(tables).encode(errors="surrogateescape")
            (folder / "odd.toml").write_bytes(text)
            words += ["--config", str(folder / "odd.toml")]
        fault = _one_line_or_none(words)
        if fault:
            faults.append(f"{fault}: {words!r:.300} {tables!r:.300}")
    return count, faults


def _odd(rng: np.random.Generator) -> Any:
    pool = (TEXTS, NUMBERS, TABLES)[int(rng.choice(3, p=(0.5, 0.4, 0.1)))]
    return pool[int(rng.integers(len(pool)))]


def _one_line_or_none(words: list[str]) -> str:
    out, err = io.StringIO(), io.StringIO()
    try:
        with limited(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(words)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    lines = err.getvalue().split("\n")[:-1]
    if code == 0 and not lines:
        return ""
    well = code == 2 and len(lines) == 1 and lines[0].startswith("error: ") and not out.getvalue()
    return "" if well else f"exit code {code} and {len(lines)} lines"


def combinations(count: int, rng: np.random.Generator) -> tuple[int, list[str]]:
    """Combine valid values: a scenario and a learner come of them, or one line says why not."""
    torch.set_num_threads(1)
    faults = _Printed()
    tried = refused = run = 0
    while tried < count:
        words = _valid(rng)
        try:
            with limited():
                config = load(words, None, None)
                tried += 1
                run += _try(config)
        except failures.ONE_LINE as error:
            refused += 1
            if isinstance(error, OSError | UnicodeError | MemoryError | RecursionError):
                faults.append(f"{type(error).__name__}: {error}: {words}")
            elif "\n" in str(error):
                faults.append(f"several lines: {words}")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            faults.append(f"{type(error).__name__}: {error}: {words}")
    print(f"  of {tried + refused} combinations {refused} were refused, {run} ran", flush=True)
    return tried, faults


def _try(config: RunConfig) -> int:
    """Make what a run is made of; run it where that is cheap."""
    scenario = to_scenario.make_scenario(config)
    remarks.warnings(config, scenario)
    _, learner = make_learner(config)
    if config.network.kind == "ns3":
        return 0
    network = {"ideal": IdealNetwork, "analytic": AnalyticNetwork}[config.network.kind](scenario)
    for each in run_rounds(config, scenario, learner, network):
        to_tables(each, scenario, learner)
    return 1


def _valid(rng: np.random.Generator) -> list[str]:
    """Change some fields of the default to values that their own limits allow."""
    words = ["--learning.dataset=made", "--learning.rounds=2", "--iteration.max_iterations=2"]
    words += ["--learning.batch_size=8", "--learning.feature_dim=8", "--network.num_devices=4"]
    words.append(f"--network.kind={rng.choice(['ideal', 'ideal', 'analytic', 'ns3'])}")
    fields = [each for each in _fields() if not each[0].endswith(SKIPPED)]
    for i in rng.choice(len(fields), int(rng.integers(1, 9)), replace=False):
        name, field = fields[i]
        value = _value(name.rpartition(".")[2], field, rng)
        if value is not None:
            words.append(f"--{name}={value}")
    scenario = str(rng.choice(["mesh80211", "adhoc80211", "d2d", "infrastructure"]))
    return [*words, f"--scenario={scenario}"]


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    for section, field in RunConfig.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        if inner:
            yield from ((f"{section}.{name}", each) for name, each in inner.items())
        elif section != "scenario":
            yield section, field


def _value(name: str, field: FieldInfo, rng: np.random.Generator) -> Any:
    kind = field.annotation
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(each for each in typing.get_args(kind) if each is not type(None))
    if typing.get_origin(kind) is typing.Literal:
        return rng.choice([str(each) for each in typing.get_args(kind)])
    if kind is bool:
        return rng.choice(["true", "false"])
    if kind not in (int, float):
        return None
    low = next((each.ge for each in field.metadata if isinstance(each, Ge)), None)
    high = next((each.le for each in field.metadata if isinstance(each, Le)), None)
    if low is None or high is None:
        return None
    high = min(high, SMALL.get(name, high))
    between = low + (high - low) * rng.random()
    if low >= 0 and high > 0:
        least = max(low, 1e-6 * high)
        between = math.exp(rng.uniform(math.log(least), math.log(high)))
    value = (low, high, between, between)[int(rng.integers(4))]
    return round(value) if kind is int else float(value)
