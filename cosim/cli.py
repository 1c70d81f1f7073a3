"""The command line: a verb, or else a new run; any error is one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from cosim import failures, terminal
from cosim.program import VERBS
from cosim.runs import endings

NEW_RUN = "start"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    endings.take()
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = words.pop(0) if words and words[0] in VERBS else NEW_RUN
    with terminal.forgiving():
        try:  # imported on demand, since each loads what it needs
            return int(import_module(f"cosim.commands.{verb}").main(words))
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return failures.INTERRUPTED
        except failures.ONE_LINE as error:
            print(f"error: {failures.said(error)}", file=sys.stderr)
            return failures.exit_code(error)
