"""The script: python cosim/run.py --scenario mesh80211. Works from any folder."""

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("torch", "pydantic_settings", "pandas", "pyarrow", "tqdm", "matplotlib", "jinja2")


def main() -> int:
    """Find the packages and hand over to the command line."""
    sys.path[0] = str(ROOT)
    missing = [name for name in NEEDED if not importlib.util.find_spec(name)]
    own = ROOT / ".venv" / "bin" / "python"
    if missing and own.exists() and Path(sys.prefix) != ROOT / ".venv":
        # The checkout's own environment serves plain `python` too, once `make` has made it.
        os.execv(own, [str(own), str(Path(__file__).resolve()), *sys.argv[1:]])
    if missing:
        print(
            f"error: expected the packages of this project, got a Python without"
            f" {', '.join(missing)} ({sys.executable}); install them with: make -C {ROOT} install",
            file=sys.stderr,
        )
        return 2
    from cosim.__main__ import main as run

    return run()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # while the packages load; later ones are the command line's
        print("interrupted", file=sys.stderr)
        sys.exit(130)
