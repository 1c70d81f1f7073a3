"""The one way in: `python -m cosim`, the command `cosim`, and cosim/run.py."""

import sys


def main() -> int:
    """Run the command line; return the exit code."""
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
