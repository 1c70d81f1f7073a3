"""Which version of the code made a run: hashes of its sources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from cosim.files import known_hash
from cosim.program import ROOT

# Rooms and files without which every number would be the same.
SHOWS = (
    *(
        "cosim/report",
        "cosim/commands",
        "cosim/studies",
        "cosim/examples",
        "learning/examples",
    ),
    *("cosim/cli.py", "cosim/library.py", "cosim/program.py", "cosim/run.py", "cosim/terminal.py"),
    *("cosim/runs/log.py", "cosim/runs/progress.py", "cosim/records/columns.py"),
    *("cosim/runs/rerun.py", "cosim/records/compare.py"),
)
PACKAGES_OF_OURS = ("cosim", "learning", "ns3_scenarios")


def code_version(root: Path = ROOT) -> str:
    """Return a hash of the sources that can change a number, which names what produced a run.

    The rule: all Python, C++ and TOML of the three packages, but what only shows a run or asks for
    one (SHOWS).
    """
    return _hash_of(root, (path for path in _sources(root) if not _shows(path)))


def source_version(root: Path = ROOT) -> str:
    """Return a hash of all source files of the three packages."""
    return _hash_of(root, _sources(root))


def _sources(root: Path) -> list[Path]:
    """Return their paths below the root."""
    found = (path for package in PACKAGES_OF_OURS for path in (root / package).rglob("*"))
    kinds = {".py", ".h", ".cpp", ".toml"}
    return sorted(path.relative_to(root) for path in found if path.suffix in kinds)


def _shows(path: Path) -> bool:
    name = path.as_posix()
    return any(name == each or name.startswith(f"{each}/") for each in SHOWS)


def _hash_of(root: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.as_posix().encode())
        digest.update(known_hash(root / path).encode())
    return digest.hexdigest()[:12]
