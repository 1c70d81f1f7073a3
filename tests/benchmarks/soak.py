"""Faults that a run must survive: kills, flipped bits, odd values, odd combinations (make soak).

Prints a table: fault, tried, survived; ends with exit code 1 where one was not, whose input it
prints. --help lists the numbers of each.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import soak_values

from cosim import cli, files
from cosim.records import checkpoint, folder, manifest, paths
from cosim.records.layout import JOINED, PARTITION
from cosim.report import figure_files, presentation

SCRIPT = Path(cli.__file__).with_name("run.py")
MADE = ("--learning.dataset=made", "--network.num_devices=4", "--iteration.max_iterations=2")
IDEAL = ("--network.kind=ideal", *MADE, "--learning.rounds=6", "--learning.batch_size=8")
NS3 = ("--scenario=adhoc80211", *MADE, "--learning.rounds=4", "--network.fading=nakagami")
TABLES = (*JOINED, PARTITION)
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
Outcome = list[str]  # what was not survived, in words; a fault a line


# Where a kill hits: what is called there, and at which of its calls.
AIMS: dict[str, tuple[object, str, int]] = {
    "in the new folder, before its manifest": (manifest, "write_manifest", 1),
    "before the folder has its name": (paths, "claim", 1),
    "before the partition is written": (folder.RunFolder, "add_partition", 1),
    "between a round's tables and its checkpoint": (checkpoint, "write_checkpoint", 4),
    "in the middle of a round's tables": (files, "replace_whole", 12),
    "before the tables are joined": (folder.RunFolder, "complete", 1),
    "while the tables are joined": (folder, "file_hash", 3),
    "before the folder is published": (folder, "publish", 1),
    "while figures are drawn": (figure_files, "write_figure", 2),
    "before the folder is sealed": (presentation, "seal", 1),
}


def main() -> int:
    """Try all faults; return 1 where one was not survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aimed-kills", type=int, default=2 * len(AIMS), help="at most that many")
    parser.add_argument("--random-kills", type=int, default=8, help="over the ideal network")
    parser.add_argument("--ns3-kills", type=int, default=4, help="at random times, with ns-3")
    parser.add_argument("--flips", type=int, default=300, help="in checkpoint and parts each")
    parser.add_argument("--values", type=int, default=2000, help="odd values in a configuration")
    parser.add_argument("--combinations", type=int, default=1000, help="of valid values")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    rows: list[tuple[str, int, Outcome]] = []

    def add(fault: str, tried: int, faults: Outcome) -> None:
        rows.append((fault, tried, faults))
        print(f"{fault}: {tried - len(faults)} of {tried}", flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kills = aimed_kills(folder, given.aimed_kills)
        add("killed at a place", len(kills), [each for each in kills if each])
        kills = random_kills(folder, IDEAL, given.random_kills, rng) if given.random_kills else []
        add("killed at a random time", len(kills), [each for each in kills if each])
        kills = random_kills(folder, NS3, given.ns3_kills, rng) if given.ns3_kills else []
        add("killed at a random time, ns-3", len(kills), [each for each in kills if each])
        add("bit of the checkpoint", *flips(folder, "checkpoint/*.pt", given.flips, rng))
        add("bit of a part", *flips(folder, "rounds.parts/*", given.flips, rng))
        add("odd values", *soak_values.odd_values(folder, given.values, rng))
        add("combinations", *soak_values.combinations(given.combinations, rng))
    print(f"\n{'fault':<40}{'tried':>8}{'survived':>10}")
    for fault, tried, faults in rows:
        print(f"{fault:<40}{tried:>8}{tried - len(faults):>10}")
    return 1 if any(faults for _, _, faults in rows) else 0


def forked(folder: Path, words: tuple[str, ...], prepare: Callable[[], None] = lambda: None) -> int:
    """Run the command line in a fork, which spares it the imports; return how it ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.chdir(folder)
            said = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(said, 1)
            os.dup2(said, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            # Two of the figures stand for all.
            figure_files.FIGURES = figure_files.FIGURES[:2]
            prepare()
            code = cli.main(words)
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def started(folder: Path, words: tuple[str, ...], kill_after_s: float | None = None) -> int:
    """Run the script in a process of its own, killed after a while; return how it ended."""
    with (folder / "said.txt").open("a", encoding="utf-8") as said:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *words], cwd=folder, stdout=said, stderr=said
        )
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            process.send_signal(SIGNALS[int(1e6 * kill_after_s) % 2])
        return process.wait()


def aimed_kills(folder: Path, most: int) -> list[str]:
    """Kill runs where it hurts; an empty text for each that ended as one left alone."""
    whole = folder / "ideal"
    whole.mkdir()
    if forked(whole, (*IDEAL, "--output=run")) != 0:
        raise SystemExit((whole / "said.txt").read_text(encoding="utf-8"))
    said = []
    for aim, ending in list(itertools.product(AIMS, SIGNALS))[:most]:
        here = folder / f"aimed-{len(said)}"
        here.mkdir()
        forked(here, (*IDEAL, "--output=run"), partial(_arm, aim, ending))
        said.append(_named(f"{ending.name} {aim}", _goes_on(here, IDEAL, whole, forked)))
    return said


def _arm(aim: str, ending: signal.Signals) -> None:
    """Let a process end itself at a call of some function."""
    module, name, call = AIMS[aim]
    whole, calls = getattr(module, name), iter(range(1, 1_000_000))

    def armed(*arguments: object, **options: object) -> object:
        if next(calls) == call:
            os.kill(os.getpid(), ending)
        return whole(*arguments, **options)

    setattr(module, name, armed)
    for other in (checkpoint, manifest, folder):  # which have it by its name
        if module is files and hasattr(other, name):
            setattr(other, name, armed)


def random_kills(
    folder: Path, words: tuple[str, ...], count: int, rng: np.random.Generator
) -> list[str]:
    """Kill runs at any time from their start on."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    whole = folder / "whole"
    whole.mkdir()
    clock = time.monotonic()
    if started(whole, (*words, "--output=run")) != 0:
        raise SystemExit((whole / "said.txt").read_text(encoding="utf-8"))
    lasts_s = time.monotonic() - clock
    said = []
    for i in range(count):
        after_s = float(rng.uniform(0, lasts_s)) if i else 0.98 * lasts_s
        here = folder / f"random-{i}"
        here.mkdir()
        started(here, (*words, "--output=run"), after_s)
        said.append(_named(f"after {after_s:.2f} s", _goes_on(here, words, whole, started)))
    return said


def _named(what: str, faults: Outcome) -> str:
    said = f"{what}: {'; '.join(faults)}" if faults else ""
    print(f"  {said}" if said else f"  {what}: went on", flush=True)
    return said


def _goes_on(
    here: Path, words: tuple[str, ...], whole: Path, call: Callable[[Path, tuple[str, ...]], int]
) -> Outcome:
    """Verify and end a killed run; say what is not as in one that was left alone."""
    faults = []
    left = (here / "run").exists() or (here / "run.partial").exists()
    if left and call(here, ("verify", "run")) != 0:
        faults.append("verify finds a difference")
    ended = call(here, ("resume", "run") if left else (*words, "--output=run"))
    if ended != 0:
        faults.append(f"exit code {ended}")
    for name in TABLES:
        mine, other = here / "run" / name, whole / "run" / name
        if not mine.exists() or mine.read_bytes() != other.read_bytes():
            faults.append(f"{name} is another")
    if (here / "run").exists() and call(here, ("verify", "run")) != 0:
        faults.append("verify finds a difference at the end")
    over = sorted(path.name for path in here.iterdir() if path.name not in ("run", "said.txt"))
    # The hidden folder of a killed start stays until the next start beside it, which was this one.
    faults += [f"left over: {', '.join(over)}"] if over else []
    if "Traceback" in (here / "said.txt").read_text(encoding="utf-8"):
        faults.append("traceback")
    return faults


@contextlib.contextmanager
def spoken() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Catch what is printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


def flips(folder: Path, pattern: str, count: int, rng: np.random.Generator) -> tuple[int, Outcome]:
    """Flip single bits of an unfinished run: resume must refuse and verify name the file."""
    here = folder / "flips"
    if not here.exists():
        here.mkdir()
        forked(here, (*IDEAL, "--output=run"), lambda: _arm("before the tables are joined", 9))
    run, faults = here / "run.partial", []
    paths = sorted(run.glob(pattern))
    for _ in range(count):
        path = paths[int(rng.integers(len(paths)))]
        kept, content = path.read_bytes(), bytearray(path.read_bytes())
        bit = int(rng.integers(8 * len(content)))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        name = path.relative_to(run).as_posix()
        with spoken() as (out, err):
            refused = cli.main(["resume", str(run)]) == 2 and name in err.getvalue()
            named = cli.main(["verify", str(run)]) == 1 and f"DIFFERS     {name}" in out.getvalue()
        if not (refused and named):
            faults.append(f"bit {bit} of {name}: refused {refused}, named {named}")
            print(f"  {faults[-1]}", flush=True)
            shutil.rmtree(here / "run", ignore_errors=True)
        path.write_bytes(kept)
    return count, faults


if __name__ == "__main__":
    sys.exit(main())
