"""One exchange of frames: who takes part, what it carries, whom it is charged to."""

from __future__ import annotations

from dataclasses import dataclass, field

from ns3_scenarios.surrogate.air import CONTROLS, PREAMBLE_S, Control
from ns3_scenarios.surrogate.fitted import Coefficients
from ns3_scenarios.surrogate.transfers import Batch


@dataclass(eq=False, slots=True)
class Exchange:
    """One sender's frames to one receiver, from its RTS on; or its request for a BlockAck.

    locked: who receives its frames, and waits until it is over; hearing: those of them that hear
    the data; free: the receiver is one of them and may answer.
    """

    s: int
    r: int
    batches: list[Batch] = field(default_factory=list)
    locked: list[int] = field(default_factory=list)
    hearing: list[int] = field(default_factory=list)
    mpdus: int = 0
    mpdu_bytes: float = 0.0  # mean
    data_s: float = 0.0
    lasts_s: float = 0.0
    ack_s: float = 0.0
    needed: float = 0.0
    rate_bps: float = 0.0
    free: bool = False
    is_direct: bool = False
    is_request: bool = False
    control: Control = CONTROLS[0]
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
    """Charge frames of an exchange to the transfers whose segments it carries.

    A request for a BlockAck carries none: its joules are shared out with those of what else its
    device sent (`tell.read_causes`).
    """
    for batch in x.batches:
        share, spent_s = batch.segments / x.mpdus, batch.transfer.spent_s
        for device, tx_s, rx_s in ((x.s, sent_s, answered_s), (x.r, answered_s, heard_s)):
            books = spent_s.setdefault(device, [0.0, 0.0])
            books[0] += share * tx_s
            books[1] += share * rx_s


def lost_mpdus(x: Exchange, covered_s: float, of: Coefficients, draw: float) -> int:
    """Count what interference covers; of an MPDU that it touches nothing is left."""
    lost = x.mpdus * of.noise_loss
    if covered_s > 0:
        lost += covered_s / (x.data_s - PREAMBLE_S) * x.mpdus + of.edge_mpdus
    return min(int(lost + draw), x.mpdus)


def count_frames(links: dict[tuple[int, int], list[float]], x: Exchange, lost: int) -> None:
    """Count an exchange on its link: frames sent, lost, seconds, rates and bytes that arrived."""
    books = links.setdefault((x.s, x.r), [0.0] * 5)
    arrived_bytes = (x.mpdus - lost) * x.mpdu_bytes
    news = (x.mpdus, lost, x.data_s, x.mpdus * x.rate_bps, arrived_bytes)
    for i, value in enumerate(news):
        books[i] += value
