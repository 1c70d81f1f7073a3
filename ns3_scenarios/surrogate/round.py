"""The transfers of one round over the medium: turns, windows, answers, time-outs, forwarding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ns3_scenarios.arrays import IntArray
from ns3_scenarios.surrogate.medium import Medium
from ns3_scenarios.surrogate.places import Places
from ns3_scenarios.surrogate.transfers import (
    ANSWER_DELAY_S,
    INITIAL_RTO_S,
    MOST_START_DELAY_S,
    RTO_SPREAD,
    Batch,
    Transfer,
)
from ns3_scenarios.traffic import RoundTraffic

INF = float("inf")
Pair = tuple[int, int]


@dataclass(frozen=True)
class Rules:
    """How transfers go: bytes of a segment, largest window, peers at once, segments an answer."""

    segment_bytes: int
    most_window: int
    peers_at_once: int
    answer_every: float


class Round:
    """Owns the transfers of a round; the medium tells it what became of their batches.

    known: the transfers of earlier rounds by pair, whose windows and times go on. open: how many
    are not settled yet. ends_when_settled: stop the medium when none is left.
    """

    def __init__(
        self,
        medium: Medium,
        traffic: RoundTraffic,
        ways: dict[Pair, tuple[int, ...]],
        known: dict[Pair, Transfer],
        rules: Rules,
    ) -> None:
        self._medium, self._rules = medium, rules
        self.start_s, n = medium.now_s, len(traffic.compute_s)
        self.ends_when_settled = False
        self.stale: IntArray = np.zeros(n, np.int64)
        self.transfers: dict[Pair, Transfer] = {}
        self._heard: set[Pair] = set()
        self._tried_s: dict[Pair, float] = {}
        self._sent_before_s = list(medium.radios.tx_s)
        self._places = [Places(rules.peers_at_once) for _ in range(n)]
        medium.deliver, medium.drop = self._deliver, self._drop
        self._make(traffic, ways, known)
        self.open = len(self.transfers)
        delays_s = [MOST_START_DELAY_S * medium.uniform() for _ in range(n)]
        of_sender: dict[int, list[Transfer]] = {}
        for transfer in self.transfers.values():
            of_sender.setdefault(transfer.src, []).append(transfer)
        for src, transfers in of_sender.items():
            at_s = self.start_s + float(traffic.compute_s[src]) + delays_s[src]
            medium.call(at_s, self._offer, transfers)

    def _make(
        self,
        traffic: RoundTraffic,
        ways: dict[Pair, tuple[int, ...]],
        known: dict[Pair, Transfer],
    ) -> None:
        segments = -(-traffic.payload_bytes // self._rules.segment_bytes)
        pairs = zip(traffic.src.tolist(), traffic.dst.tolist(), strict=True)
        sizes = traffic.payload_bytes.tolist()
        for pair, count, size in zip(pairs, segments.tolist(), sizes, strict=True):
            transfer = self.transfers.get(pair)
            if transfer is None:
                transfer = Transfer(*pair, 0, ways[pair], 0.0)
                if pair in known:
                    transfer.take_over(known[pair])
                self.transfers[pair] = known[pair] = transfer
            before = transfer.total * transfer.segment_bytes
            transfer.total += count
            transfer.segment_bytes = (before + size) / transfer.total
            transfer.ends.append(transfer.total)

    def end(self) -> None:
        """Leave what is still under way to itself."""
        for transfer in self.transfers.values():
            transfer.over = True

    def kill(self, device: int) -> None:
        """End the transfers of a device that ran empty; its peers do not know."""
        self._medium.kill(device)
        for transfer in self.transfers.values():
            if device in (transfer.src, transfer.dst) and not transfer.is_cut_off:
                self.open -= not transfer.settled
                transfer.is_cut_off = True

    def is_unheard(self, transfer: Transfer) -> bool:
        """Whether a sender had time for an answer but heard nothing of the receiver."""
        tried_s = self._tried_s.get((transfer.src, transfer.dst), INF)
        return self._medium.now_s - tried_s >= INITIAL_RTO_S and not self._has_heard(transfer)

    def _has_heard(self, transfer: Transfer) -> bool:
        """Whether a sender has heard anything of the receiver in this round: messages or frames."""
        src, dst = transfer.src, transfer.dst
        if (dst, src) in self._heard:
            return True
        radios = self._medium.radios
        return src in radios.hears_set[dst] and radios.tx_s[dst] > self._sent_before_s[dst]

    # -- sending

    def _answers(self, transfer: Transfer) -> bool:
        """Whether the last that was sent was answered, in this round or an earlier one."""
        return transfer.silence == 0 and (transfer.rtt_s >= 0 or self._has_heard(transfer))

    def _offer(self, transfers: list[Transfer]) -> None:
        src = transfers[0].src
        if transfers[0].over or not self._medium.radios.alive[src]:
            return
        for transfer in transfers:
            if self._answers(transfer):
                self._places[src].wait(transfer.dst, self._medium.uniform())
            else:
                self._send(transfer)
        self._admit(src)

    def _admit(self, src: int) -> None:
        while (dst := self._places[src].next()) is not None:
            self._send(self.transfers[src, dst])

    def _send(self, transfer: Transfer) -> None:
        medium, src = self._medium, transfer.src
        if transfer.over or transfer.gave_up or not medium.radios.alive[src]:
            return
        window = transfer.window
        if not self._places[src].holds(transfer.dst):
            window = 0.0 if self._answers(transfer) else 1.0
        for batch in transfer.send(window, medium.now_s):
            self._tried_s.setdefault((src, transfer.dst), medium.now_s)
            batch.first_s = medium.now_s
            if len(transfer.way) > 1:
                medium.push(src, transfer.way[1], batch)
            else:
                transfer.lose(batch, batch.segments)
        if transfer.flying > 0 and transfer.deadline_s == INF:
            self._set_timer(transfer)

    def _set_timer(self, transfer: Transfer) -> None:
        spread = 1 + RTO_SPREAD * self._medium.uniform()
        transfer.deadline_s = self._medium.now_s + spread * transfer.rto_s()
        if not transfer.has_timer:
            transfer.has_timer = True
            self._medium.call(transfer.deadline_s, self._on_timer, transfer)

    def _on_timer(self, transfer: Transfer) -> None:
        transfer.has_timer = False
        if transfer.deadline_s == INF or transfer.over or transfer.gave_up:
            return
        if transfer.deadline_s > self._medium.now_s:  # put off meanwhile
            transfer.has_timer = True
            self._medium.call(transfer.deadline_s, self._on_timer, transfer)
            return
        transfer.deadline_s = INF
        if transfer.flying <= 0 or not self._medium.radios.alive[transfer.src]:
            return
        transfer.timeouts += 1
        transfer.silence += 1
        if transfer.timeouts >= transfer.patience(self._has_heard(transfer)):
            if not transfer.settled and not transfer.is_cut_off:
                self._settle()
            transfer.gave_up = True
        else:
            transfer.on_timeout()
        self._places[transfer.src].leave(transfer.dst)
        self._admit(transfer.src)
        self._send(transfer)

    def _settle(self) -> None:
        self.open -= 1
        if self.open == 0 and self.ends_when_settled:
            self._medium.is_over = True

    # -- what becomes of batches

    def _deliver(self, batch: Batch, device: int, segments: int) -> None:
        transfer, is_answer = batch.transfer, batch.answered >= 0
        way = transfer.back if is_answer else transfer.way
        batch.hop += 1
        if device != way[-1]:
            self._medium.push(device, way[batch.hop + 1], batch)
            return
        if transfer.over:
            self.stale[device] += 0 if is_answer else segments
            return
        self._heard.add((way[0], device))
        if is_answer:
            self._on_answer(transfer, batch)
        elif not transfer.is_cut_off:
            self._on_segments(transfer, batch)

    def _on_answer(self, transfer: Transfer, answer: Batch) -> None:
        src = transfer.src
        if transfer.gave_up:
            return
        acked = transfer.acked
        transfer.on_answer(answer, self._medium.now_s, self._rules.most_window)
        if transfer.acked > acked:
            transfer.deadline_s = INF
        if transfer.acked >= transfer.total:
            self._places[src].leave(transfer.dst)
        else:
            self._places[src].wait(transfer.dst, 1.0)
        self._send(transfer)
        self._admit(src)

    def _on_segments(self, transfer: Transfer, batch: Batch) -> None:
        now_s, was_settled = self._medium.now_s, transfer.settled
        transfer.echo_s = batch.first_s
        if transfer.arrive(batch, now_s, self._rules.answer_every):
            self._answer(transfer)
        elif not transfer.is_answer_due:
            transfer.is_answer_due = True
            self._medium.call(now_s + ANSWER_DELAY_S, self._answer_late, transfer)
        if transfer.settled and not was_settled:
            self._settle()

    def _answer_late(self, transfer: Transfer) -> None:
        transfer.is_answer_due = False
        if transfer.unanswered and not transfer.over and not transfer.is_cut_off:
            self._answer(transfer)

    def _answer(self, transfer: Transfer) -> None:
        transfer.unanswered = 0
        now_s = self._medium.now_s
        answer = Batch(transfer, 1, 0, now_s, answered=transfer.delivered, echo_s=transfer.echo_s)
        self._medium.push(transfer.dst, transfer.back[1], answer)

    def _drop(self, batch: Batch, device: int, segments: int) -> None:
        batch.transfer.lose(batch, segments)
