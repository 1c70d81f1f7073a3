"""The command `check FILE.py`: an own scenario or policy against what it has to promise."""

from __future__ import annotations

import argparse
import ast
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path

from cosim.config import to_scenario
from cosim.config.sources import load
from cosim.program import PROGRAM
from cosim.runs.policy_check import check_policy
from ns3_scenarios.conformance import Finding, check_network
from ns3_scenarios.installation import check_installation
from ns3_scenarios.worker import Ns3Network


def main(arguments: Sequence[str]) -> int:
    """Check a file; return 0 if it keeps every promise, 1 if it breaks one.

    Flags behind the file are those of a run (--network.num_devices and so on). Raises ScenarioError
    where the file cannot be built at all.
    """
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} check",
        description="Run an own scenario for some short rounds and check all that a network"
        " promises: bytes, times, energy, deaths, the same again with the same seed. Or ask"
        " a policy of one's own again, where there is nothing but its file and what it is shown.",
        epilog="Flags of a run, such as --network.num_devices 5, can follow.",
    )
    parser.add_argument("file", help="Python file with a function build(ns, scenario), or a POLICY")
    known, flags = parser.parse_known_args(arguments)
    findings = (
        _of_policy(known.file, flags) if _is_policy(known.file) else _of_scenario(known.file, flags)
    )
    for finding in findings:
        print(f"{'ok' if finding.ok else 'FAULT':<6} {finding.name}")
        if not finding.ok:
            print(textwrap.indent(textwrap.fill(finding.text, 92), "       "))
    faults = sum(not finding.ok for finding in findings)
    print(f"{known.file}: {len(findings) - faults} of {len(findings)} promises kept")
    return 1 if faults else 0


def _is_policy(file: str) -> bool:
    """Tell whether a file defines a POLICY; whatever else is wrong with it, its reader says."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    names = (name for node in tree.body if isinstance(node, ast.Assign) for name in node.targets)
    return any(isinstance(name, ast.Name) and name.id == "POLICY" for name in names)


def _of_policy(file: str, flags: list[str]) -> list[Finding]:
    quick = ["--network.kind=analytic", "--learning.dataset=made", "--learning.rounds=4"]
    few = ["--network.num_devices=6", "--iteration.max_iterations=3"]
    return check_policy(load([*quick, *few, *flags, f"--policy={file}"], None, None))


def _of_scenario(file: str, flags: list[str]) -> list[Finding]:
    config = load([*flags, "--scenario", file], None, file)
    scenario = to_scenario.make_scenario(config)
    check_installation()
    with tempfile.TemporaryDirectory() as folder:
        return check_network(
            lambda made: Ns3Network(made, Path(folder) / "ns3.log", config.network.wall_limit_s),
            scenario,
        )
