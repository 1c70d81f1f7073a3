"""The command `resume DIR`: go on with a run that was cut short."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cosim.program import PROGRAM
from cosim.records import paths
from cosim.records.layout import FOR_PAPER, FOR_REPORT
from cosim.records.manifest import is_complete
from cosim.report import presentation
from cosim.runs.execute import resume


def main(arguments: Sequence[str]) -> int:
    """Go on with a run; one that is finished only says what it came to. Return the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} resume",
        description="Go on with a run that failed, was interrupted or killed, from its last"
        " finished round. A fresh ns-3 first repeats the finished rounds, for about the seconds"
        " that are said then, and they must come out as recorded; the tables end up as if nothing"
        " had happened.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the run")
    parser.add_argument(
        "--pdf",
        dest="formats",
        action="store_const",
        const=FOR_PAPER,
        default=FOR_REPORT,
        help="figures as PDF too, also of a finished run",
    )
    given = parser.parse_args(arguments)
    final = paths.without_partial(given.folder)
    was_finished = is_complete(final) or is_complete(paths.partial_of(final))
    words = presentation.closing_words(resume(given.folder, given.formats))
    print(f"This run is finished.\n\n{words}" if was_finished else words)
    return 0
