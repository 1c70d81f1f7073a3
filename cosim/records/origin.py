"""What makes a run: its configuration, the code, packages and files; and the id made of them."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from cosim import arithmetic
from cosim.config.model import RunConfig
from cosim.config.sources import to_toml
from cosim.errors import OutputError
from cosim.files import content_hash, file_hash
from cosim.records.code_version import code_version, source_version
from cosim.records.manifest import Manifest
from cosim.records.user_files import given_files, own_files, recorded_files
from cosim.seeds import NS3_RNG_SEED
from learning.data.samples import MultiModalData
from learning.device import name_of
from ns3_scenarios.description.network_kind import NETWORK_KINDS
from ns3_scenarios.surrogate import fitted

PACKAGES = ("ns3", "cppyy", "torch", "numpy", "scipy", "pandas", "pyarrow", "pydantic", "seglearn")
SAME = ("config_sha256", "code_version", "versions", "own_files_sha256", "data_sha256")


def origin_of(config: RunConfig, data: MultiModalData | None) -> dict[str, Any]:
    """Say what makes a run: configuration, data, code, versions, seeds, network kind, host."""
    return {
        "scenario": config.scenario,
        "network_kind": config.network.kind,
        "network_fit": network_fit(config),
        "sync": config.network.sync,
        "seed": config.seed,
        "RngSeed": NS3_RNG_SEED,
        "RngRun": config.seed,
        "data_sha256": data.sha256() if data else content_hash(b""),
        **config_origin(config),
        **code_origin(),
        "host": {
            "system": platform.platform(),
            "processor": processor(),
            "torch_instructions": torch.backends.cpu.get_cpu_capability(),
            # What computes, whatever was asked for.
            "arithmetic": arithmetic.in_use(),
            "gpu": name_of(config.learning.device),
        },
    }


def network_fit(config: RunConfig) -> str:
    """Say what a network that was fitted to another is worth; empty where it was not."""
    if not NETWORK_KINDS[config.network.kind].is_fitted:
        return ""
    return fitted.remark(config.scenario, config.network.num_devices)


def config_origin(config: RunConfig) -> dict[str, Any]:
    """Return the hashes of the configuration, of the user's files that it names, of its record."""
    files = (*own_files(config), *recorded_files(config))
    return {
        "config_sha256": content_hash(to_toml(config).encode()),
        "own_files_sha256": {str(file): file_hash(file) for file in files},
    }


def code_origin() -> dict[str, Any]:
    """Return the versions of the code and of the packages."""
    return {
        "code_version": code_version(),
        "source_version": source_version(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def run_id(config: RunConfig) -> str:
    """Return the id of a run: a hash of its resolved configuration, data, own files and code."""
    own = [file_hash(file) for file in given_files(config)]
    text = to_toml(config) + code_version() + "".join(own)
    return content_hash(text.encode())[:10]


def check_same(before: Manifest, now: dict[str, Any]) -> None:
    """Refuse to go on with other code, packages, files, data or fields; now: some of these."""
    for what, was, got in others(before, now):
        raise OutputError(
            f"resume: expected {what} {was} as when the run began, got {got};"
            " put back what was changed, or start anew with --output DIR"
        )


def others(before: Manifest, now: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield what of code, packages, files, data or fields is another: its name, before, now."""
    for name in (each for each in SAME if each in now):
        was, got = getattr(before, name), now[name]
        if not isinstance(was, dict):
            yield from [(name, was, got)] if was != got else []
            continue
        for key in dict.fromkeys((*was, *got)):
            if was.get(key) != got.get(key):
                yield f"{name} of {key}", was.get(key), got.get(key)


def processor() -> str:
    """Name the processor as Linux does, or else by its kind."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _versions() -> dict[str, str]:
    """Versions of what a run may use; some kinds of run need not have all of it."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
