"""The shared medium: who begins an exchange of frames when, who hears it, what gets through.

   backoff     RTS        CTS   data (an A-MPDU)      BA
  |-------|s: =====|  r:  ===|  s: ================|  r: ==|
           who hears s waits   who hears r waits, too

A sender that gets no BlockAck asks for it until it comes, before it sends on. A device waits while
the powers that it receives add up to the threshold of ns-3, or while an RTS or CTS that it has
received says so; whoever begins meanwhile is hidden to the sender, and what it adds at the receiver
decides which frames are lost. The devices' state is in lists: numpy is slower for the handful that
an exchange concerns.

Left out: each frame's own noise, EIFS, beacons and path requests, capture, the order of segments.
Source: IEEE 802.11-2020, 10.3 (DCF) and 10.23.2 (EDCA); ns-3.44's PHY where it says "ns-3".
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from ns3_scenarios.surrogate import air as times
from ns3_scenarios.surrogate import exchange
from ns3_scenarios.surrogate.air import Air
from ns3_scenarios.surrogate.exchange import Exchange
from ns3_scenarios.surrogate.fitted import Coefficients
from ns3_scenarios.surrogate.radios import Radios
from ns3_scenarios.surrogate.transfers import Batch

INF = float("inf")
# Senders whose backoffs end within so long of each other do not hear each other begin.
BLIND_S = 4e-6
Told = Callable[[Batch, int, int], None]


class Medium:
    """Owns the MAC queues and the clock; `run` moves it on.

    deliver(batch, device, segments) is told what reached a device, drop(batch, device, segments)
    what a device's MAC gave up or what came to nothing.
    """

    def __init__(self, air: Air, of: Coefficients, header_bytes: float, rng: np.random.Generator):
        n = len(air.snr)
        self._air, self._of, self._rng, self._header_bytes = air, of, rng, header_bytes
        self._draws: list[float] = []
        self._rts_snr, self._margin = 10 ** (0.1 * of.rts_snr_db), 10 ** (-0.1 * of.margin_db)
        self._aifs_s = times.AIFS_S + 1e-6 * of.access_us
        self.deliver: Told
        self.drop: Told
        self.now_s = 0.0
        self.is_over = False  # set by whoever wants `run` to return
        self._order = count()
        self._events: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._queues: list[dict[int, deque[Batch]]] = [{} for _ in range(n)]
        self._fails, self._window = [0] * n, [times.CW_MIN] * n
        # Receivers of whom a BlockAck is missing, which senders ask for before they send on.
        self._owing: list[list[int]] = [[] for _ in range(n)]
        self._wants = [False] * n
        self._last_end_s, self._backoff_s, self._expiry_s = [-1.0] * n, [0.0] * n, [INF] * n
        detected, kept = 10 ** (0.1 * of.preamble_snr_db), 10 ** (0.1 * of.overheard_snr_db)
        self.radios = Radios(air, detected, kept, self._stop, self._resume)
        self._seen_snr: dict[tuple[int, int], float] = {}
        self.begin_books()

    def begin_books(self) -> None:
        """Count frames of links anew: sent, lost, seconds, rates and bytes by pair."""
        self.links: dict[tuple[int, int], list[float]] = {}
        self.sinr: dict[tuple[int, int], float] = {}

    def uniform(self) -> float:
        """Return a number from 0 to 1."""
        if not self._draws:
            self._draws = self._rng.random(4096).tolist()
        return self._draws.pop()

    def call(self, at_s: float, what: Callable[[Any], None], argument: Any) -> None:
        """Call at an instant."""
        heapq.heappush(self._events, (at_s, next(self._order), what, argument))

    def push(self, device: int, receiver: int, batch: Batch) -> None:
        """Queue a batch at a device for a receiver."""
        if not self.radios.alive[device]:
            return
        batch.queued_s = self.now_s
        self._queues[device].setdefault(receiver, deque()).append(batch)
        if not self._wants[device] and not self.radios.engaged[device]:
            self._wants[device] = True
            if not self.radios.is_blocked(device):
                due_s = self._last_end_s[device] + self._aifs_s + self._backoff_s[device]
                self._expect(device, max(self.now_s, due_s))

    def kill(self, device: int) -> None:
        """Silence a device that ran empty."""
        self.radios.alive[device] = self._wants[device] = False
        self._expiry_s[device] = INF
        self._queues[device].clear()
        self._owing[device].clear()

    def run(self, until_s: float) -> None:
        """Play until an instant, or until `is_over`."""
        events, radios = self._events, self.radios
        while not self.is_over:
            if not events or events[0][0] >= until_s:
                self.now_s = radios.now_s = until_s
                return
            self.now_s, _, what, argument = heapq.heappop(events)
            radios.now_s = self.now_s
            what(argument)

    def _expect(self, device: int, at_s: float) -> None:
        self._expiry_s[device] = at_s
        self.call(at_s, self._begin, device)

    def _stop(self, device: int) -> None:
        """Keep what is left of a backoff while the medium is busy."""
        left_s = self._expiry_s[device] - self.now_s
        if BLIND_S < left_s < INF:
            slots = -(-(left_s - 1e-8) // times.SLOT_S)
            self._backoff_s[device] = min(self._backoff_s[device], slots * times.SLOT_S)
            self._expiry_s[device] = INF

    def _resume(self, device: int) -> None:
        """Let a backoff go on: the medium is idle."""
        if self._wants[device] and self._expiry_s[device] == INF:
            self._expect(device, self.now_s + self._aifs_s + self._backoff_s[device])

    def _contend(self, device: int, after_s: float) -> None:
        """Let a device whose exchange is over want the medium again."""
        self.radios.engaged[device] = False
        waiting = self._owing[device] or any(self._queues[device].values())
        if not self.radios.alive[device] or not waiting:
            return
        self._wants[device] = True
        if not self.radios.is_blocked(device):
            at_s = self.now_s + after_s + self._aifs_s + self._backoff_s[device]
            self._expect(device, at_s)

    def _draw_backoff(self, s: int, after_s: float) -> None:
        self._backoff_s[s] = times.SLOT_S * int(self.uniform() * (self._window[s] + 1))
        self._last_end_s[s] = self.now_s + after_s
        self._contend(s, after_s)

    def _begin(self, s: int) -> None:
        if self._expiry_s[s] != self.now_s:
            return  # put off meanwhile
        self._wants[s], self._expiry_s[s] = False, INF
        x = self._next_exchange(s)
        if x is None:
            return
        radios = self.radios
        radios.engaged[s] = True
        x.locked = radios.lock(s)
        # Data are answered whoever else has announced what; an RTS is not.
        x.free = x.r in x.locked and (x.is_direct or radios.nav[x.r] == 0)
        radios.begin(s, x.locked)
        if x.is_direct:
            x.hearing = x.locked
            self._send_data(x)
        else:
            rts_s = x.control.rts_s
            exchange.spend(x, rts_s, rts_s, 0.0)
            self.call(self.now_s + rts_s + times.SIFS_S, self._after_rts, x)

    def _next_exchange(self, s: int) -> Exchange | None:
        """Take the frames of one A-MPDU to the receiver that has waited longest."""
        if self._owing[s]:
            x = Exchange(s, self._owing[s][0], is_direct=True, is_request=True)
            x.control = times.control_at(self._told_snr(s, x.r))
            x.needed, x.data_s = self._rts_snr, x.control.bar_s
            return x
        queues = self._queues[s]
        while True:
            heads = [(queue[0].queued_s, r) for r, queue in queues.items() if queue]
            if not heads:
                return None
            r = min(heads)[1]
            queue = queues[r]
            if self.now_s - queue[0].queued_s <= times.LIFETIME_S:
                break
            old = queue.popleft()
            self.drop(old, s, old.segments)
        x = Exchange(s, r)
        snr = self._told_snr(s, r)
        x.control = times.control_at(snr)
        mcs = max(bisect_right(self._air.mcs_snr, snr) - 1, 0)
        x.needed = self._air.mcs_snr[mcs] * self._margin
        x.rate_bps = self._air.rates_bps[mcs]
        longest_s = times.MAX_PPDU_S - times.PREAMBLE_S
        mpdu_bytes = self._header_bytes + max(each.transfer.segment_bytes for each in queue)
        most = int(longest_s * x.rate_bps / 8 / mpdu_bytes)
        most = max(1, min(most, times.MOST_MPDUS))
        size = 0.0
        while queue and x.mpdus < most:
            batch = queue.popleft()
            if batch.answered >= 0:
                size += times.ANSWER_BYTES
            else:
                fit = min(batch.segments, most - x.mpdus)
                if fit < batch.segments:
                    queue.appendleft(batch.split(fit))
                size += fit * (self._header_bytes + batch.transfer.segment_bytes)
            x.batches.append(batch)
            x.mpdus += batch.segments
        x.mpdu_bytes = size / x.mpdus
        x.data_s = times.data_s(size, x.rate_bps)
        x.is_direct = size <= times.UNPROTECTED_BYTES
        return x

    def _told_snr(self, s: int, r: int) -> float:
        """Return the SNR that a receiver told its sender last: ns-3's Ideal rates go by it."""
        return self._seen_snr.get((s, r), self._air.rows[s][r])

    def _is_answered(self, x: Exchange) -> bool:
        """Whether a control frame from the receiver reaches the sender."""
        radios, snr = self.radios, self._air.rows[x.r][x.s]
        clear = snr >= radios.detected * (1.0 + float(radios.power[x.s]))
        return radios.alive[x.s] and radios.alive[x.r] and clear

    def _after_rts(self, x: Exchange) -> None:
        s, r, radios = x.s, x.r, self.radios
        radios.count_received(s, x.locked, x.control.rts_s, times.HEAD_S)
        radios.let_go(x.locked)
        radios.tx_s[s] += x.control.rts_s
        snr, seen = self._air.rows[s][r], radios.sinr(s, r)
        clear = seen >= self._rts_snr and self._is_answered(x)
        if x.free and clear and not radios.engaged[r]:
            self._seen_snr[s, r] = min(seen, snr)
            self._send_data(x)
            return
        radios.fall_silent(s)
        # Who has heard the RTS waits for the data that do not come.
        self.call(self.now_s + times.NAV_RESET_S, radios.release, x.locked)
        self._fail(x, times.CTS_TIMEOUT_S)

    def _send_data(self, x: Exchange) -> None:
        """Send the data: after a CTS, which all that hear the receiver heed, or without."""
        s, r, radios = x.s, x.r, self.radios
        cts_s = x.control.cts_s
        x.ack_s = cts_s if x.mpdus == 1 else x.control.block_ack_s
        x.lasts_s = x.data_s + times.SIFS_S + x.ack_s
        if not x.is_direct:
            x.lasts_s += cts_s + times.SIFS_S
        if x.free:
            radios.engaged[r], self._wants[r] = True, False
            self._stop(r)
            self._expiry_s[r] = INF
            if not x.is_direct:
                radios.disturb(r, cts_s)
                known = set(x.locked)
                more = [j for j in {*radios.lock(r), *radios.lock(s)} if j not in known]
                x.locked = [*x.locked, *sorted(more)]
                x.hearing = [j for j in x.locked if j in radios.hears_set[s]]
                radios.begin_data(more, x.hearing)
            radios.expect(s, r, x.needed)
            x.is_void = radios.sinr(s, r) < radios.detected
        self.call(self.now_s + x.lasts_s, self._end, x)

    def _end(self, x: Exchange) -> None:
        s, r, radios = x.s, x.r, self.radios
        seen = min(radios.sinr(s, r), self._air.rows[s][r])
        arrived, is_answered = self._end_on_air(x)
        radios.let_go(x.hearing)
        radios.fall_silent(s)
        radios.release(x.locked)
        if x.free:
            self._contend(r, 0.0)
        if is_answered:
            self._seen_snr[s, r] = seen
        told = [] if x.is_request else self._take(x, arrived, is_answered)
        if arrived:
            self.sinr[s, r] = seen
        (self._go_on if is_answered else self._fail)(x, 0.0)
        share = self._of.stray_loss
        for batch in told:
            # Acknowledged, and come to nothing all the same.
            astray = sum(self.uniform() < share for _ in range(batch.segments)) if share > 0 else 0
            if astray:
                self.drop(batch, s, astray)
            batch.segments -= astray
            if batch.segments:
                self.deliver(batch, r, batch.segments)

    def _take(self, x: Exchange, arrived: int, is_answered: bool) -> list[Batch]:
        """Count an exchange of data; return what has arrived, of which s may not know yet."""
        if not is_answered and x.mpdus > 1:
            self._owing[x.s].append(x.r)
        elif not is_answered:
            arrived = 0  # it is sent again: then it counts
        exchange.count_frames(self.links, x, x.mpdus - arrived)
        return exchange.take_arrived(x, arrived)

    def _end_on_air(self, x: Exchange) -> tuple[int, bool]:
        """Count what was on the air; return how many MPDUs arrived, and whether s was told."""
        s, r, radios = x.s, x.r, self.radios
        radios.tx_s[s] += x.data_s
        head_s = times.HEAD_S if x.is_request else times.PREAMBLE_S
        radios.count_received(s, x.hearing, x.data_s, head_s)
        answers_s = x.ack_s + (0.0 if x.is_direct else x.control.cts_s)
        exchange.spend(x, x.data_s, x.data_s if x.free else 0.0, answers_s if x.free else 0.0)
        if not x.free:
            return 0, False
        radios.disturb(r, x.ack_s)
        radios.tx_s[r] += answers_s
        hears_r = radios.hears_set[r]
        hearing = [s, *(j for j in x.locked if j in hears_r)]
        radios.count_short(hearing, answers_s, (1 if x.is_direct else 2) * times.HEAD_S)
        covered_s = radios.end_reception(r)
        if x.is_void or not (radios.alive[s] and radios.alive[r]):
            return 0, False
        if x.is_request:
            return 0, covered_s == 0.0 and self._is_answered(x)
        arrived = x.mpdus - exchange.lost_mpdus(x, covered_s, self._of, self.uniform())
        return arrived, arrived > 0 and self._is_answered(x)

    def _go_on(self, x: Exchange, after_s: float) -> None:
        """Put back what has not arrived, after an exchange that was answered."""
        if x.is_request:
            self._owing[x.s].pop(0)
        self._fails[x.s], self._window[x.s] = 0, times.CW_MIN
        self._put_back(x, after_s)

    def _fail(self, x: Exchange, after_s: float) -> None:
        """Try again with a wider window, or give the frames up."""
        s, given_up = x.s, []
        self._fails[s] += 1
        if self._fails[s] < times.RETRY_LIMIT:
            self._window[s] = min(2 * self._window[s] + 1, times.CW_MAX)
        else:
            # Of a block acknowledgement agreement, ns-3 gives nothing up but what is too old.
            self._fails[s], self._window[s] = 0, times.CW_MIN
            if x.is_request:
                del self._owing[s][:1]  # none is left of a sender that ran empty meanwhile
            elif x.r not in self.radios.hears_set[s]:
                given_up, x.batches = x.batches, []
        self._put_back(x, after_s)
        for batch in given_up:
            self.drop(batch, s, batch.segments)

    def _put_back(self, x: Exchange, after_s: float) -> None:
        if x.batches:
            self._queues[x.s].setdefault(x.r, deque()).extendleft(reversed(x.batches))
        self._draw_backoff(x.s, after_s)
