"""Imports go one way: down through the rooms of a package, and never in a circle."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from learning.topology import TOPOLOGIES
from ns3_scenarios.catalogue import SCENARIOS
from ns3_scenarios.description.network_kind import NETWORK_KINDS
from ns3_scenarios.description.transport import TRANSPORTS

ROOT = Path(__file__).resolve().parents[2]
# Rooms and modules from the top down; a line imports from itself and from the lines below.
LAYERS = {
    "cosim": [
        {"run", "__main__", "examples"},
        {"cli"},
        {"commands", "library", "env"},
        {"studies"},
        {"runs"},
        {"report"},
        {"records"},
        {"loop"},
        {"plan_round", "ask_policy"},
        {"bridge", "feedback"},
        {"config"},
        {"planning", "policies", "failures"},
        {"arithmetic", "files", "own_object", "terminal"},
        {"cores", "errors", "program", "seeds"},
    ],
    "learning": [
        {"examples"},
        {"learner", "no_learning"},
        {"side"},
        {"settings"},
        {"methods"},
        {"topology"},
        {"training", "exchange", "parts", "device"},
        {"method"},
        {"model"},
        {"data"},
        {"messages", "names", "own_file", "star"},
        {"errors", "root"},
    ],
    "ns3_scenarios": [
        {"validation"},
        {"worker"},
        {"session", "precompile"},
        {"readings"},
        {"catalogue"},
        {"d2d"},
        {"adhoc80211", "infrastructure", "mesh80211", "own_scenario"},
        {"scenario_kind"},
        {"surrogate"},
        {"examples", "build", "analytic", "trace", "ideal", "replay", "conformance"},
        {"airtime"},
        {"batteries", "causes", "contract", "energy_promises", "segments"},
        {"promise"},
        {"network"},
        {"reports", "traffic"},
        {"description"},
        {"installation"},
        {"allocator", "arrays", "errors", "wire"},
    ],
}


def modules(package: str) -> dict[str, Path]:
    """Modules by dotted name; a package's own name stands for its __init__."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Modules of ours that a file imports when it runs, also within functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else node.module for name in names]
        else:
            continue
        yield from (name for name in names if name in known and known[name] != path)


@pytest.mark.parametrize("package", ["cosim", "learning", "ns3_scenarios"])
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    known = modules(package)
    graph = {name: set(imported(path, known)) - {package} for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", LAYERS)
def test_no_import_climbs(package: str) -> None:
    known, layers = modules(package), LAYERS[package]
    rank = {room: i for i, rooms in enumerate(layers) for room in rooms}
    rooms = {name: name.split(".")[1] for name in known if "." in name}
    assert set(rooms.values()) == rank.keys(), "a room that LAYERS does not know, or the other way"
    climbs = [
        f"{name} -> {other}"
        for name, path in known.items()
        for other in imported(path, known)
        if name in rooms and other in rooms and rank[rooms[name]] > rank[rooms[other]]
    ]
    assert climbs == []


def test_no_file_compares_the_name_of_what_can_be_asked_for_its_abilities() -> None:
    names = {*SCENARIOS, *TOPOLOGIES, *NETWORK_KINDS, *TRANSPORTS}
    names -= {"none", "trace"}  # a trace is a path loss, too
    compared = [
        f"{path.relative_to(ROOT)}:{node.lineno} {each.value}"
        for package in LAYERS
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare | ast.MatchValue)
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and each.value in names
    ]
    assert compared == []


def test_files_fit_a_sitting_and_functions_a_screen() -> None:
    long = []
    for package in LAYERS:
        for path in (ROOT / package).rglob("*.py"):
            text, where = path.read_text(encoding="utf-8"), path.relative_to(ROOT)
            long += [str(where)] if len(text.splitlines()) > 350 else []
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef):
                    lines = (node.end_lineno or node.lineno) - node.lineno + 1
                    long += [f"{where}, {node.name}"] if lines > 60 else []
    assert long == []
