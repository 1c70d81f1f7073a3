"""The one way in: `python -m cosim`, the command `cosim`, and cosim/run.py."""

import contextlib
import os
import sys


def main() -> int:
    """Run the command line; end the process with its exit code.

    At once: a finished run was seen to abort afterwards (std::terminate, one in some 400), when C++
    libraries take down what their threads still use.
    """
    code = _run()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # closed or full: the log stands
            stream.flush()
    os._exit(code)


def _run() -> int:
    try:
        from cosim.terminal import open_missing

        open_missing()
        from cosim.arithmetic import may_start_again

        may_start_again()
        from cosim.cli import main as run

        return run()
    except KeyboardInterrupt:  # while the packages load; later ones are the command line's
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
