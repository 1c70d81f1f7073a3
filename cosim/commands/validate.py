"""The command `validate`: the network against theory, as a table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cosim.config import to_scenario
from cosim.config.sources import load
from cosim.failures import INTERRUPTED
from cosim.program import PROGRAM
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.installation import check_installation
from ns3_scenarios.validation import CHECKS, child
from ns3_scenarios.validation.check import Check, Row

LINE = "{:<53} {:>20} {:>20} {:>10} {:>9}  {}"


def main(arguments: Sequence[str]) -> int:
    """Run every check; return 0 if all pass, 1 if one does not."""
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} validate", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cases, below a minute")
    quick = parser.parse_args(arguments).quick
    check_installation()
    started = time.perf_counter()
    rows = []
    pool = ThreadPoolExecutor(len(CHECKS))  # its threads wait for their child processes
    try:
        found = pool.map(lambda check: check.rows(make_scenario, quick), CHECKS)
        for check, its_rows in zip(CHECKS, found, strict=True):
            _print(check, its_rows)
            rows += its_rows
    except KeyboardInterrupt:
        child.stop()
        print("interrupted", file=sys.stderr)
        os._exit(INTERRUPTED)  # no thread is waited for
    finally:
        pool.shutdown(cancel_futures=True)
    missed = sum(not row.passed for row in rows)
    seconds = time.perf_counter() - started
    print(f"{len(rows) - missed} of {len(rows)} within their limits, {seconds:.0f} s")
    return 1 if missed else 0


def make_scenario(scenario: str, **network: Any) -> NetworkScenario:
    """Return the program's default scenario of a name, but for these fields of the network."""
    return to_scenario.make_scenario(load(flags(network), None, scenario))


def flags(network: dict[str, Any]) -> list[str]:
    """Write fields of the network as flags of the command line."""
    return [
        word
        for name, value in network.items()
        for word in (
            f"--network.{name}",
            json.dumps(value) if isinstance(value, dict) else str(value),
        )
    ]


def _print(check: Check, rows: list[Row]) -> None:
    """Print one check's settings and its rows."""
    print(f"{check.title}\n  {' '.join(flags(check.settings))}\n  {check.otherwise}")
    print(LINE.format("check", "expected", "measured", "error", "limit", "verdict"))
    for row in rows:
        verdict = "ok" if row.passed else "MISS"
        error, limit = f"{row.error:.2g}", f"{row.limit:g}"
        print(LINE.format(row.name, row.expected, row.measured, error, limit, verdict))
    print(flush=True)
