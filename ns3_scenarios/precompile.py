"""Precompile the ns-3 headers once, which shortens every later start by some two seconds.

python -m ns3_scenarios.precompile

Uses cppyy's own tool for its precompiled header of the standard library, with the headers of
native/network.h added. The result (70 MB) lies in the environment and is used when it is there.
"""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from ns3_scenarios.errors import NetworkUnavailableError
from ns3_scenarios.session import check_installation, precompiled_header


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
    network = (Path(__file__).parent / "native" / "network.h").read_text(encoding="utf-8")
    wanted = [line for line in network.splitlines() if line.startswith('#include "ns3/')]
    with tempfile.NamedTemporaryFile("w", suffix=".h") as headers:
        headers.write("\n".join(wanted) + "\n")
        headers.flush()
        # makepch.py finds its own headers from the working folder.
        done = subprocess.run(
            [
                sys.executable,
                "etc/dictpch/makepch.py",
                str(precompiled_header()),
                f"-I{folder / 'include'}",
                headers.name,
            ],
            cwd=Path(backend.origin).parent,
            check=False,
        )
    if done.returncode != 0 or not precompiled_header().exists():
        print("error: cppyy could not precompile the headers; runs work without", file=sys.stderr)
        return 2
    print(f"precompiled {len(wanted)} ns-3 headers into {precompiled_header()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
