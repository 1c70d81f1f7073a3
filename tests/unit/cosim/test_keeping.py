"""Rounds are stored beside the next one: in their order, whole, whatever ends the run."""

import signal
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from cosim.runs import endings, keeping
from cosim.runs.keeping import keeping as keep_rounds


@dataclass
class Slow:
    """A folder that takes its time, and cannot store one of its rounds."""

    fails_in: int = -1
    num_rounds: int = 0
    stored: list[int] = field(default_factory=list)

    def add(self, tables: Any, state: Any, memory: Any) -> None:
        time.sleep(0.2)
        if self.num_rounds == self.fails_in:
            raise OSError("disk full")
        self.stored.append(tables)
        self.num_rounds += 1


@dataclass
class Round:
    memory: None = None


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    said: list[Any] = []
    monkeypatch.setattr(keeping, "progress", lambda *_: _Saying(said))
    return said


class _Saying:
    def __init__(self, said: list[Any]) -> None:
        self.said = said

    def __enter__(self) -> Any:
        return self.said.append

    def __exit__(self, *_: object) -> None:
        pass


def test_a_round_is_stored_while_the_next_one_goes_on_and_said_once_it_is(said: list[Any]) -> None:
    folder, rounds = Slow(), [Round(), Round(), Round()]
    with keep_rounds(folder, 3) as keep:  # type: ignore[arg-type]
        for index, each in enumerate(rounds):
            began = time.monotonic()
            keep(each, index, {})  # type: ignore[arg-type]
            assert len(folder.stored) >= index  # those before it
            if index == 0:
                assert time.monotonic() - began < 0.15
                assert said == []
    assert folder.stored == [0, 1, 2]
    assert all(one is other for one, other in zip(said, rounds, strict=True))


def keep_all(folder: Slow, rounds: int, also: Any = lambda index: None) -> list[int]:
    """Store rounds, each of which does something else besides; return those that were begun."""
    begun = []
    with keep_rounds(folder, rounds) as keep:  # type: ignore[arg-type]
        for index in range(rounds):
            begun.append(index)
            keep(Round(), index, {})  # type: ignore[arg-type]
            also(index)
    return begun


@pytest.mark.parametrize(("fails_in", "rounds"), [(1, 9), (2, 3), (0, 1)])
def test_what_a_disk_refuses_ends_the_run_with_the_rounds_before_kept(
    fails_in: int, rounds: int
) -> None:
    folder = Slow(fails_in)
    with pytest.raises(OSError, match="disk full"):
        keep_all(folder, rounds)
    assert folder.stored == list(range(fails_in))


def test_a_run_that_is_interrupted_keeps_the_round_that_is_being_stored() -> None:
    def interrupt(index: int) -> None:
        raise KeyboardInterrupt

    folder = Slow()
    with pytest.raises(KeyboardInterrupt):
        keep_all(folder, 9, interrupt)
    assert folder.stored == [0]


def test_a_signal_while_a_round_waits_to_be_stored_ends_the_run_behind_it() -> None:
    def signal_soon(index: int) -> None:
        endings.raise_if_lost()
        threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGTERM)).start()

    folder, main = Slow(), threading.get_ident()
    with endings.put_back():
        endings.take()
        with pytest.raises(KeyboardInterrupt):
            keep_all(folder, 9, signal_soon)
    assert folder.stored == [0, 1]
