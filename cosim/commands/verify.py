"""The command `verify DIR`: every file of a run folder against its hash."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cosim.errors import OutputError, UnderWayError
from cosim.files import one_line
from cosim.program import PROGRAM
from cosim.records import paths
from cosim.records.layout import CHECKPOINT, CONFIG, MANIFEST
from cosim.records.verify import DIFFERS, WELL, examine
from cosim.runs.rerun import in_its_arithmetic, prepare, rerun


def main(arguments: Sequence[str]) -> int:
    """Print a line a file; return 0 if all are as they were written, 1 if not."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} verify",
        description="Hold every file of a run folder, finished or not, against the SHA-256 in its"
        " manifest or checkpoint. ok: as it was written; no hash yet: a file that a run cut short"
        " was still writing, and that none goes on from; DIFFERS, MISSING, EXTRA: not as the run"
        " left it; UNKNOWN: the file with its hash is damaged; OTHER FORM: written by another"
        " version of the code, which alone can tell. Exit code 1 if any of the latter.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the run")
    parser.add_argument(
        "--rerun",
        action="store_true",
        help="then run it again, on this machine, and name the first value of each table that comes"
        " out otherwise, by column, round and device or link; takes about as long as the run took,"
        " which is said first; exit code 1 if any does",
    )
    given = parser.parse_args(arguments)
    folder = _folder(given.folder)
    if given.rerun:
        in_its_arithmetic(folder)
    findings = examine(folder)
    for finding in findings:
        print(f"{finding.state:<11} {one_line(finding.name)}")
    wrong = sum(finding.state not in WELL for finding in findings)
    print(f"{one_line(folder)}: {len(findings) - wrong} of {len(findings)} files as written")
    differing = _differing(folder) if given.rerun else 0
    return 1 if wrong or differing else 0


def _differing(folder: Path) -> int:
    """Run it again, print a line a table, and return how many differ."""
    run = prepare(folder)
    for remark in run.remarks:
        print(f"other than then: {remark}")
    print(f"runs again, some {run.took_s:.0f} s as it took", flush=True)
    found = dict(rerun(run))
    for name, text in found.items():
        print(f"{DIFFERS if text else 'same':<11} {name}{': ' + one_line(text) if text else ''}")
    differing = sum(bool(text) for text in found.values())
    print(f"{one_line(folder)}: {len(found) - differing} of {len(found)} tables come out the same")
    return differing


def _folder(given: Path) -> Path:
    """Find the run: finished, or cut short."""
    final = paths.without_partial(given)
    for folder in (final, paths.partial_of(final)):
        if (folder / MANIFEST).exists():
            if paths.is_held(folder):
                raise UnderWayError(f"verify: {paths.under_way(folder)}")
            return folder
    whole = paths.whole_path(given)
    for folder in (whole, paths.partial_of(final)):
        if any((folder / name).exists() for name in (CONFIG, CHECKPOINT)):  # it lost its manifest
            return folder
    raise OutputError(f"verify: expected the folder of a run, got none at {final}; check the path")
