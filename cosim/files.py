"""Files read and replaced whole, and text that fits on one line."""

from __future__ import annotations

import hashlib
import os
import stat
from functools import cache
from pathlib import Path

CHUNK_BYTES = 1 << 20
LONGEST_LINE = 2000


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def known_hash(path: Path) -> str:
    """Return the SHA-256 of a file that others change, if anybody; read anew when it has changed.

    By its time and size: enough for sources and data, not for what is to be verified.
    """
    found = path.stat()
    return _hash_at(path.resolve(), found.st_mtime_ns, found.st_size)


@cache
def _hash_at(path: Path, time_ns: int, num_bytes: int) -> str:
    return file_hash(path)


def content_hash(content: bytes) -> str:
    """Return the SHA-256 of what a file holds or will hold."""
    return hashlib.sha256(content).hexdigest()


def is_regular(path: Path) -> bool:
    """Tell whether a path is a plain file itself: no link, folder, pipe or device."""
    return stat.S_ISREG(path.lstat().st_mode)


def read_regular(path: Path, most_bytes: int) -> bytes:
    """Read a plain file or one behind a link; OSError for a device, a pipe or one too large.

    Devices and pipes can be read without end, or never answer.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(file, "rb") as opened:
        found = os.fstat(file)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(0, "a folder", str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "a device or pipe", str(path))
        content = opened.read(most_bytes + 1)  # files of /proc say that they are empty
    if len(content) > most_bytes:
        raise OSError(0, f"larger than {most_bytes / 1e6:g} MB", str(path))
    return content


def replace_whole(path: Path, content: bytes, mark: str = "") -> None:
    """Put a whole file in the place of another: at no time is there half of it.

    mark: in the name of the half, where several processes may write the same file.
    """
    new = path.with_suffix(f"{mark}.new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def one_line(text: object) -> str:
    """Return text as one line that any terminal shows: no breaks, no control characters."""
    words = " ".join(str(text).split())
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)
    return shown if len(shown) <= LONGEST_LINE else f"{shown[:LONGEST_LINE]}..."
