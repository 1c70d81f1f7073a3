"""Signals that end a run: batch systems send SIGTERM, terminals that close SIGHUP."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)
ALL = (signal.SIGINT, *LIKE_CTRL_C)


def take() -> None:
    """Let all of them leave the finished rounds, as Ctrl-C does."""
    for each in LIKE_CTRL_C:
        if signal.getsignal(each) != signal.SIG_IGN:  # as nohup wants it
            signal.signal(each, signal.default_int_handler)


def ignore() -> None:
    """Let no second signal stop the saving of what is finished."""
    if threading.current_thread() is threading.main_thread():  # others get no signals
        for each in ALL:
            signal.signal(each, signal.SIG_IGN)


@contextmanager
def put_back() -> Iterator[None]:
    """Leave the handlers of signals as they were before."""
    before = {each: signal.getsignal(each) for each in ALL}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for each, handler in before.items():
                # None: one that is not Python's, which we cannot put back.
                if handler is not None and signal.getsignal(each) != handler:
                    signal.signal(each, handler)
