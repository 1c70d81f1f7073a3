"""A new run, which is what the command line does without a verb."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Sequence
from pathlib import Path

from cosim import terminal
from cosim.config.sources import load, preset_names, to_toml
from cosim.records.layout import FOR_PAPER, FOR_REPORT, NO_FIGURES


def main(arguments: Sequence[str]) -> int:
    """Read the configuration, run it, say what it came to; return the exit code."""
    options, flags = own_options().parse_known_args(arguments)
    if options.scenario:
        flags += ["--scenario", options.scenario]
    config = load(flags, options.config, options.scenario, own_options())
    if options.print_config:
        print(to_toml(config), end="")
        lost = sys.stdout.lost if isinstance(sys.stdout, terminal.Forgiving) else None
        if lost and lost.errno != errno.EPIPE:  # who closes a pipe has read enough
            raise OSError(lost.errno, lost.strerror, "the standard output")
        return 0
    # Not before the words are understood: they bring PyTorch and the figures.
    from cosim.report import presentation
    from cosim.runs.execute import begin

    done = begin(
        config,
        options.output,
        root=options.results,
        go_on=options.or_resume,
        formats=options.formats,
    )
    if done.was_finished:
        print(f"This run is finished already; delete {done.folder} to run it again.\n")
    print(presentation.closing_words(done.folder))
    return 0


def own_options() -> argparse.ArgumentParser:
    """Return the options that are not part of a run's configuration."""
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS
    )
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="read fields from a file")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder of the results, new or empty"
    )
    parser.add_argument(
        "--results", type=Path, metavar="ROOT", help="where runs without --output go"
    )
    parser.add_argument(
        "--or-resume",
        action="store_true",
        help="where the folder has this run already: go on with it if it was cut short, leave it if"
        " it is finished",
    )
    parser.add_argument(
        "--no-figures",
        dest="formats",
        action="store_const",
        const=NO_FIGURES,
        help="draw no figures; the tables have all of it",
    )
    parser.add_argument(
        "--pdf", dest="formats", action="store_const", const=FOR_PAPER, help="figures as PDF too"
    )
    parser.add_argument("--print-config", action="store_true", help="print the resolved TOML")
    parser.add_argument(
        "--scenario",
        metavar="NAME",
        help=f"one of: {', '.join(preset_names())}; or the Python file of an own scenario",
    )
    parser.set_defaults(
        formats=FOR_REPORT,
        config=None,
        output=None,
        results=None,
        or_resume=False,
        print_config=False,
        scenario=None,
    )
    return parser
