"""The command `check FILE.py`: an own scenario against what a network promises."""

from __future__ import annotations

import argparse
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path

from cosim.config import to_scenario
from cosim.config.sources import load
from cosim.program import PROGRAM
from ns3_scenarios.conformance import check_network
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
        " promises: bytes, times, energy, deaths, the same again with the same seed.",
        epilog="Flags of a run, such as --network.num_devices 5, can follow.",
    )
    parser.add_argument("file", help="Python file with a function build(ns, scenario)")
    known, flags = parser.parse_known_args(arguments)
    config = load([*flags, "--scenario", known.file], None, known.file)
    scenario = to_scenario.make_scenario(config)
    check_installation()
    with tempfile.TemporaryDirectory() as folder:
        findings = check_network(
            lambda made: Ns3Network(made, Path(folder) / "ns3.log", config.network.wall_limit_s),
            scenario,
        )
    for finding in findings:
        print(f"{'ok' if finding.ok else 'FAULT':<6} {finding.name}")
        if not finding.ok:
            print(textwrap.indent(textwrap.fill(finding.text, 92), "       "))
    faults = sum(not finding.ok for finding in findings)
    print(f"{known.file}: {len(findings) - faults} of {len(findings)} promises kept")
    return 1 if faults else 0
