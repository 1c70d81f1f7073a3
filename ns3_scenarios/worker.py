"""Keeps ns-3 in a child process, so that its aborts cannot take the learning state with them.

The parent speaks to the child over a socket pair in pickled tuples: (verb, argument) one way,
("ok", result) or ("error", kind, text) back, a question and its whole answer within one limit of
wall time. What ns-3 prints goes to a log file, whose end is quoted when the child dies. The child
starts fresh (never forked: a fork after a simulation gives other results), ignores Ctrl-C (the
parent decides) and dies with its parent.
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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ns3_scenarios import wire
from ns3_scenarios.allocator import fast_allocator, preloading
from ns3_scenarios.errors import NetworkFailedError, NetworkUnavailableError, ScenarioError

if TYPE_CHECKING:
    from ns3_scenarios.arrays import FloatArray
    from ns3_scenarios.description.scenario import NetworkScenario
    from ns3_scenarios.reports import RoundReport
    from ns3_scenarios.traffic import RoundTraffic

START_LIMIT_S = 300.0
# How long a child may take to end of its own accord, and to vanish when it is killed.
END_LIMIT_S = 2.0
LAST_BYTES = 1 << 16
# Harmless words of Cling, and Python's list of calls as far as they are ours, that nobody should
# have to wonder about.
NOISE = re.compile(
    r"\[runStaticInitializersOnce\]|Fatal Python error: Aborted|Current thread |Extension modules: "
    r'| *File "<string>"| *File ".*/ns3_scenarios/[\w/]+\.py", line \d+ in '
)


class Ns3Network:
    """A network of ns-3 in a child process: `run_round` until `close`.

    Make it in a thread that outlives it: the child dies with the thread that made it.
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
        self.allocator = fast_allocator()
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=preloading(self.allocator, os.environ),
            )
        theirs.close()
        self._connection = ours
        self._ready = False
        self.start_s = 0.0
        self.start_snr_db: FloatArray
        until_s = self._started_s + START_LIMIT_S
        self._send("open", (scenario, log_path.resolve().parent), until_s, "while ns-3 started")

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Return when the scenario stands; raise what kept ns-3 from starting.

        start_snr_db is from then on that of the links before the first round (LinkReport.snr_db).
        """
        if not self._ready:
            until_s = time.monotonic() + START_LIMIT_S
            self.start_snr_db = self._receive(until_s, "while ns-3 started")
            self._ready = True
            self.start_s = time.monotonic() - self._started_s

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        """Run one round; raise NetworkFailedError if ns-3 dies or hangs in it."""
        self.wait_ready()
        report: RoundReport = self._ask("run_round", traffic, f"in round {traffic.round_index + 1}")
        return report

    def audit_state_s(self, boundaries_s: list[float]) -> FloatArray:
        """See Session.audit_state_s."""
        audit: FloatArray = self._ask("audit_state_s", boundaries_s, "in the energy audit")
        return audit

    def memory_bytes(self) -> int:
        """Return the resident memory of the child [bytes]."""
        statm = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        """End the child; safe to call more than once and after a failure."""
        self._connection.close()
        self._end()

    def kill(self) -> None:
        """End the child at once."""
        self._process.kill()
        self.close()

    def _end(self) -> int | None:
        """Let the child end, or kill it; return its exit code, None if it cannot even be killed."""
        for last_chance in (False, True):
            try:
                return self._process.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                if last_chance:
                    break
                self._process.kill()
        return None

    def _ask(self, verb: str, argument: Any, when: str) -> Any:
        until_s = time.monotonic() + self._wall_limit_s
        self._send(verb, argument, until_s, when)
        return self._receive(until_s, when)

    def _send(self, verb: str, argument: Any, until_s: float, when: str) -> None:
        try:
            wire.send(self._connection, (verb, argument), until_s)
        except OSError as error:
            raise self._failure(when, error) from None

    def _receive(self, until_s: float, when: str) -> Any:
        try:
            answer = wire.receive(self._connection, until_s)
        except (EOFError, OSError) as error:
            raise self._failure(when, error) from None
        if answer[0] == "ok":
            return answer[1]
        _, kind, text = answer
        self.close()
        raise {"ScenarioError": ScenarioError, "unavailable": NetworkUnavailableError}.get(
            kind, NetworkFailedError
        )(text if kind != "failed" else f"ns-3 failed {when}: {text}")

    def _failure(self, when: str, error: Exception) -> NetworkFailedError:
        """Describe a dead child by its exit code and last words, or a silent one by the limit."""
        self._connection.close()
        if isinstance(error, TimeoutError):
            self._process.kill()
            self._end()
            limit_s = self._wall_limit_s if self._ready else START_LIMIT_S
            what = f"did not answer within {limit_s:g} s and was killed"
        else:
            code = self._end() or 0
            ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            what = f"died ({ended})"
        return NetworkFailedError(f"ns-3 {what} {when}; its last words: {self._last_words()}")

    def _last_words(self, lines: int = 4) -> str:
        try:
            with self._log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - LAST_BYTES))
                text = log.read().decode("utf-8", errors="replace")
        except OSError as error:  # the child's death is what is to be told
            return f"not to be read ({error.strerror})"
        said = [
            line.strip() for line in text.splitlines() if line.strip() and not NOISE.match(line)
        ]
        return " | ".join(said[-lines:]) or "none"


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent is gone, also in the middle of a round."""
    parent_death_signal = 1  # PR_SET_PDEATHSIG, linux/prctl.h
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)


def serve(connection: socket.socket) -> None:
    """Answer the parent's verbs until it closes the connection."""
    from ns3_scenarios.session import Session

    session: Session | None = None
    while True:
        try:
            verb, argument = wire.receive(connection)
        except EOFError:
            break
        try:
            if verb == "open":
                session = Session(*argument)
                result: Any = session.link_snr_db()
            else:
                result = getattr(session, verb)(argument)
        except ScenarioError as error:
            wire.send(connection, ("error", "ScenarioError", str(error)))
        except NetworkUnavailableError as error:
            wire.send(connection, ("error", "unavailable", str(error)))
        except Exception as error:  # the parent reports it, whatever it is
            text = " ".join(str(error).split())
            wire.send(connection, ("error", "failed", f"{type(error).__name__}: {text}"))
            raise
        else:
            wire.send(connection, ("ok", result))
    if session is not None:
        session.close()


def main() -> None:
    """Run the child process; its argument is the file descriptor of the socket pair."""
    _die_with_parent()
    # Ctrl-C and a batch system's SIGTERM reach the whole group; the parent ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection = socket.socket(fileno=int(sys.argv[1]))
    # Else whatever this process starts would keep it open, and the parent would not see its death.
    connection.set_inheritable(False)
    serve(connection)
    # ns-3's and Cling's static destructors have nothing left to do and can crash doing it.
    sys.stdout.flush()
    os._exit(0)
