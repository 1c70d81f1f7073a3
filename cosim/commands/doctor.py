"""The command `doctor`: what this machine has of what runs and studies need."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from cosim import arithmetic
from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from cosim.cores import cores
from cosim.files import one_line
from cosim.program import PROGRAM, ROOT
from cosim.records import paths
from cosim.records.origin import PACKAGES, processor
from learning.device import name_of
from ns3_scenarios.installation import (
    REPLACED_SUFFIX,
    check_installation,
    is_built,
    native_build,
)
from ns3_scenarios.worker import Ns3Network

# Measured: the run and its ns-3 child together, and the files of a virtual environment.
RUN_MEMORY_MB = 1500
ENVIRONMENT_FILES = 60_000
LEAST_FREE_MB = 2000


class Line(NamedTuple):
    """What was looked at, what was found, and what to do where it will not do."""

    what: str
    found: str
    remedy: str = ""


def main(arguments: Sequence[str]) -> int:
    """Look at everything, a line each; return 1 where something will not do."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} doctor",
        description="Say what this machine has of what runs and studies need: a line each, with"
        " what to do where it will not do. Exit code 1 if there is any.",
    )
    parser.parse_args(arguments)
    ill = 0
    for look in LOOKS:
        for line in _lines(look):
            ill += bool(line.remedy)
            print(f"{'TO DO' if line.remedy else 'ok':<6} {line.what:<12} {line.found}")
            if line.remedy:
                print(f"{'':19}-> {line.remedy}")
    return 1 if ill else 0


def _lines(look: Callable[[], Iterator[Line]]) -> Iterator[Line]:
    try:
        yield from look()
    except Exception as error:  # whatever it is, the other lines are worth having
        name = look.__name__.strip("_").replace("_", " ")
        yield Line(name, one_line(f"{type(error).__name__}: {error}"), "mend what is said here")


def _packages() -> Iterator[Line]:
    missing = []
    for name in PACKAGES:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    versions = f"Python {platform.python_version()}, torch {metadata.version('torch')}"
    remedy = f"install {', '.join(missing)}: make -C {ROOT} install" if missing else ""
    yield Line("packages", versions, remedy)


def _ns3() -> Iterator[Line]:
    check_installation()
    built = all(is_built(native_build(suffix)) for suffix in (".so", ".pch", REPLACED_SUFFIX))
    remedy = "" if built else "python -m ns3_scenarios.precompile saves some 7 s at each start"
    yield Line("native part", "compiled" if built else "compiled at each start", remedy)
    named = os.environ.get("CXX", "g++")
    found = shutil.which(named)
    yield Line(
        "compiler",
        found or f"no {named}",
        "" if found or built else "install g++, or name another with CXX",
    )
    scenario = make_scenario(load([], None, "mesh80211"))
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        network = Ns3Network(scenario, Path(folder) / "ns3.log")
        network.wait_ready()
        network.close()
    yield Line("ns-3", f"starts in {time.monotonic() - started:.1f} s")


def _arithmetic() -> Iterator[Line]:
    lacking = arithmetic.lacks()
    found = f"{processor()}: {'portable' if not lacking else 'fast only'}"
    remedy = "--learning.arithmetic fast; other processors give other bits" if lacking else ""
    yield Line("processor", found, remedy)
    yield Line("GPU", name_of("cuda") or "none; devices train on the processor")


def _resources() -> Iterator[Line]:
    lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    memory_mb = next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("MemAvail"))
    yield Line(
        "cores",
        f"{cores()} allowed of {os.cpu_count()}; a run keeps some 1.2 busy, one of 50 devices 2",
    )
    yield Line(
        "memory",
        f"{memory_mb:,.0f} MB free; a run takes up to {RUN_MEMORY_MB} MB",
        "" if memory_mb > RUN_MEMORY_MB else "fewer --jobs, or more memory",
    )
    where = next(each for each in (paths.results(), *paths.results().parents) if each.exists())
    free_mb = shutil.disk_usage(where).free / 1e6
    inodes = os.statvfs(where).f_favail
    yield Line(
        "disk",
        f"{free_mb:,.0f} MB free for {paths.results()}",
        "" if free_mb > LEAST_FREE_MB else "free space, or --results elsewhere",
    )
    few = 0 < inodes < ENVIRONMENT_FILES
    remedy = f"an environment holds some {ENVIRONMENT_FILES:,} files: elsewhere" if few else ""
    yield Line("inodes", f"{inodes:,} free" if inodes else "not limited", remedy)
    writes = os.access(where, os.W_OK)
    yield Line(
        "results",
        f"{where} can be written" if writes else f"{where} is read-only",
        "" if writes else "give --results ROOT",
    )


def _slurm() -> Iterator[Line]:
    if shutil.which("sbatch") is None:
        yield Line("Slurm", "none here; `sweep` runs on this machine's cores")
        return
    try:
        done = subprocess.run(
            ["sinfo", "-h", "-o", "%P %a %l"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (subprocess.SubprocessError, OSError) as error:
        yield Line("Slurm", one_line(error), "ask whether the controller is up")
        return
    yield Line("Slurm", "partitions (state, time limit): " + one_line(done.stdout))


LOOKS = (_packages, _ns3, _arithmetic, _resources, _slurm)
