"""Compile the native part once, which makes every later start of ns-3 several seconds shorter.

python -m ns3_scenarios.precompile

Makes two files in native/built, used as long as the native part stays as it is: a library of
native/*.cpp, by the C++ compiler of the machine ($CXX, by default g++), and a precompiled header of
native/api.h and the ns-3 headers that it includes (75 MB), by cppyy's own tool. A run works without
either; cppyy then compiles the same sources at each start.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from ns3_scenarios.errors import NetworkUnavailableError
from ns3_scenarios.session import NATIVE, check_installation, native_build

# The same sums on every processor: no fused multiply-add where one happens to have it.
FLAGS = ["-std=c++20", "-O2", "-fPIC", "-shared", "-ffp-contract=off"]


def main() -> int:
    """Build both files; return the exit code."""
    try:
        include = check_installation() / "include"
    except NetworkUnavailableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    library, header = native_build(".so"), native_build(".pch")
    library.parent.mkdir(exist_ok=True)
    for outdated in library.parent.iterdir():
        outdated.unlink()
    paths = [f"-I{include}", f"-I{NATIVE}"]
    sources = [str(source) for source in sorted(NATIVE.glob("*.cpp"))]
    compiler = os.environ.get("CXX", "g++")
    built = [_run([compiler, *FLAGS, *paths, *sources, "-o", str(library)], NATIVE, library)]
    backend = importlib.util.find_spec("cppyy_backend")
    if backend is None or backend.origin is None:
        print("error: expected the package cppyy_backend, found none", file=sys.stderr)
        return 2
    # makepch.py finds its own headers from the working folder.
    tool = [sys.executable, "etc/dictpch/makepch.py", str(header), *paths, str(NATIVE / "api.h")]
    built.append(_run(tool, Path(backend.origin).parent, header))
    return 0 if all(built) else 2


def _run(command: list[str], folder: Path, target: Path) -> bool:
    """Run a command that makes target; tell whether it did."""
    try:
        done = subprocess.run(command, cwd=folder, check=False).returncode == 0 and target.exists()
    except FileNotFoundError:
        done = False
    if done:
        print(f"made {target}")
    else:
        target.unlink(missing_ok=True)
        print(
            f"error: {command[0]} could not make {target.name}; runs work without, but each start"
            " of ns-3 takes some seconds longer",
            file=sys.stderr,
        )
    return done


if __name__ == "__main__":
    sys.exit(main())
