"""Where the folder of a run can be: under its name once complete, as DIR.partial till then."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

from cosim.errors import OutputError

PARTIAL = ".partial"
# Tables, figures and report of a default run take about 3 MB.
LEAST_FREE_BYTES = 50_000_000


def is_complete(folder: Path) -> bool:
    """Tell whether a folder holds a finished run."""
    try:
        manifest = read_manifest(folder)
        return isinstance(manifest, dict) and manifest.get("status") == "complete"
    except (OSError, ValueError):
        return False


def without_partial(folder: Path) -> Path:
    """Return the final name of a run's folder, which may be given by that of its unfinished one."""
    whole = folder.resolve()
    return whole.parent / whole.name.removesuffix(PARTIAL)


def stored_config(folder: Path) -> Path:
    """Return where the configuration of an unfinished run stands; OutputError if nowhere."""
    path = folder.parent / (folder.name + PARTIAL) / "config.toml"
    if not path.is_file():
        raise OutputError(
            f"resume: expected an unfinished run, got no {path};"
            " name its folder, with or without .partial"
        )
    return path


def check_place(final: Path, partial: Path) -> None:
    """Raise OutputError unless a new run can be put there."""
    if final.name.endswith(PARTIAL):
        raise OutputError(
            f"--output: expected a name that does not end in {PARTIAL}, as those of unfinished"
            f" runs do, got {final}; choose another"
        )
    if partial.exists():
        _refuse_partial(final, partial)
    check_final(final)
    above = next(parent for parent in final.parents if parent.exists())
    if not above.is_dir():
        raise OutputError(
            f"--output: expected a folder that can be made, got {final}, but {above} is a file;"
            " choose another with --output DIR"
        )
    if not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(
            f"--output: expected a folder that can be written, got {final} ({above} is read-only);"
            " choose another with --output DIR"
        )
    free_bytes = shutil.disk_usage(above).free
    if free_bytes < LEAST_FREE_BYTES:
        raise OutputError(
            f"--output: expected {LEAST_FREE_BYTES / 1e6:.0f} MB of free space, got"
            f" {free_bytes / 1e6:.0f} MB at {above}; free space or choose another with --output DIR"
        )


def _refuse_partial(final: Path, partial: Path) -> None:
    if not (partial / "manifest.json").exists():
        raise OutputError(
            f"--output: expected a new folder, got {partial}, in which no run has begun;"
            " look at it, then delete it, or choose another with --output DIR"
        )
    if _is_held(partial / "log.txt"):
        raise OutputError(f"--output: {under_way(partial)}")
    raise OutputError(
        f"--output: expected a new folder, got an unfinished run in {partial}; go on with"
        f" `run.py resume {final}`, delete it, or choose another with --output DIR"
    )


def check_final(final: Path) -> None:
    """Raise OutputError unless the final name is free, or an empty folder."""
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        what = "a finished run" if is_complete(final) else "other files"
        raise OutputError(
            f"--output: expected a new or empty folder, got {final}, which holds {what};"
            " choose another with --output DIR"
        )


def under_way(partial: Path) -> str:
    """Say that another process runs there."""
    return f"expected no run under way in {partial}, got one; wait for it, or end it"


def lock(path: Path) -> int | None:
    """Hold a file until it is closed or this process ends; None if another holds it.

    Where a file system has no locks, that one folder has one run is up to the user.
    """
    held = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    except OSError:
        pass
    return held


def _is_held(path: Path) -> bool:
    try:
        held = lock(path)
    except OSError:  # one may not even look
        return False
    if held is not None:
        os.close(held)
    return held is None


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read what is known of a run; OSError or ValueError where there is nothing to be read."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def replace_whole(path: Path, content: bytes) -> None:
    """Put a whole file in the place of another: at no time is there half of it."""
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def cannot_write(folder: Path, error: OSError) -> OutputError:
    """Say why a folder cannot be written."""
    return OutputError(
        f"--output: expected a folder that can be written, got {folder} ({error.strerror});"
        " free space or choose another with --output DIR"
    )
