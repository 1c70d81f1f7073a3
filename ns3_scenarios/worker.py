"""Keeps ns-3 in a child process, so that its aborts cannot take the learning state with them.

The parent speaks to the child over a socket pair in pickled tuples: (verb, argument) one way,
("ok", result) or ("error", kind, text) back. What ns-3 prints goes to a log file, whose end is
quoted when the child dies. The child starts fresh (never forked: a fork after a simulation gives
other results), ignores Ctrl-C (the parent decides) and dies with its parent.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ns3_scenarios.errors import NetworkFailedError, NetworkUnavailableError, ScenarioError

if TYPE_CHECKING:
    from ns3_scenarios.arrays import FloatArray
    from ns3_scenarios.reports import RoundReport
    from ns3_scenarios.scenario import NetworkScenario
    from ns3_scenarios.traffic import RoundTraffic

START_LIMIT_S = 300.0
# Harmless words of Cling, and lines of its stack trace (which a debugger wraps), that nobody should
# have to wonder about.
NOISE = re.compile(r"\[runStaticInitializersOnce\]|#\d|entry=|0x\w+: |Thread \d| \*\*\* Break")


class Ns3Network:
    """A network of ns-3 in a child process: `run_round` until `close`.

    Make it in the main thread: the child dies with the thread that made it.
    """

    def __init__(
        self, scenario: NetworkScenario, log_path: Path, wall_limit_s: float = 3600.0
    ) -> None:
        """Start the child; it loads ns-3 while the caller goes on. Errors come with `wait_ready`.

        wall_limit_s: a round that takes longer on the wall clock counts as hung.
        """
        self._log_path = log_path
        self._wall_limit_s = wall_limit_s
        self._started_s = time.monotonic()
        ours, theirs = socket.socketpair()
        # The child takes this package from where it is, whatever lies in the working folder.
        root = str(Path(__file__).resolve().parents[1])
        code = f"import sys; sys.path[0] = {root!r}; from ns3_scenarios.worker import main; main()"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        theirs.close()
        self._connection = Connection(ours.detach())
        self._ready = False
        self._send("open", (scenario, log_path.resolve().parent), "while ns-3 started")
        self.start_s = 0.0

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Return when the scenario stands; raise what kept ns-3 from starting."""
        if not self._ready:
            self._receive("while ns-3 started", START_LIMIT_S)
            self._ready = True
            self.start_s = time.monotonic() - self._started_s

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        """Run one round; raise NetworkFailedError if ns-3 dies or hangs in it."""
        self.wait_ready()
        when = f"in round {traffic.round_index}"
        self._send("run_round", traffic, when)
        report: RoundReport = self._receive(when, self._wall_limit_s)
        return report

    def audit_state_s(self, boundaries_s: list[float]) -> FloatArray:
        """See Session.audit_state_s."""
        when = "in the energy audit"
        self._send("audit_state_s", boundaries_s, when)
        audit: FloatArray = self._receive(when, self._wall_limit_s)
        return audit

    def memory_bytes(self) -> int:
        """Return the resident memory of the child [bytes]."""
        statm = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        """End the child; safe to call more than once and after a failure."""
        self._connection.close()
        try:
            self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End the child at once."""
        self._process.kill()
        self.close()

    def _send(self, verb: str, argument: Any, when: str) -> None:
        try:
            self._connection.send((verb, argument))
        except OSError:
            raise self._failure(when) from None

    def _receive(self, when: str, limit_s: float) -> Any:
        try:
            if not self._connection.poll(limit_s):
                self._process.kill()
                raise self._failure(when, f"did not answer within {limit_s:.0f} s and was killed")
            answer = self._connection.recv()
        except (EOFError, OSError):  # the latter when it died in the middle of an answer
            raise self._failure(when) from None
        if answer[0] == "ok":
            return answer[1]
        _, kind, text = answer
        self.close()
        raise {"ScenarioError": ScenarioError, "unavailable": NetworkUnavailableError}.get(
            kind, NetworkFailedError
        )(text if kind != "failed" else f"ns-3 failed {when}: {text}")

    def _failure(self, when: str, what: str = "") -> NetworkFailedError:
        """Describe a dead child by its exit code and its last words."""
        self._connection.close()
        code = self._process.wait()
        if not what:
            ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            what = f"died ({ended})"
        return NetworkFailedError(f"ns-3 {what} {when}; its last words: {self._last_words()}")

    def _last_words(self, lines: int = 4) -> str:
        text = self._log_path.read_text(encoding="utf-8", errors="replace")
        said = [
            line.strip() for line in text.splitlines() if line.strip() and not NOISE.match(line)
        ]
        return " | ".join(said[-lines:]) or "none"


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent is gone, also in the middle of a round."""
    parent_death_signal = 1  # PR_SET_PDEATHSIG, linux/prctl.h
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)


def serve(connection: Connection) -> None:
    """Answer the parent's verbs until it closes the connection."""
    from ns3_scenarios.session import Session

    session: Session | None = None
    while True:
        try:
            verb, argument = connection.recv()
        except EOFError:
            break
        try:
            if verb == "open":
                session = Session(*argument)
                result: Any = None
            else:
                result = getattr(session, verb)(argument)
        except ScenarioError as error:
            connection.send(("error", "ScenarioError", str(error)))
        except NetworkUnavailableError as error:
            connection.send(("error", "unavailable", str(error)))
        except Exception as error:  # the parent reports it, whatever it is
            text = " ".join(str(error).split())
            connection.send(("error", "failed", f"{type(error).__name__}: {text}"))
            raise
        else:
            connection.send(("ok", result))
    if session is not None:
        session.close()


def main() -> None:
    """Run the child process; its argument is the file descriptor of the socket pair."""
    _die_with_parent()
    # Ctrl-C and a batch system's SIGTERM reach the whole group; the parent ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve(Connection(int(sys.argv[1])))
    # ns-3's and Cling's static destructors have nothing left to do and can crash doing it.
    sys.stdout.flush()
    os._exit(0)
