"""The errors that end a run with one line: what each says, and its exit code."""

from __future__ import annotations

import errno
import os

from cosim.errors import ConfigError, OutputError, UnderWayError
from cosim.files import one_line
from learning.errors import LearningError
from ns3_scenarios.errors import NetworkFailedError, NetworkUnavailableError, ScenarioError

FINISHED = 0
BAD_INPUT = 2
FAILED = 3
UNDER_WAY = 4
INTERRUPTED = 130
EXIT_CODES = {
    FINISHED: "finished",
    BAD_INPUT: "bad input, nothing written",
    FAILED: "the network failed, or memory ran out; finished rounds are kept",
    UNDER_WAY: "another process runs in that folder",
    INTERRUPTED: "interrupted; finished rounds are kept",
}

# What is told in one line, and the exit code that it brings.
KINDS: dict[type[Exception], int] = {
    ConfigError: BAD_INPUT,
    UnderWayError: UNDER_WAY,  # the first that fits counts
    OutputError: BAD_INPUT,
    LearningError: BAD_INPUT,
    ScenarioError: BAD_INPUT,
    NetworkUnavailableError: BAD_INPUT,
    NetworkFailedError: FAILED,
    UnicodeError: BAD_INPUT,
    OSError: BAD_INPUT,
    MemoryError: FAILED,
    RecursionError: FAILED,
}
ONE_LINE = tuple(KINDS)
# Numbers of the system that speak of a path.
OF_PATHS = {
    *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR),
    *(errno.ELOOP, errno.ENAMETOOLONG, errno.EEXIST),
}


def said(error: BaseException) -> str:
    """Return what an error says, in one line; those of the system name the file."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        if error.errno == errno.ENOENT and not _working_folder_exists():
            where, remedy = "the working folder: ", "; it was taken away, so change to another"
        else:
            remedy = "; check the path and its permissions" if error.errno in OF_PATHS else ""
        return one_line(f"{where}{error.strerror}{remedy}")
    if isinstance(error, MemoryError):
        return f"expected enough memory, got too little ({one_line(error) or 'none left'})"
    if isinstance(error, RecursionError | UnicodeError):
        return one_line(f"{type(error).__name__}: {error}")
    return one_line(error)


def _working_folder_exists() -> bool:
    try:
        return bool(os.getcwd())
    except OSError:
        return False


def exit_code(error: Exception) -> int:
    """Return the exit code of one of these errors."""
    return next(code for kind, code in KINDS.items() if isinstance(error, kind))
