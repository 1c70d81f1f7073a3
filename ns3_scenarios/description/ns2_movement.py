"""Reads movement traces of ns-2, as BonnMotion, SUMO and ns-2's own setdest write them.

A line holds one of these; # begins a comment, blanks and a ; at the end are free:

    $node_(I) set X_ V                        where node I starts; Y_ likewise, Z_ if not 0
    $ns_ at T "$node_(I) setdest X Y SPEED"   from T on straight to (X, Y); at speed 0 it stands
    $ns_ at T "$node_(I) set X_ V"            at T it is put there, and stands
    set NAME VALUE, $god_ WORDS               of no meaning here

The simulator and the array of nodes may have other names; {} may stand for quotes. Commands of one
time are carried out in the order of the file; one that comes while a node is under way begins where
the node is. Every other line is refused with its number. T counts from the start of the first
round, and Z_ is the ground on which a device stands.
Source: the ns-2 manual, chapter "Mobile Networking in ns", and ns-3's Ns2MobilityHelper.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ns3_scenarios.description.movement import Movement
from ns3_scenarios.errors import ScenarioError

FIELD = "network.mobility_trace"
AXES = ("X_", "Y_", "Z_")
# Farther than any place on earth from another: rather a broken number than a place.
FARTHEST_M = 1e7
LIGHT_M_PER_S = 299_792_458.0
SHOWN = 60

WORD = re.compile(r'\s*(?:"([^"]*)"|\{([^{}]*)\}|([^\s"{}#;]+))')
REST = re.compile(r"[\s;]*(?:#.*)?$", re.DOTALL)
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
NODE = re.compile(r"\$(\w+)\((\d{1,9})\)", re.ASCII)
SIMULATOR = re.compile(r"\$\w+", re.ASCII)
UNDERSTOOD = "$node_(I) set X_ V or $ns_ at T with setdest or set of a node"


@dataclass(frozen=True)
class _Command:
    """What one line tells a node: values of setdest (x, y, speed), or of an axis (value)."""

    line: int
    node: int
    time_s: float | None
    what: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class _Leg:
    time_s: float
    place_m: tuple[float, float, float]
    velocity_mps: tuple[float, float] = (0.0, 0.0)

    def at(self, time_s: float) -> tuple[float, float, float]:
        """Where a node of this leg is."""
        since_s = time_s - self.time_s
        (x, y, z), (vx, vy) = self.place_m, self.velocity_mps
        return x + vx * since_s, y + vy * since_s, z


@dataclass
class _Remarks:
    """What a line was that is passed over or unusual: said once, with the number of others."""

    path: Path
    seen: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def add(self, kind: str, line: int, text: str) -> None:
        self.seen.setdefault(kind, []).append((line, text))

    def lines(self) -> tuple[str, ...]:
        said = []
        for lines in self.seen.values():
            first, text = lines[0]
            more = f", and {len(lines) - 1} more such" if len(lines) > 1 else ""
            said.append(f"{FIELD} line {first}: {text}{more} in {self.path}")
        return tuple(said)


def read_ns2_movement(path: Path, num_devices: int, height_m: float, until_s: float) -> Movement:
    """Read the movements of devices 0 to num_devices - 1 until the end of the run.

    height_m: of the antennas above the trace's ground. Raises ScenarioError, with the number of the
    line, where something is not understood or has no sense.
    """
    remarks = _Remarks(path)
    of_node: dict[int, list[_Command]] = {}
    array = None
    for number, text in enumerate(_text(path).split("\n"), start=1):
        found = _parse(path, number, text)
        if found is None:
            continue
        name, command = found
        if array not in (None, name):
            raise _refusal(path, number, f"nodes of one array, ${array}", text)
        array = name
        if command.node >= num_devices:
            beyond = f"$node_({command.node}) is none of the {num_devices} devices: passed over"
            remarks.add("beyond", number, beyond)
            continue
        of_node.setdefault(command.node, []).append(command)
    legs = []
    for device in range(num_devices):
        commands = of_node.get(device, [])
        start_m = _start_m(path, device, commands)
        legs += [(device, leg) for leg in _legs(start_m, commands, until_s, remarks)]
    _remark_on_times(of_node, until_s, remarks)
    _remark_on_heights(of_node, height_m, remarks)
    place_m = np.array([leg.place_m for _, leg in legs], dtype=np.float64)
    return Movement(
        device=np.array([device for device, _ in legs], dtype=np.int64),
        time_s=np.array([leg.time_s for _, leg in legs], dtype=np.float64),
        position_m=place_m + np.array([0.0, 0.0, height_m]),
        velocity_mps=np.array([(*leg.velocity_mps, 0.0) for _, leg in legs], dtype=np.float64),
        until_s=until_s,
        remarks=remarks.lines(),
    )


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ScenarioError(
            f"{FIELD}: expected a readable ns-2 file, got {path} ({reason}); give its path"
        ) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise _refusal(path, number, "UTF-8 text", str(data[error.start : error.end])) from None


def _parse(path: Path, number: int, text: str) -> tuple[str, _Command] | None:
    """Return the name of the array of nodes and what its node is told; None for no movement."""
    words = _words(text)
    if words is None:
        raise _refusal(path, number, "quotes and braces in pairs, one command a line", text)
    if not words or words[0].startswith("$god") or (words[0] == "set" and len(words) == 3):
        return None
    time_s = None
    if len(words) == 4 and words[1] == "at" and SIMULATOR.fullmatch(words[0]):
        time_s = _number(path, number, "a time", words[2], 0.0, math.inf)
        words = _words(words[3]) or []
        if words and words[0].startswith("$god"):
            return None
    node = NODE.fullmatch(words[0]) if words else None
    if node is None:
        raise _refusal(path, number, UNDERSTOOD, text)
    name, device = node[1], int(node[2])
    if len(words) == 4 and words[1] == "set" and words[2] in AXES:
        value_m = _number(path, number, words[2], words[3], -FARTHEST_M, FARTHEST_M)
        return name, _Command(number, device, time_s, words[2], (value_m,))
    if len(words) == 5 and words[1] == "setdest" and time_s is not None:
        x_m, y_m = (
            _number(path, number, "a place", w, -FARTHEST_M, FARTHEST_M) for w in words[2:4]
        )
        speed_mps = _number(path, number, "a speed", words[4], 0.0, LIGHT_M_PER_S)
        return name, _Command(number, device, time_s, "setdest", (x_m, y_m, speed_mps))
    raise _refusal(path, number, UNDERSTOOD, text)


def _words(text: str) -> list[str] | None:
    """Split a command as Tcl does, as far as traces need it; None where it cannot be split."""
    words, at = [], 0
    while match := WORD.match(text, at):
        words.append(next(group for group in match.groups() if group is not None))
        at = match.end()
    return words if REST.match(text, at) else None


def _number(path: Path, line: int, what: str, word: str, low: float, high: float) -> float:
    value = float(word) if NUMBER.fullmatch(word) else math.nan
    if not (low <= value <= high and math.isfinite(value)):
        limits = f"of at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
        raise _refusal(path, line, f"{what} as a number {limits}", word)
    return value + 0.0


def _start_m(path: Path, device: int, commands: list[_Command]) -> tuple[float, float, float]:
    """Where a device starts: what is set without a time, or else at time 0."""
    start: dict[str, _Command] = {}
    for command in commands:
        if command.time_s is None:
            if command.what in start:
                expected = f"{command.what} of $node_({device}) once (it is set in line"
                expected += f" {start[command.what].line})"
                raise _refusal(path, command.line, expected, f"{command.values[0]:g}")
            start[command.what] = command
    for command in commands:
        if command.time_s == 0 and command.what in AXES:
            start.setdefault(command.what, command)
    missing = [axis for axis in AXES[:2] if axis not in start]
    if missing:
        where = f" line {commands[0].line}" if commands else ""
        raise ScenarioError(
            f"{FIELD}{where}: expected where $node_({device}) starts, got no"
            f" {' and no '.join(missing)} of it in {path}; add $node_({device}) set"
            f" {missing[0]} V"
        )
    x_m, y_m, z_m = (start[axis].values[0] if axis in start else 0.0 for axis in AXES)
    return x_m, y_m, z_m


def _legs(
    start_m: tuple[float, float, float],
    commands: list[_Command],
    until_s: float,
    remarks: _Remarks,
) -> Iterable[_Leg]:
    """Turn what a node is told into its legs, up to the end of the run."""
    legs = [_Leg(0.0, start_m)]
    for time_s, command in _timed(commands):
        while legs[-1].time_s > time_s:
            legs.pop()  # the arrival of what is interrupted
        here_m = legs[-1].at(time_s)
        if command.what in AXES:
            axis = AXES.index(command.what)
            put_m = (*here_m[:axis], command.values[0], *here_m[axis + 1 :])
            legs.append(_Leg(time_s, (put_m[0], put_m[1], put_m[2])))
            continue
        x_m, y_m, speed_mps = command.values
        way_m = math.hypot(x_m - here_m[0], y_m - here_m[1])
        if speed_mps == 0:
            said = f"$node_({command.node}) is sent off at speed 0: it stands"
            remarks.add("speed 0", command.line, said)
        if speed_mps == 0 or way_m == 0:
            legs.append(_Leg(time_s, here_m))
            continue
        velocity_mps = (
            (x_m - here_m[0]) / way_m * speed_mps,
            (y_m - here_m[1]) / way_m * speed_mps,
        )
        legs.append(_Leg(time_s, here_m, velocity_mps))
        legs.append(_Leg(time_s + way_m / speed_mps, (x_m, y_m, here_m[2])))
    return [legs[0], *(leg for leg in legs[1:] if leg.time_s < until_s)]


def _timed(commands: Iterable[_Command]) -> Iterator[tuple[float, _Command]]:
    """Yield commands with a time, by time and then in the order of the file."""
    timed = [(command.time_s, command) for command in commands if command.time_s is not None]
    yield from sorted(timed, key=lambda pair: pair[0])


def _remark_on_times(of_node: dict[int, list[_Command]], until_s: float, remarks: _Remarks) -> None:
    timed = sorted(
        (time_s, command.line) for own in of_node.values() for time_s, command in _timed(own)
    )
    if timed and timed[0][0] >= until_s:
        first_s, line = timed[0]
        said = f"the first movement begins at {first_s:g} s, after the run ({until_s:g} s)"
        remarks.add("late", line, f"{said}: all devices stand still")


def _remark_on_heights(
    of_node: dict[int, list[_Command]], height_m: float, remarks: _Remarks
) -> None:
    for own in of_node.values():
        for command in own:
            if command.what == "Z_" and command.values[0] != 0:
                z_m = command.values[0]
                said = f"Z_ {z_m:g} is ground: $node_({command.node}) has its antenna at"
                said += f" {z_m + height_m:g} m (network.device_height_m {height_m:g} above it)"
                remarks.add("height", command.line, said)


def _refusal(path: Path, line: int, expected: str, got: str) -> ScenarioError:
    shown = got.strip()
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "..."
    return ScenarioError(f"{FIELD} line {line}: expected {expected}, got {shown!r} in {path}")
