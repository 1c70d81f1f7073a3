"""Objects between two processes over a socket, each of them whole within a limit of time."""

from __future__ import annotations

import pickle
import socket
import struct
import time
from typing import Any

LENGTH = struct.Struct("!Q")


def send(connection: socket.socket, value: Any, until_s: float | None = None) -> None:
    """Send an object; raise TimeoutError if its last byte has not left by until_s.

    until_s: on the clock of `time.monotonic`, None for no limit. Raises OSError where the other
    end is gone.
    """
    data = pickle.dumps(value)
    connection.settimeout(_left_s(until_s))
    connection.sendall(LENGTH.pack(len(data)) + data)  # the limit is that of all of it


def receive(connection: socket.socket, until_s: float | None = None) -> Any:
    """Return the next object; raise TimeoutError if its last byte is not there by until_s.

    Raises EOFError where the other end has closed, also within an object.
    """
    (size,) = LENGTH.unpack(_exactly(connection, LENGTH.size, until_s))
    return pickle.loads(_exactly(connection, size, until_s))


def _exactly(connection: socket.socket, size: int, until_s: float | None) -> bytearray:
    got = bytearray()
    while len(got) < size:
        connection.settimeout(_left_s(until_s))
        part = connection.recv(min(size - len(got), 1 << 20))
        if not part:
            raise EOFError("the other end has closed the connection")
        got += part
    return got


def _left_s(until_s: float | None) -> float | None:
    if until_s is None:
        return None
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
