"""Where this program is, and how a user or another process calls it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKOUT = (ROOT / "pyproject.toml").is_file()
PROGRAM = "run.py" if CHECKOUT else "cosim"
# What starts it in a process of its own, with the same Python.
COMMAND = (sys.executable, *((str(ROOT / "cosim" / "run.py"),) if CHECKOUT else ("-m", "cosim")))

# First words that ask for something else than a new run, each a module of cosim/commands.
VERBS = {
    "resume": "go on with a run that was cut short",
    "verify": "hold the files of a run against their hashes, or its numbers against a rerun",
    "sweep": "run a study, many runs with one question, or what is missing of it",
    "collect": "write tables, figures and page of a study's folder",
    "doctor": "say what this machine has of what runs and studies need",
    "check": "hold an own scenario, FILE.py, against what a network promises",
    "validate": "hold the network against theory",
}
USAGE = (
    f"{PROGRAM} [--scenario NAME] [--config FILE.toml] [--output DIR] [--SECTION.FIELD VALUE ...]"
    f"\n       {PROGRAM} {{{','.join(VERBS)}}} ..."
)
