"""One attempt at one run of a study, in a fresh process: a reused ns-3 changes results."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cosim.failures import UNDER_WAY
from cosim.program import COMMAND
from cosim.studies.folder import StudyFolder

BEAT_S = 30.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h
_running: set[int] = set()
_stopped = threading.Event()


def attempt(root: str, name: str, flags: Sequence[str] = ()) -> int:
    """Start a run, or go on with it; return its exit code, which is kept with what it took.

    flags: of the command line besides configuration and folder. An executor calls this anywhere
    that sees the study's folder and has this package.
    """
    folder = StudyFolder(Path(root))
    if _stopped.is_set():
        return -signal.SIGTERM
    if folder.is_under_way(name, folder.have_locks()):  # it was begun elsewhere meanwhile
        return UNDER_WAY
    given = ["--config", str(folder.config(name)), "--output", str(folder.run(name))]
    command = [*COMMAND, *given, "--or-resume", *flags]
    number = len(folder.attempts(name)) + 1
    started = time.time()
    with folder.log(name).open("ab") as log, _beating(folder.beat(name)):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - it calls one function of the system
        )
        _running.add(process.pid)
        try:
            if _stopped.is_set():
                process.terminate()
            _, status, used = os.wait4(process.pid, 0)
        finally:
            _running.discard(process.pid)
        code = process.returncode = os.waitstatus_to_exitcode(status)
    folder.add_attempt(
        name,
        rc=code,
        attempt=number,
        node=socket.gethostname(),
        job=os.environ.get("SLURM_JOB_ID", ""),
        task=os.environ.get("SLURM_ARRAY_TASK_ID", ""),
        started_s=round(started, 3),
        seconds=round(time.time() - started, 3),
        cpu_s=round(used.ru_utime + used.ru_stime, 3),
        peak_memory_mb=round(used.ru_maxrss / 1024, 1),
    )
    return code


def stop() -> None:
    """End all attempts of this process, as a batch system does: finished rounds are kept."""
    _stopped.set()
    for pid in tuple(_running):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _end_with_parent() -> None:
    """Have Linux end this process, with its finished rounds, when its parent is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def _beating(path: Path) -> Iterator[None]:
    """Touch a file now and then, a sign of life where locks do not work."""
    done, owner = threading.Event(), f"{socket.gethostname()} {os.getpid()}"

    def beat() -> None:
        while True:
            with contextlib.suppress(OSError):
                path.write_text(owner, encoding="utf-8")
            if done.wait(BEAT_S):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        with contextlib.suppress(OSError):
            if path.read_text("utf-8") == owner:
                path.unlink()
