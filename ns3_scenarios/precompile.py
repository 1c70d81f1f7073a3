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
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from tempfile import TemporaryDirectory

from ns3_scenarios.errors import NetworkUnavailableError
from ns3_scenarios.installation import (
    CHECKSUM,
    NATIVE,
    check_installation,
    checksum,
    clean_environment,
    native_build,
)

# The same sums on every processor: no fused multiply-add where one happens to have it.
FLAGS = ["-std=c++20", "-O2", "-fPIC", "-ffp-contract=off"]
TARGET = "TARGET"  # in a command: the file to make


def main() -> int:
    """Build both files; return the exit code."""
    try:
        include = check_installation() / "include"
    except NetworkUnavailableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    clean_environment(header=None)
    library, header = native_build(".so"), native_build(".pch")
    try:
        library.parent.mkdir(exist_ok=True)
        for outdated in library.parent.iterdir():
            if not outdated.name.startswith((library.name, header.name)):
                outdated.unlink()
    except OSError as error:
        print(f"error: expected a folder to write into, got {error}", file=sys.stderr)
        return 2
    paths = [f"-I{include}", f"-I{NATIVE}"]
    sources = [str(source) for source in sorted(NATIVE.glob("*.cpp"))]
    compiler = os.environ.get("CXX", "g++")
    backend = importlib.util.find_spec("cppyy_backend")
    if backend is None or backend.origin is None:
        print("error: expected the package cppyy_backend, found none", file=sys.stderr)
        return 2
    # makepch.py finds its own headers from the working folder.
    tool = [sys.executable, "etc/dictpch/makepch.py", TARGET, *paths, str(NATIVE / "api.h")]
    with ThreadPoolExecutor(os.cpu_count()) as pool, TemporaryDirectory() as folder:
        has_header = pool.submit(_make, header, tool, Path(backend.origin).parent)
        objects = [f"{folder}/{Path(source).stem}.o" for source in sources]
        compiling = [compiler, *FLAGS, *paths, "-c", "-o"]
        each = zip(objects, sources, strict=True)
        # What does not compile is missed by the linker, and the compiler has said why.
        wait([pool.submit(_run, [*compiling, *names], NATIVE) for names in each])
        has_library = _make(library, [compiler, "-shared", *objects, "-o", TARGET], NATIVE)
    return 0 if has_header.result() and has_library else 2


def _run(command: list[str], folder: Path) -> bool:
    """Run a command; tell whether it succeeded."""
    try:
        return subprocess.run(command, cwd=folder, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _make(path: Path, command: list[str], folder: Path) -> bool:
    """Run a command that makes TARGET, which gets its name when it is whole; tell whether it did.

    A run under way keeps the file that it has loaded, and two of these do not spoil each other.
    """
    begun = path.with_name(f"{path.name}.{os.getpid()}")
    noted = path.with_name(path.name + CHECKSUM)
    words = [str(begun) if word == TARGET else word for word in command]
    if _run(words, folder) and begun.exists():
        noted.unlink(missing_ok=True)
        own_note = begun.with_name(begun.name + CHECKSUM)
        own_note.write_text(checksum(begun), encoding="ascii")
        begun.replace(path)
        own_note.replace(noted)
        print(f"made {path}")
    else:
        begun.unlink(missing_ok=True)
        print(
            f"error: {command[0]} could not make {path.name}; runs work without, but each start"
            " of ns-3 takes some seconds longer",
            file=sys.stderr,
        )
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
