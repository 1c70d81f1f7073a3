"""Where ns-3 and the compiled native part are, whether they are whole, and a clean environment."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import zlib
from importlib import metadata
from pathlib import Path

from ns3_scenarios.errors import NetworkUnavailableError

NS3_RELEASE = "3.44"
NATIVE = Path(__file__).parent / "native"
REPLACED = NATIVE / "replaced"  # functions that stand in for ns-3's own
REPLACED_SUFFIX = "-replaced.so"
CHECKSUM = ".crc32"
# Variables by which a user's other work would change what Cling compiles or cppyy loads.
FOREIGN = ("CLING_", "CPPYY_", "EXTRA_CLING_", "ROOTSYS", "CPATH", "C_INCLUDE_", "CPLUS_INCLUDE_")
# By which ns-3 would run another simulation than the configuration says.
OVERRULING = ("NS_ATTRIBUTE_DEFAULT", "NS_GLOBAL_VALUE")


def check_installation() -> Path:
    """Return the folder of the ns3 wheel; raise NetworkUnavailableError where it does not fit."""
    remedy = f"install it with: pip install 'ns3=={NS3_RELEASE}.*'"
    for name in OVERRULING:
        if os.environ.get(name):
            raise NetworkUnavailableError(
                f"{name}: expected no such variable, got {os.environ[name]!r}; the results would"
                " not be those of the configuration: unset it, and use network.ns3_defaults"
            )
    try:
        distribution = metadata.distribution("ns3")
    except metadata.PackageNotFoundError:
        raise NetworkUnavailableError(
            f"ns-3: expected the Python package ns3 {NS3_RELEASE}, found none; {remedy}"
        ) from None
    folder = Path(str(distribution.locate_file("ns3")))
    if not (folder / "lib64" / f"libns{NS3_RELEASE}-core.so").exists():
        raise NetworkUnavailableError(
            f"ns-3: expected release {NS3_RELEASE}, got ns3 {distribution.version}; {remedy}"
        )
    if importlib.util.find_spec("cppyy") is None:
        raise NetworkUnavailableError(f"ns-3: expected the package cppyy, found none; {remedy}")
    return folder


def native_build(suffix: str) -> Path:
    """Return where `precompile` puts a file made from the native part."""
    digest = hashlib.sha256()
    folders = (NATIVE, REPLACED)
    for source in sorted(path for each in folders for path in each.glob("*.[hc]*")):
        digest.update(source.read_bytes())
    # Of no use to another version of the compiler or of the native part.
    version = f"{metadata.version('cppyy-cling')}-{digest.hexdigest()[:12]}"
    return NATIVE / "built" / f"ns3-{NS3_RELEASE}-{version}{suffix}"


def checksum(path: Path) -> str:
    """Return the CRC-32 of a file: it finds damage, and takes a tenth of a second for 50 MB."""
    return f"{zlib.crc32(path.read_bytes()):08x}"


def is_built(path: Path) -> bool:
    """Tell whether a file of `precompile` is there; raise NetworkUnavailableError if damaged."""
    if not path.exists():
        return False
    noted = path.with_name(path.name + CHECKSUM)
    if not noted.exists() or noted.read_text(encoding="ascii") != checksum(path):
        raise NetworkUnavailableError(
            f"ns-3: expected {path} as it was built, found it cut short or changed; build it again"
            " with: python -m ns3_scenarios.precompile"
        )
    return True


def clean_environment(header: Path | None) -> None:
    """Let cppyy find nothing of the user's environment, and leave the header as it is.

    Without CLING_REBUILD_PCH=0 it writes another header over one that is older than its own
    includes. Without EXTRA_CLING_ARGS it compiles for the processor at hand, and a header that one
    machine made is refused on another.
    """
    for name in list(os.environ):
        if name.startswith(FOREIGN):
            del os.environ[name]
    os.environ["EXTRA_CLING_ARGS"] = "-O2"
    os.environ["CLING_REBUILD_PCH"] = "0"
    if header is not None:
        os.environ["CLING_STANDARD_PCH"] = str(header)
