"""Scenarios of the user's own: a Python file with one function, build(ns, scenario).

build makes the nodes and their Wi-Fi devices with the ns-3 Python API and returns the devices, one
a node, in the order of scenario.position_m (see examples/street.py). Transfers, probes, energy and
rounds work on what it returns.

What it may rely on: the attributes of the configured radio and transport are set as defaults
(ns-3's Config), random numbers as seeded. What it must do: place device i at scenario.position_m[i]
(from --network.placement and its kin, which also say who exchanges with whom), give each node one
Wi-Fi device with an IEEE MAC, and draw no random number but ns-3's.
"""

from __future__ import annotations

import runpy
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ns3_scenarios.build import attributes
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import ScenarioError

SUFFIX = ".py"
FARTHEST_M = 1.0
# What a file can use without more words; the rest of ns-3 by cppyy.include("ns3/...-module.h"). The
# whole Wi-Fi module would take some seconds.
HEADERS = [
    f"ns3/{name}.h"
    for name in (
        "core-module",
        "network-module",
        "mobility-module",
        "propagation-module",
        "spectrum-wifi-helper",
        "ssid",
        "wifi-net-device",
        "yans-wifi-helper",
    )
]


def is_own(name: str) -> bool:
    """Tell whether a scenario's name is the path of a file."""
    return name.endswith(SUFFIX)


def builder(name: str) -> Callable[[Any, NetworkScenario], tuple[list[Any], list[Any]]]:
    """Return a function that builds the file's scenario and checks what came of it.

    Raises ScenarioError, with the file's own line, where the file or its function fails.
    """
    path = Path(name)

    def build(ns: Any, scenario: NetworkScenario) -> tuple[list[Any], list[Any]]:
        attributes.set_defaults(ns, scenario)
        devices = _build(path, ns, scenario)
        return devices, [_radio(ns, path, i, device) for i, device in enumerate(devices)]

    return build


def _build(path: Path, ns: Any, scenario: NetworkScenario) -> list[Any]:
    """Run the file and its function; check number, nodes and places of the devices."""
    try:
        sys.path.insert(0, str(path.parent))  # what lies beside the file can be imported
        function = runpy.run_path(str(path)).get("build")
        if not callable(function):
            raise ScenarioError(f"{path}: expected a function build(ns, scenario), found none")
        built = function(ns, scenario)
    except ScenarioError:
        raise
    except (Exception, SystemExit) as error:
        raise ScenarioError(_own_line(path, error)) from error
    n = scenario.num_devices
    if not isinstance(built, list | tuple) or len(built) != n:
        got = f"{len(built)} of them" if isinstance(built, list | tuple) else type(built).__name__
        raise ScenarioError(
            f"{path}: expected build to return a list of {n} devices (--network.num_devices),"
            f" got {got}"
        )
    for i, device in enumerate(built):
        _check_place(path, ns, scenario, i, device)
    return list(built)


def _own_line(path: Path, error: BaseException) -> str:
    """Say where in the user's file something was raised, and what."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename) == path]
    line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if own else None
    words = " ".join(str(error).split())
    quoted = f" ({own[-1].line})" if own else ""
    return f"{path}, line {line}{quoted}: {type(error).__name__}: {words}"


def _check_place(path: Path, ns: Any, scenario: NetworkScenario, i: int, device: Any) -> None:
    try:
        model = device.GetNode().GetObject[ns.MobilityModel]()
        place_m = model.GetPosition()
        got_m = np.array([place_m.x, place_m.y, place_m.z])
    except (AttributeError, TypeError, ReferenceError):
        raise ScenarioError(
            f"{path}: expected device {i} to be a net device on a node with a MobilityModel;"
            " install one with ns.MobilityHelper"
        ) from None
    if np.linalg.norm(got_m - scenario.position_m[i]) > FARTHEST_M:
        raise ScenarioError(
            f"{path}: expected device {i} at {_place(scenario.position_m[i])},"
            f" got {_place(got_m)}; place devices by scenario.position_m, which"
            " --network.placement file reads from a CSV file"
        )


def _place(position_m: Any) -> str:
    return "(" + ", ".join(f"{value:g}" for value in position_m) + ") m"


def _radio(ns: Any, path: Path, i: int, device: Any) -> Any:
    """Return the Wi-Fi device below a device: itself, or the interface of a mesh point."""
    below = ns.cosim_native.RadioBelow(device)
    if not below:
        raise ScenarioError(
            f"{path}: expected device {i} to be a Wi-Fi device, or a mesh point with one interface,"
            f" got {device.GetInstanceTypeId().GetName()}"
        )
    return below
