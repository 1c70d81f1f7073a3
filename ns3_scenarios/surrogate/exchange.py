"""One exchange of frames: who takes part, what it carries, whom it is charged to."""

from __future__ import annotations

from dataclasses import dataclass, field

from ns3_scenarios.surrogate.transfers import Batch


@dataclass(eq=False, slots=True)
class Exchange:
    """One sender's frames to one receiver, from its RTS on.

    locked: who receives its frames, and waits until it is over; hearing: those of them that hear
    the data; free: the receiver is one of them and may answer.
    """

    s: int
    r: int
    batches: list[Batch] = field(default_factory=list)
    locked: list[int] = field(default_factory=list)
    hearing: list[int] = field(default_factory=list)
    mpdus: int = 0
    data_s: float = 0.0
    lasts_s: float = 0.0
    needed: float = 0.0
    rate_bps: float = 0.0
    free: bool = False
    is_direct: bool = False
    is_void: bool = False


def take_arrived(x: Exchange, arrived: int) -> list[Batch]:
    """Take what has arrived from an exchange: the first of its frames."""
    told = []
    while arrived > 0:
        batch = x.batches[0]
        if batch.segments > arrived:
            x.batches[0] = batch.split(arrived)
        else:
            x.batches.pop(0)
        arrived -= batch.segments
        told.append(batch)
    return told


def spend(x: Exchange, sent_s: float, heard_s: float, answered_s: float) -> None:
    """Charge frames of an exchange to the transfers whose segments it carries."""
    for batch in x.batches:
        share, spent_s = batch.segments / x.mpdus, batch.transfer.spent_s
        for device, tx_s, rx_s in ((x.s, sent_s, answered_s), (x.r, answered_s, heard_s)):
            books = spent_s.setdefault(device, [0.0, 0.0])
            books[0] += share * tx_s
            books[1] += share * rx_s
