"""Signals that end a run: batch systems send SIGTERM, terminals that close SIGHUP."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_asked, _held = threading.Event(), threading.Event()


def take() -> None:
    """Let all of them leave the finished rounds, as Ctrl-C does."""
    _asked.clear()
    for each in ALL:
        if signal.getsignal(each) != signal.SIG_IGN:  # as nohup wants it
            signal.signal(each, interrupt)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Handle a signal: raise KeyboardInterrupt, and remember it."""
    _asked.set()
    if not _held.is_set():
        raise KeyboardInterrupt


@contextmanager
def held() -> Iterator[None]:
    """Let signals that come meanwhile wait for raise_if_lost.

    A KeyboardInterrupt between a lock's being taken and its block would leave it taken, and the
    thread that waits for it waiting.
    """
    _held.set()
    try:
        yield
    finally:
        _held.clear()


def raise_if_lost() -> None:
    """Raise KeyboardInterrupt if one was asked for and is lost.

    Python drops what is raised while it deletes an object, or is called back from C.
    """
    if _asked.is_set():
        raise KeyboardInterrupt


def ignore() -> None:
    """Let no second signal stop the saving of what is finished."""
    if threading.current_thread() is threading.main_thread():  # others get no signals
        for each in ALL:
            signal.signal(each, signal.SIG_IGN)


@contextmanager
def put_back() -> Iterator[None]:
    """Leave the handlers of signals as they were before."""
    _asked.clear()
    before = {each: signal.getsignal(each) for each in ALL}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for each, handler in before.items():
                # None: one that is not Python's, which we cannot put back.
                if handler is not None and signal.getsignal(each) != handler:
                    signal.signal(each, handler)
