"""Precompile native/network.h once, which shortens every later start by some three seconds.

python -m ns3_scenarios.precompile

Uses cppyy's own tool for its precompiled header of the standard library, with network.h and the
ns-3 headers that it includes added. The result (75 MB) lies in the environment and is used as long
as the native part stays as it is.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

from ns3_scenarios.errors import NetworkUnavailableError
from ns3_scenarios.session import NATIVE, check_installation, precompiled_header


def main() -> int:
    """Build the precompiled header; return the exit code."""
    try:
        folder = check_installation()
    except NetworkUnavailableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    backend = importlib.util.find_spec("cppyy_backend")
    if backend is None or backend.origin is None:
        print("error: expected the package cppyy_backend, found none", file=sys.stderr)
        return 2
    target = precompiled_header()
    for outdated in target.parent.glob("ns3-*.pch"):
        outdated.unlink()
    # makepch.py finds its own headers from the working folder.
    done = subprocess.run(
        [
            sys.executable,
            "etc/dictpch/makepch.py",
            str(target),
            f"-I{folder / 'include'}",
            f"-I{NATIVE}",
            str(NATIVE / "network.h"),
        ],
        cwd=Path(backend.origin).parent,
        check=False,
    )
    if done.returncode != 0 or not target.exists():
        print("error: cppyy could not precompile the headers; runs work without", file=sys.stderr)
        return 2
    print(f"precompiled the native part into {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
