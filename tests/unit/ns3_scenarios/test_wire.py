"""The conversation of two processes: whole objects, or the limit of time."""

import pickle
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from ns3_scenarios import wire

pytestmark = pytest.mark.timeout(60)
Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def soon() -> float:
    return time.monotonic() + 0.2


def test_objects_come_in_order_and_unchanged(ends: Ends) -> None:
    sent = [("run_round", {"a": [1, 2.5, None]}), b"", "x" * 50_000]
    for each in sent:
        wire.send(ends[0], each, soon())
    assert [wire.receive(ends[1], soon()) for _ in sent] == sent


def test_more_than_a_socket_holds_that_nobody_reads_ends_at_the_limit(ends: Ends) -> None:
    with pytest.raises(TimeoutError):
        wire.send(ends[0], bytes(20_000_000), soon())


@pytest.mark.parametrize("sent_bytes", [0, 3, 8, 9, 100])
def test_a_part_of_an_answer_does_not_outlast_the_limit(ends: Ends, sent_bytes: int) -> None:
    data = pickle.dumps(bytes(1000))
    ends[0].sendall((wire.LENGTH.pack(len(data)) + data)[:sent_bytes])
    with pytest.raises(TimeoutError):
        wire.receive(ends[1], soon())


@pytest.mark.parametrize("sent_bytes", [0, 3, 8, 100])
def test_a_close_within_an_answer_is_told_as_an_end(ends: Ends, sent_bytes: int) -> None:
    data = pickle.dumps(bytes(1000))
    ends[0].sendall((wire.LENGTH.pack(len(data)) + data)[:sent_bytes])
    ends[0].close()
    with pytest.raises(EOFError):
        wire.receive(ends[1], soon())


def test_bytes_that_trickle_in_do_not_renew_the_limit(ends: Ends) -> None:
    ends[0].sendall(wire.LENGTH.pack(1 << 40))
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(0.01):
            ends[0].sendall(bytes(64))

    sender = threading.Thread(target=trickle)
    sender.start()
    with pytest.raises(TimeoutError):
        wire.receive(ends[1], soon())
    over.set()
    sender.join()
