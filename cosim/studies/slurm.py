"""A study as one array job of Slurm, without a head process."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from cosim.errors import ConfigError, OutputError
from cosim.failures import FINISHED, INTERRUPTED
from cosim.files import one_line
from cosim.program import COMMAND, PROGRAM
from cosim.studies import attempt as attempts
from cosim.studies.folder import StudyFolder
from cosim.studies.study import Slurm

LISTS = "submissions"
SUBMIT_LIMIT_S = 60.0


def check_installed() -> None:
    """Raise ConfigError where there is no sbatch."""
    if shutil.which("sbatch") is None:
        raise ConfigError(
            "--on slurm: expected sbatch in the path, got none; load the module of your site, or"
            " use --export sbatch and submit the script elsewhere"
        )


def submit(
    folder: StudyFolder, names: Sequence[str], slurm: Slurm, flags: Sequence[str] = ()
) -> int:
    """Hand the runs to sbatch as one array; say its number. Raises OutputError where it refuses."""
    if not names:
        print("nothing to submit")
        return FINISHED
    try:
        done = subprocess.run(
            ["sbatch", "--parsable"],
            input=script(folder, names, slurm, flags),
            capture_output=True,
            text=True,
            timeout=SUBMIT_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OutputError(
            f"--on slurm: expected an answer of sbatch within {SUBMIT_LIMIT_S:g} s, got none; is"
            " the controller up?"
        ) from None
    if done.returncode != 0:
        raise ConfigError(
            f"--on slurm: sbatch refused: {one_line(done.stderr)}; mend [slurm] in the study,"
            " or ask your site"
        )
    print(f"submitted as job {done.stdout.strip()}; `{PROGRAM} sweep ... --status` tells how far")
    return FINISHED


def script(
    folder: StudyFolder, names: Sequence[str], slurm: Slurm, flags: Sequence[str] = ()
) -> str:
    """Write the script of an array job; the list of its runs is kept in the study's folder."""
    root = folder.root.resolve()
    (root / LISTS).mkdir(parents=True, exist_ok=True)
    number = len(list((root / LISTS).glob("*.txt"))) + 1
    while (listed := root / LISTS / f"{number:04d}.txt").exists():
        number += 1
    with listed.open("x", encoding="utf-8") as file:  # of two at once, one fails
        file.write("".join(f"{name}\n" for name in names))
    tasks = -(-len(names) // slurm.pack)
    at_once = f"%{slurm.at_once}" if slurm.at_once else ""
    options = {
        "job-name": root.name,
        "array": f"0-{max(tasks - 1, 0)}{at_once}",
        "output": str(root / "logs" / "slurm-%A_%a.out"),
        "open-mode": "append",
        "requeue": True,
        "cpus-per-task": 2,
        "mem-per-cpu": "1G",
    }
    if {"mem", "mem-per-gpu"} & slurm.options.keys():
        del options["mem-per-cpu"]  # which excludes them
    options = {
        name: value for name, value in (options | slurm.options).items() if value is not False
    }
    words = [*COMMAND, "sweep", str(listed), "--pack", str(slurm.pack), "--task"]
    passed = f" --flags={shlex.quote(' '.join(flags))}" if flags else ""
    return "\n".join(
        [
            "#!/bin/bash",
            *(
                f"#SBATCH {_option(name, value)}"
                for name, value in options.items()
                if value is not False
            ),
            "# exec: what Slurm sends to the script reaches the runs, which keep their rounds",
            f'exec {shlex.join(words)} "$SLURM_ARRAY_TASK_ID"{passed}',
            "",
        ]
    )


def _option(name: str, value: object) -> str:
    text = str(value)
    quoted = f'"{text}"' if " " in text else text
    return f"--{name}" if value is True else f"--{name}={quoted}"


def run_task(listed: Path, task: int, pack: int = 1, flags: Sequence[str] = ()) -> int:
    """Attempt the runs of one task of an array, one after the other; return the worst exit code.

    SIGTERM, at the end of the time or before a requeue, ends the run under way with its rounds.
    """
    folder = StudyFolder(listed.resolve().parents[1])
    names = listed.read_text("utf-8").split()
    codes = []

    def ended(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=attempts.stop).start()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, ended)
    for name in names[task * pack : (task + 1) * pack]:
        codes.append(attempts.attempt(str(folder.root), name, flags))
    return max((code if code >= 0 else INTERRUPTED for code in codes), default=FINISHED)
