"""One device's transfer to another, in segments: what native/arq.h does, in counts.

segments --window--> MAC queues --hops--> receiver --an answer every 8 or after 10 ms--> sender
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

# As native/arq.h and native/endpoint.h have them.
INITIAL_WINDOW, ANSWER_DELAY_S = 8.0, 0.010
MIN_REORDERING_S = 0.010
INITIAL_RTO_S, MIN_RTO_S, MAX_RTO_S, RTO_SPREAD = 0.5, 0.2, 0.8, 0.25
GIVE_UP_TIMEOUTS, UNKNOWN_TIMEOUTS, UNHEARD_TIMEOUTS = 10, 2, 3
MOST_START_DELAY_S = 0.020


@dataclass(eq=False)
class Batch:
    """Segments of a transfer in a MAC queue, or one answer to them.

    again: sent before, and perhaps there already. answered: what an answer says has arrived.
    """

    transfer: Transfer
    segments: int
    hop: int
    queued_s: float
    again: bool = False
    answered: int = -1
    echo_s: float = 0.0
    first_s: float = 0.0

    def split(self, segments: int) -> Batch:
        """Keep so many segments; return the others."""
        others = replace(self, segments=self.segments - segments)
        self.segments = segments
        return others


@dataclass(eq=False)
class Transfer:
    """All messages of one round from src to dst, one after the other, total segments long.

    way: the devices from src to dst. segment_bytes: mean, the last of a message is shorter.
    handed: segments sent at least once; flying: taken to be under way; missing: dropped by a
    MAC and not sent again yet; resend: to be sent again, with missing.
    """

    src: int
    dst: int
    total: int
    way: tuple[int, ...]
    segment_bytes: float
    handed: int = 0
    delivered: int = 0
    acked: int = 0
    resend: int = 0
    missing: int = 0
    retransmissions: int = 0
    window: float = INITIAL_WINDOW
    threshold: float = 1e9
    rtt_s: float = -1.0
    rtt_variation_s: float = 0.0
    timeouts: int = 0
    silence: int = 0
    deadline_s: float = float("inf")
    recover_until_s: float = 0.0
    unanswered: int = 0
    is_answer_due: bool = False
    has_timer: bool = False
    echo_s: float = 0.0
    is_cut_off: bool = False
    gave_up: bool = False
    over: bool = False
    spent_s: dict[int, list[float]] = field(default_factory=dict)
    unseen: list[tuple[float, int]] = field(default_factory=list)
    finish_s: list[float] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Answers take the same way back."""
        self.back = self.way[::-1]

    def take_over(self, before: Transfer) -> None:
        """Go on with what was learnt of the way in an earlier round."""
        self.window, self.threshold = before.window, before.threshold
        self.rtt_s, self.rtt_variation_s = before.rtt_s, before.rtt_variation_s
        self.silence = before.silence

    @property
    def flying(self) -> int:
        """Segments that the sender takes to be under way."""
        return self.handed - self.acked - self.resend

    @property
    def settled(self) -> bool:
        """Whether nothing more can become of it."""
        return self.delivered >= self.total or self.gave_up

    def rto_s(self) -> float:
        """Return the retransmission time-out with its back-off [s]."""
        measured_s = max(self.rtt_s + 4 * self.rtt_variation_s, MIN_RTO_S)
        base_s = INITIAL_RTO_S if self.rtt_s < 0 else measured_s
        return float(min(base_s * 2 ** min(self.timeouts, 8), MAX_RTO_S))

    def send(self, window: float, now_s: float) -> list[Batch]:
        """Return what the window lets go now."""
        room = math.ceil(window) - self.flying
        found = []
        if room > 0 and self.resend > 0:
            count = min(room, self.resend)
            truly = min(count, self.missing)
            self.resend -= count
            self.missing -= truly
            self.retransmissions += count
            room -= count
            if truly:
                found.append(Batch(self, truly, 0, now_s))
            if count > truly:
                found.append(Batch(self, count - truly, 0, now_s, again=True))
        count = min(room, self.total - self.handed)
        if count > 0:
            self.handed += count
            found.append(Batch(self, count, 0, now_s))
        return found

    def on_answer(self, answer: Batch, now_s: float, most_window: int) -> None:
        """Take note of what an answer says."""
        new = answer.answered - self.acked
        rtt_s = now_s - answer.echo_s
        if self.rtt_s < 0:
            self.rtt_s, self.rtt_variation_s = rtt_s, rtt_s / 2
        else:
            self.rtt_variation_s += (abs(self.rtt_s - rtt_s) - self.rtt_variation_s) / 4
            self.rtt_s += (rtt_s - self.rtt_s) / 8
        if new > 0:
            self.acked = answer.answered
            self.timeouts = self.silence = 0
            self.window += new if self.window < self.threshold else new / self.window
            self.window = min(self.window, most_window)
        # As RACK: lost is what was sent clearly before something that has arrived.
        sent_before_s = answer.echo_s - max(self.rtt_s / 4, MIN_REORDERING_S)
        seen = sum(count for sent_s, count in self.unseen if sent_s < sent_before_s)
        self.unseen = [each for each in self.unseen if each[0] >= sent_before_s]
        self.resend = min(self.resend + seen, self.handed - self.acked)
        if seen and now_s > self.recover_until_s:
            self.window = self.threshold = max(0.7 * self.window, 2.0)
            self.recover_until_s = now_s + self.rtt_s

    def on_timeout(self) -> None:
        """Take all that is under way for lost."""
        self.resend = self.handed - self.acked
        self.unseen = []
        self.threshold = max(self.window / 2, 4.0)
        self.window = 2.0

    def lose(self, batch: Batch, segments: int) -> None:
        """Note segments that a MAC gave up, which the sender has still to find out."""
        if batch.answered < 0 and not batch.again:
            self.missing += segments
            self.unseen.append((batch.first_s, segments))

    def patience(self, was_heard: bool) -> int:
        """How many time-outs in a row the sender puts up with."""
        if was_heard:
            return GIVE_UP_TIMEOUTS
        return UNKNOWN_TIMEOUTS if self.rtt_s < 0 else UNHEARD_TIMEOUTS

    def arrive(self, batch: Batch, now_s: float, answer_every: float) -> bool:
        """Count segments at the receiver; say whether it answers at once."""
        self.unanswered += batch.segments
        if not batch.again:
            self.delivered += batch.segments
            while len(self.finish_s) < len(self.ends) and (
                self.delivered >= self.ends[len(self.finish_s)]
            ):
                self.finish_s.append(now_s)
        return (
            batch.again
            or self.missing > 0
            or self.unanswered >= answer_every
            or self.delivered >= self.total
        )
