"""Where this program is, and how a user calls it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKOUT = (ROOT / "pyproject.toml").is_file()
PROGRAM = "run.py" if CHECKOUT else "cosim"
