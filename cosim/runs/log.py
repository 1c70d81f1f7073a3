"""The log of a run: in its folder, and on the terminal, beside a bar only the warnings."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tqdm import tqdm

from cosim.files import one_line

log = logging.getLogger("cosim")
# Begins what a line of the log warns of, behind its time.
WARNING = "warning: "


class _LogFile(logging.FileHandler):
    """A log that a full disk or a vanished folder does not stop: the tables tell of that."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say nothing."""

    def close(self) -> None:
        """Close, whatever can still be written."""
        with suppress(OSError):
            super().close()


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        what = WARNING if record.levelno >= logging.WARNING else ""
        return one_line(f"{self.formatTime(record)} {what}{record.getMessage()}")


class _AboveBar(logging.Handler):
    """Lines that a bar does not overwrite."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print above the bar."""
        with suppress(OSError):  # the terminal is gone, the file stands
            tqdm.write(self.format(record), file=sys.stderr)


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Write the log into the run folder and to the terminal, of which a bar leaves the warnings."""
    handlers: list[logging.Handler] = [_LogFile(path, encoding="utf-8", errors="backslashreplace")]
    if sys.stderr.isatty():
        handlers.append(_AboveBar(logging.WARNING))
    else:
        handlers.append(logging.StreamHandler())
    log.setLevel(logging.INFO)
    for handler in handlers:
        handler.setFormatter(_OneLine())
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()
