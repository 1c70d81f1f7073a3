"""Standard streams that can be closed, full or narrow without a run noticing; the log stands."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


def open_missing() -> None:
    """Open the null device where a standard stream was closed, or files would get its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, _Lost(number))


class _Lost(io.TextIOWrapper):
    """A standard stream that was closed when the program started."""

    def __init__(self, number: int) -> None:
        file = io.FileIO(number, "r" if number == 0 else "w", closefd=False)
        buffered: Any = io.BufferedReader(file) if number == 0 else io.BufferedWriter(file)
        super().__init__(buffered, encoding="utf-8", errors="backslashreplace")


class Forgiving(io.TextIOBase):
    """A text stream whose trouble is remembered, and no error; lost: the first one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None
        if isinstance(stream, _Lost):
            self.lost = OSError(errno.EBADF, os.strerror(errno.EBADF))
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:  # what the terminal cannot show is written as an escape
            reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream behind."""
        return self._stream.encoding

    def isatty(self) -> bool:
        """Tell whether somebody looks on."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the number of the stream behind."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write and flush, unless the stream is lost."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Flush, unless the stream is lost."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        self.lost = self.lost or error
        # What is still in its buffer goes nowhere when the interpreter ends.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)


@contextmanager
def forgiving() -> Iterator[Forgiving]:
    """Write to the terminal without ever failing by it; gives the standard output."""
    open_missing()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Forgiving(before[0]), Forgiving(before[1])
    try:
        yield sys.stdout
    finally:
        sys.stdout, sys.stderr = before
