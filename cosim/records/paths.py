"""Where the folder of a run can be: under its name once complete, as DIR.partial till then.

A folder is made whole under a hidden name beside it, then renamed: nobody ever finds half of one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import socket
import time
from pathlib import Path

from cosim.errors import OutputError, UnderWayError
from cosim.program import CHECKOUT, PROGRAM, ROOT
from cosim.records.layout import LOG, MANIFEST
from cosim.records.manifest import is_complete

PARTIAL = ".partial"
# Tables, figures and report of a default run take about 3 MB.
LEAST_FREE_BYTES = 50_000_000
HIDDEN = ".cosim-new-"
LOCK_ATTEMPTS, LOCK_PAUSE_S = 5, 0.02


def results() -> Path:
    """Return where runs go that name no output: into the checkout, or else the working folder."""
    return (ROOT if CHECKOUT else Path.cwd()) / "results" / "runs"


def whole_path(folder: Path) -> Path:
    """Return a path without links, as far as it exists; in a loop of links it stays as it is."""
    return Path(os.path.realpath(folder))


def partial_of(final: Path) -> Path:
    """Return where a run is while it is under way."""
    return final.parent / (final.name + PARTIAL)


def without_partial(folder: Path) -> Path:
    """Return the final name of a run's folder, which may be given by that of its unfinished one."""
    whole = whole_path(folder)
    return whole.parent / whole.name.removesuffix(PARTIAL)


def check_place(final: Path) -> None:
    """Raise OutputError unless a new run can be put there."""
    if final.name.endswith(PARTIAL):
        raise OutputError(
            f"--output: expected a name that does not end in {PARTIAL}, as those of unfinished"
            f" runs do, got {final}; choose another"
        )
    try:
        _check_partial(final)
        check_final(final)
        _check_above(final)
    except OSError as error:
        raise cannot_write(final, error) from None


def _check_above(final: Path) -> None:
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


def _check_partial(final: Path) -> None:
    partial = partial_of(final)
    if not os.path.lexists(partial) or (partial.is_dir() and not any(partial.iterdir())):
        return
    if not (partial / MANIFEST).exists():
        raise OutputError(
            f"--output: expected a new folder, got {partial}, which holds other files than those of"
            " a run; move it away, or choose another with --output DIR"
        )
    if is_held(partial):
        raise UnderWayError(f"--output: {under_way(partial)}")
    raise OutputError(
        f"--output: expected a new folder, got an unfinished run in {partial}; go on with"
        f" `{PROGRAM} resume {final}`, delete it, or choose another with --output DIR"
    )


def check_final(final: Path) -> None:
    """Raise OutputError unless the final name is free, or an empty folder."""
    if os.path.lexists(final) and (not final.is_dir() or any(final.iterdir())):
        what = "other files"
        if is_complete(final):
            what = "a finished run"
        elif (final / MANIFEST).exists():
            what = f"a run that is not whole (`{PROGRAM} verify {final}` says what is wrong)"
        raise OutputError(
            f"--output: expected a new or empty folder, got {final}, which holds {what};"
            " choose another with --output DIR"
        )


def under_way(partial: Path) -> str:
    """Say that another process runs there."""
    return f"expected no run under way in {partial}, got one; wait for it, or end it"


def missing_above(final: Path) -> list[Path]:
    """Return the folders above a run's that are still to be made, innermost first."""
    return [parent for parent in final.parents if not parent.exists()]


def hidden_name(final: Path) -> Path:
    """Return the name beside a folder under which this process makes or deletes it.

    Removes what processes that are dead have left there.
    """
    host = re.sub(r"\W", "_", socket.gethostname())[:60]
    for path in final.parent.glob(f"{HIDDEN}{host}-*"):
        pid = path.name.rpartition("-")[2]
        dead = pid.isdecimal() and (int(pid) == os.getpid() or not Path(f"/proc/{pid}").exists())
        if dead and not is_held(path):
            shutil.rmtree(path, ignore_errors=True)
    return final.with_name(f"{HIDDEN}{host}-{os.getpid()}")


def claim(new: Path, final: Path) -> None:
    """Give a folder, made whole, the name of a run under way; the first of two gets it."""
    try:
        new.rename(partial_of(final))  # fails where there is one that is not empty
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            _check_partial(final)
        raise
    try:
        check_final(final)  # another may have begun and ended meanwhile
    except OutputError:
        partial_of(final).rename(new)
        raise


def lock(path: Path) -> int | None:
    """Hold a file until it is closed or this process ends; None if another holds it.

    Where a file system has no locks, that one folder has one run is up to the user.
    """
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    for left in reversed(range(LOCK_ATTEMPTS)):  # who only looks has it for an instant
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if left == 0:
                os.close(held)
                return None
            time.sleep(LOCK_PAUSE_S)
            continue
        except OSError:
            pass
        break
    return held


def is_held(folder: Path) -> bool:
    """Tell whether a run is under way in a folder."""
    try:
        held = os.open(folder / LOG, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # there is none, or one may not even look
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)  # of two that look, none hinders the other
    except BlockingIOError:
        return True
    except OSError:
        pass
    finally:
        os.close(held)
    return False


REMEDIES = {
    errno.ENOSPC: "free space or choose another with {flag} DIR",
    errno.EDQUOT: "free space or choose another with {flag} DIR",
    errno.ENAMETOOLONG: "choose a shorter one with {flag} DIR",
    errno.ENOENT: "it was taken away meanwhile",
}


def cannot_write(folder: Path, error: OSError, flag: str = "--output") -> OutputError:
    """Say why a folder cannot be written; flag: which names another."""
    remedy = REMEDIES.get(error.errno or 0, "choose another with {flag} DIR").format(flag=flag)
    why = error.strerror or error
    return OutputError(
        f"{flag}: expected a folder that can be written, got {folder} ({why}); {remedy}"
    )
