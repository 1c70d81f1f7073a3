"""The script: python cosim/run.py --scenario mesh80211. Works from any folder."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Find the packages and hand over to the command line."""
    sys.path[0] = str(ROOT)
    missing = [
        name
        for name in ("torch", "pydantic_settings", "pandas")
        if not importlib.util.find_spec(name)
    ]
    if missing:
        # A checkout's own environment serves plain `python` too, once it exists.
        own = ROOT / ".venv" / "bin" / "python"
        if own.exists() and Path(sys.prefix) != ROOT / ".venv":
            import os

            os.execv(own, [str(own), str(Path(__file__).resolve()), *sys.argv[1:]])
        print(
            f"error: expected the Python packages of this project, but {', '.join(missing)} are"
            f" missing from {sys.executable}; install them with: make -C {ROOT} install",
            file=sys.stderr,
        )
        return 2
    from cosim.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
