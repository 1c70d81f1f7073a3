"""Compile the native part once, which makes every later start of ns-3 several seconds shorter.

python -m ns3_scenarios.precompile

Makes three files in native/built, used as long as the native part stays as it is: a library of
native/*.cpp and one of native/replaced/*.cpp, by the C++ compiler of the machine ($CXX, by default
g++), and a precompiled header of native/api.h and the ns-3 headers that it includes (75 MB), by
cppyy's own tool. A run works without any of them, with the same tables: cppyy then compiles
native/*.cpp at each start, and nothing takes the place of ns-3's own functions.
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
    NS3_RELEASE,
    REPLACED,
    REPLACED_SUFFIX,
    check_installation,
    checksum,
    clean_environment,
    native_build,
)

# The same sums on every processor: no fused multiply-add where one happens to have it.
FLAGS = ["-std=c++20", "-O2", "-fPIC", "-ffp-contract=off"]
TARGET = "TARGET"  # in a command: the file to make


def main() -> int:
    """Build the files; return the exit code."""
    try:
        wheel = check_installation()
    except NetworkUnavailableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    clean_environment(header=None)
    made = [native_build(suffix) for suffix in (".so", ".pch", REPLACED_SUFFIX)]
    library, header, replaced = made
    try:
        library.parent.mkdir(exist_ok=True)
        for outdated in library.parent.iterdir():
            if not outdated.name.startswith(tuple(path.name for path in made)):
                outdated.unlink()
    except OSError as error:
        print(f"error: expected a folder to write into, got {error}", file=sys.stderr)
        return 2
    paths = [f"-I{wheel / 'include'}", f"-I{NATIVE}"]
    compiler = os.environ.get("CXX", "g++")
    backend = importlib.util.find_spec("cppyy_backend")
    if backend is None or backend.origin is None:
        print("error: expected the package cppyy_backend, found none", file=sys.stderr)
        return 2
    # makepch.py finds its own headers from the working folder.
    tool = [sys.executable, "etc/dictpch/makepch.py", TARGET, *paths, str(NATIVE / "api.h")]
    with ThreadPoolExecutor(os.cpu_count()) as pool, TemporaryDirectory() as folder:
        has_header = pool.submit(_make, header, tool, Path(backend.origin).parent)
        own, others = (
            {
                f"{folder}/{where.name}-{source.stem}.o": str(source)
                for source in where.glob("*.cpp")
            }
            for where in (NATIVE, REPLACED)
        )
        compiling = [compiler, *FLAGS, *paths, "-c", "-o"]
        each = (own | others).items()
        # What does not compile is missed by the linker, and the compiler has said why.
        wait([pool.submit(_run, [*compiling, *names], NATIVE) for names in each])
        linking = [compiler, "-shared", "-o", TARGET]
        has_library = _make(library, [*linking, *own], NATIVE)
        has_replaced = _make(replaced, [*linking, *others, *_needs(wheel)], NATIVE)
    return 0 if has_header.result() and has_library and has_replaced else 2


def _needs(wheel: Path) -> list[str]:
    """Return the linker's words for a library that is loaded before ns-3, and loads it.

    Of the wheel, whatever LD_LIBRARY_PATH has of that name: that needs the older kind of path.
    """
    folder = wheel / "lib64"
    return [
        *("-Wl,--no-as-needed", f"-L{folder}", f"-lns{NS3_RELEASE}-wifi"),
        *(f"-Wl,-rpath,{folder}", "-Wl,--disable-new-dtags", f"-Wl,-rpath-link,{folder}"),
    ]


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
