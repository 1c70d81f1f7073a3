"""The command `collect STUDY`: tables, figures and page of a study, finished or not."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cosim.failures import FINISHED
from cosim.program import PROGRAM
from cosim.records.layout import FOR_PAPER, FOR_REPORT
from cosim.studies.collect import collect, export_matlab
from cosim.studies.folder import STUDY, StudyFolder
from cosim.studies.study import read_study


def main(arguments: Sequence[str]) -> int:
    """Collect the runs of a study's folder; return the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} collect",
        description="Write runs.csv and runs.parquet (one row a run), cells.csv (means over seeds"
        " with their intervals), differences.csv (paired by seed), figures and report.html of a"
        " study, finished or not.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the study")
    parser.add_argument("--mixed-code", action="store_true", help="runs of several code versions")
    parser.add_argument("--matlab", action="store_true", help="write runs.mat too")
    parser.add_argument(
        "--pdf",
        dest="formats",
        action="store_const",
        const=FOR_PAPER,
        default=FOR_REPORT,
        help="figures as PDF too, for a paper",
    )
    given = parser.parse_args(arguments)
    folder = StudyFolder(given.folder.resolve())
    folder.expected()
    study = read_study(folder.root / STUDY, bool(folder.origin()["quick"]))
    table = collect(folder, study, given.mixed_code, given.formats)
    if given.matlab:
        export_matlab(table, given.folder / "runs.mat")
    counts = table["state"].value_counts()
    print(", ".join(f"{count} {state}" for state, count in counts.items()))
    for name, state, why in table[["case", "state", "why"]].itertuples(index=False):
        if state != "done":
            print(f"{state:<10} {name}{': ' + why if why else ''}")
    print(f"Report     {given.folder / 'report.html'}")
    return FINISHED
