"""The command `sweep STUDY`: all runs of a study, or those that are missing."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

import pandas as pd

from cosim.cores import cores, share
from cosim.errors import ConfigError
from cosim.failures import FAILED, FINISHED
from cosim.program import PROGRAM
from cosim.records import paths
from cosim.records.layout import REPORT
from cosim.studies import engine, estimate, slurm
from cosim.studies.equal import equal_cases
from cosim.studies.folder import STATES, Status, StudyFolder
from cosim.studies.study import Case, cases_of, find_study, num_cases, read_study, ready_names
from cosim.studies.warned import warned

MANY, MOST_NAMED = 1000, 10


def main(arguments: Sequence[str]) -> int:
    """Carry out a study, or say how it stands; return the exit code."""
    given = _parser().parse_args(arguments)
    if given.task is not None:
        return slurm.run_task(Path(given.study), given.task, given.pack, given.flags.split())
    path = find_study(given.study)
    study = read_study(path, given.quick)
    root = (given.results or paths.results().with_name("studies")) / (
        path.stem + ("-quick" if given.quick else "")
    )
    folder = StudyFolder(root)
    if given.status:
        return _status(folder)
    make = _checked(given, num_cases(study), path)
    cases = cases_of(study, path.resolve().parent)
    tell = partial(print, file=sys.stderr) if given.export else print  # a script alone goes out
    _announce(cases, study.question, tell)
    if given.dry_run:
        for case in cases:
            print(f"{'refused' if case.refused else 'planned':<8} {case.name}")
        good = [case for case in cases if not case.refused]
        if given.trial and good:
            print(f"{len(good)} runs{_takes(good, None, given)}")
        return FINISHED
    for run in folder.write(path, given.quick, cases)[:MOST_NAMED]:
        tell(f"stale: {run} is not in the study any more; nothing is deleted")
    names = engine.left_to_do(folder, given.retry_failed, given.mixed_code)
    wanted = set(names)
    takes = _takes([case for case in cases if case.name in wanted], folder, given)
    tell(f"{len(names)} of {len(cases)} runs to do in {root}{takes}")
    flags = [] if given.figures else ["--no-figures"]
    if given.export:
        if names:  # an array of no task is none
            print(slurm.script(folder, names, study.slurm, flags), end="")
        return FINISHED
    if given.on == "slurm":
        return slurm.submit(folder, names, study.slurm, flags)
    share(given.jobs)
    engine.carry_out(folder, names, make, flags)
    if names or not (root / REPORT).exists():
        from cosim.studies.collect import collect

        collect(folder, study, given.mixed_code)
    for count, text in warned(folder, [case.name for case in cases])[:MOST_NAMED]:
        print(f"warned of by {count} of {len(cases)} runs: {text}")
    print(f"Report     {root / REPORT}")
    return _status(folder)


def _checked(given: argparse.Namespace, count: int, path: Path) -> Callable[[], Executor]:
    """Refuse what cannot work before anything is written; return what makes the executor."""
    if count > MANY and not given.yes:
        raise ConfigError(
            f"{path}: expected at most {MANY} runs, got {count}; give --yes if you mean them"
        )
    if given.jobs < 1:
        raise ConfigError(f"--jobs: expected 1 or more, got {given.jobs}")
    if given.on == "slurm":
        slurm.check_installed()
    return engine.find_executor(given.executor, given.jobs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} sweep",
        description="Run a study: every combination of its fields, each with every seed, in"
        " processes of their own. The same command again does only what is missing or was cut"
        f" short. Ready studies: {', '.join(ready_names())}. What a study file says is told in"
        " docs/batch.md.",
    )
    parser.add_argument("study", metavar="STUDY", help="a TOML file, or the name of a ready study")
    parser.add_argument("--quick", action="store_true", help="the small size that the study names")
    parser.add_argument("--results", type=Path, metavar="ROOT", help="where its folder goes")
    parser.add_argument(
        "--jobs", type=int, default=cores(), help="runs at once (default: cores allowed)"
    )
    parser.add_argument("--on", choices=("here", "slurm"), default="here", help="where it runs")
    parser.add_argument(
        "--executor",
        metavar="MODULE:FACTORY",
        help="any executor of concurrent.futures, as of Dask, Parsl or mpi4py",
    )
    parser.add_argument("--retry-failed", action="store_true", help="also those that failed")
    parser.add_argument("--figures", action="store_true", help="draw the figures of every run")
    parser.add_argument("--mixed-code", action="store_true", help="runs of several code versions")
    parser.add_argument("--yes", action="store_true", help=f"more than {MANY} runs are meant")
    parser.add_argument("--dry-run", action="store_true", help="say what would run")
    parser.add_argument(
        "--trial", action="store_true", help="run some rounds first, to say how long all takes"
    )
    parser.add_argument("--status", action="store_true", help="say how the study stands")
    parser.add_argument(
        "--export", choices=("sbatch",), help="print a script to read, change and submit"
    )
    parser.add_argument("--task", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--pack", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--flags", default="", help=argparse.SUPPRESS)
    return parser


def _announce(cases: list[Case], question: str, tell: Callable[[str], None]) -> None:
    """Say what is about to run: the question, numbers, what is refused, what is equal."""
    refused = [case for case in cases if case.refused]
    if question:
        tell(question)
    tell(f"{len(cases)} runs, {len(refused)} of them refused")
    for case in refused[:MOST_NAMED]:
        tell(f"refused: {case.name}: {case.refused}")
    for group in equal_cases(cases)[:MOST_NAMED]:
        tell(f"equal: {', '.join(group)} differ in fields without effect; each is run")


def _takes(cases: list[Case], folder: StudyFolder | None, given: argparse.Namespace) -> str:
    """Say how long these runs take, where that can be known; folder: of runs finished before."""
    if not cases:
        return ""
    all_s, how = estimate.by_finished(folder, len(cases)) if folder else None, ""
    if all_s is None and given.trial:
        all_s, how = estimate.by_trial(cases), ", by a trial"
    if all_s is None:
        return ""
    return f", some {all_s / given.jobs / 60:.1f} min at {all_s / len(cases):.0f} s each{how}"


def _status(folder: StudyFolder) -> int:
    """Say how a study stands, and why of each run that is not done."""
    table = folder.expected()
    found = folder.statuses(table)
    _say_why(table, found)
    counts: Counter[str] = Counter(status.state for status in found)
    print(", ".join(f"{counts[state]} {state}" for state in STATES if counts[state]))
    return FAILED if counts["failed"] else FINISHED


def _say_why(table: pd.DataFrame, found: list[Status]) -> None:
    for name, status in zip(table["case"], found, strict=True):
        if status.state not in ("done", "missing"):
            why = f": {status.why}" if status.why else ""
            print(f"{status.state:<10} {name}{why}")
