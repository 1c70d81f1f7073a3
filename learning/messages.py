"""What crosses the border of the learning side: messages, and what training did."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from learning.errors import LearningError


@dataclass(frozen=True)
class Payload:
    """What devices send to each neighbour: part_bytes (n, p), 0 where a device lacks the part.

    codecs (n): by which each sends in the round; none: by the configured one. link_bytes (n, n, p)
    [sender, receiver, part]: where lengths differ by receiver, in place of part_bytes, which then
    are the longest.
    """

    parts: tuple[str, ...]
    part_bytes: NDArray[np.int64]
    codecs: tuple[str, ...] | None = None
    link_bytes: NDArray[np.int64] | None = None

    @cached_property
    def message_bytes(self) -> NDArray[np.int64]:
        """How long a message is, (n, n, p) [sender, receiver, part]; 0: there is none.

        A part goes between devices that both have it, unless link_bytes say otherwise.
        """
        if self.link_bytes is not None:
            return self.link_bytes
        return np.where(self.part_bytes[None] > 0, self.part_bytes[:, None], 0)


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
    came a round late; nobody sends a part of two rounds to one receiver. codecs (n): by which each
    device sent, as its messages say; none: by the configured one.
    """

    arrived: NDArray[np.bool_]
    advertised_degree: NDArray[np.int64]
    partial: tuple[PartialMessage, ...] = ()
    offered: NDArray[np.bool_] | None = None
    late: LateArrivals | None = None
    codecs: tuple[str, ...] | None = None


def check_delivery(delivery: Delivery, payload: Payload, alive: NDArray[np.bool_]) -> None:
    """Raise LearningError for wrong shapes, or a part from a device that does not have it."""
    n, p = payload.part_bytes.shape
    check_shape("arrived", delivery.arrived, (n, n, p))
    check_shape("advertised_degree", delivery.advertised_degree, (n, p))
    if delivery.offered is not None:
        check_shape("offered", delivery.offered, (n, n, p))
    check_shape("alive", alive, (n,))
    if delivery.late is not None:
        check_shape("late.arrived", delivery.late.arrived, (n, n, p))
        check_shape("late.advertised_degree", delivery.late.advertised_degree, (n, p))
    ghosts = np.argwhere(delivery.arrived & (payload.part_bytes == 0)[:, None, :])
    if len(ghosts) > 0:
        sender, _, part = ghosts[0]
        raise LearningError(
            f"delivery from device {sender}",
            "parts that it has",
            payload.parts[part],
            "send only parts with part_bytes > 0",
        )


def check_shape(name: str, array: NDArray[np.generic], expected: tuple[int, ...]) -> None:
    """Raise LearningError where an array has another shape."""
    if array.shape != expected:
        raise LearningError(name, f"shape {expected}", str(array.shape), "match the devices")


@dataclass(frozen=True)
class TrainResult:
    """What a round of local training did.

    loss (n,): mean over a device's steps, NaN where it did not train; iterations (n, m): done;
    parameter_variation (n, m): relative change of the encoder per iteration, NaN where tau = 0;
    contribution (n, m): what a modality takes off the fused loss, NaN where it is used alone;
    flop (n,): done, equal to what WorkCost says for these iterations.
    """

    loss: NDArray[np.float64]
    iterations: NDArray[np.int64]
    parameter_variation: NDArray[np.float64]
    contribution: NDArray[np.float64]
    flop: NDArray[np.float64]
