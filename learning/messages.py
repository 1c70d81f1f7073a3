"""What the learning side and the network tell each other about messages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Payload:
    """What devices send to each neighbour: part_bytes (n, p), 0 where a device lacks the part."""

    parts: tuple[str, ...]
    part_bytes: NDArray[np.int64]


@dataclass(frozen=True)
class PartialMessage:
    """A part of which some chunks are missing: chunk_arrived of the encoded message, bool."""

    sender: int
    receiver: int
    part: int
    chunk_bytes: int
    chunk_arrived: NDArray[np.bool_]


@dataclass(frozen=True)
class LateArrivals:
    """Messages of the round before whose rest came in this one: arrived (n, n, p).

    advertised_degree (n, p): as they say, which is what their senders believed then.
    """

    arrived: NDArray[np.bool_]
    advertised_degree: NDArray[np.int64]


@dataclass(frozen=True)
class Delivery:
    """What came through: arrived (n, n, p) [sender, receiver, part], whole and in time.

    advertised_degree (n, p): the number of neighbours that the sender believed it shares the part
    with, as written in its message. partial: messages of which only some chunks came. offered
    (n, n, p): who sent what to whom, which the senders know; mixing push_sum needs it. late: what
    came a round late; nobody sends a part of two rounds to one receiver.
    """

    arrived: NDArray[np.bool_]
    advertised_degree: NDArray[np.int64]
    partial: tuple[PartialMessage, ...] = ()
    offered: NDArray[np.bool_] | None = None
    late: LateArrivals | None = None
