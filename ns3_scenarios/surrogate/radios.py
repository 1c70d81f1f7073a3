"""What each radio hears at this instant, and in which states it has been."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.surrogate.air import Air

INF = float("inf")


class Radios:
    """Powers at all radios, who is receiving, who waits; seconds of sending, receiving, cca_busy.

    power (n): of all senders, in units of the noise. nav: exchanges whose end a device waits for;
    receives: frames that it is receiving; engaged: in an exchange of its own. stop(device) and
    resume(device) are told when the medium becomes busy or idle for a device.
    """

    def __init__(
        self,
        air: Air,
        detected: float,
        kept: float,
        stop: Callable[[int], None],
        resume: Callable[[int], None],
    ) -> None:
        n = len(air.snr)
        self._air, self._stop, self._resume = air, stop, resume
        self.detected, self._kept = detected, kept
        self.now_s = 0.0
        self.alive, self.engaged = [True] * n, [False] * n
        self.nav, self.receives = [0] * n, [0] * n
        self.power: FloatArray = np.zeros(n)
        self._limit = np.full(n, INF)
        self._is_bad, self._is_sensed = np.zeros((2, n), np.bool_)
        self._senses = [False] * n
        self._sensed = 10 ** (0.1 * air.sensed_snr_db)
        self._bad_since_s, self._bad_s = [INF] * n, [0.0] * n
        self._missed_since_s = [INF] * n
        self.tx_s, self.rx_s, self.cca_busy_s = [0.0] * n, [0.0] * n, [0.0] * n
        self._hearers = [np.flatnonzero(row) for row in air.hears]
        self._hearer_list = [each.tolist() for each in self._hearers]
        self._hearer_snr = [air.snr[i, each].tolist() for i, each in enumerate(self._hearers)]
        self.hears_set = [set(each) for each in self._hearer_list]

    def is_blocked(self, device: int) -> bool:
        """Whether a device finds the medium busy."""
        return self._senses[device] or self.nav[device] > 0

    def sinr(self, sender: int, receiver: int) -> float:
        """Return what a sender that is on the air arrives with over noise and all others."""
        snr = self._air.rows[sender][receiver]
        return snr / (1.0 + max(float(self.power[receiver]) - snr, 0.0))

    def lock(self, sender: int) -> list[int]:
        """Return who detects a preamble that begins now; its power may count already."""
        at_each = self.power[self._hearers[sender]].tolist()
        return [
            j
            for j, snr, power in zip(
                self._hearer_list[sender], self._hearer_snr[sender], at_each, strict=True
            )
            if not self.receives[j]
            and not self.engaged[j]
            and self.alive[j]
            and snr >= self.detected * (1.0 + max(power - snr, 0.0))
        ]

    def begin(self, sender: int, locked: list[int]) -> None:
        """Let a sender begin, to whom these lock."""
        self._wait(locked)
        self.receive(locked)
        self.power += self._air.snr[sender]
        self._look()

    def begin_data(self, more: list[int], hearing: list[int]) -> None:
        """Let more wait, and these receive, when the data begin."""
        self._wait(more)
        self.receive(hearing)

    def fall_silent(self, sender: int) -> None:
        """End what a sender has on the air."""
        self.power -= self._air.snr[sender]
        self._look()

    def release(self, locked: list[int]) -> None:
        """Let those who waited for the end of an exchange go on."""
        for j in locked:
            self.nav[j] -= 1
            if not self.nav[j] and not self._senses[j]:
                self._resume(j)

    def _wait(self, locked: list[int]) -> None:
        for j in locked:
            self.nav[j] += 1
            if self.nav[j] == 1 and not self._senses[j]:
                self._stop(j)

    def receive(self, devices: list[int]) -> None:
        """Let devices begin to receive."""
        for j in devices:
            self.receives[j] += 1
            self._mark(j)

    def let_go(self, devices: list[int]) -> None:
        """Let devices end a reception."""
        for j in devices:
            self.receives[j] -= 1
            self._mark(j)

    def count_short(self, devices: list[int], all_s: float, heads_s: float) -> None:
        """Count short frames at those who received them; their preambles are cca_busy in ns-3."""
        for j in devices:
            self.rx_s[j] += all_s - heads_s
            self.cca_busy_s[j] += heads_s

    def count_received(self, sender: int, devices: list[int], all_s: float, heads_s: float) -> None:
        """Count a frame that ends now; all of it is cca_busy where interference has spoilt it."""
        row = self._air.rows[sender]
        for j, power in zip(devices, self.power[devices].tolist(), strict=True):
            spoilt = row[j] < self._kept * (1.0 + max(power - row[j], 0.0))
            self.rx_s[j] += 0.0 if spoilt else all_s - heads_s
            self.cca_busy_s[j] += all_s if spoilt else heads_s

    # -- what the sum of powers changes

    def _look(self) -> None:
        is_sensed, is_bad = self.power >= self._sensed, self.power > self._limit
        changed = (is_sensed != self._is_sensed) | (is_bad != self._is_bad)
        self._is_sensed, self._is_bad = is_sensed, is_bad
        for j in changed.nonzero()[0].tolist():
            if (self._bad_since_s[j] < INF) != is_bad[j]:
                self._cover(j, bool(is_bad[j]))
            senses = bool(is_sensed[j])
            if senses == self._senses[j]:
                continue
            self._senses[j] = senses
            self._mark(j)
            if not self.nav[j]:
                (self._stop if senses else self._resume)(j)

    def _cover(self, device: int, is_bad: bool) -> None:
        """Count how long interference covers what a device receives."""
        since_s = self._bad_since_s[device]
        if is_bad and since_s == INF:
            self._bad_since_s[device] = self.now_s
        elif not is_bad and since_s < INF:
            self._bad_s[device] += self.now_s - since_s
            self._bad_since_s[device] = INF

    def _mark(self, device: int) -> None:
        """Count how long a device senses power without receiving."""
        is_missed = self._senses[device] and not self.receives[device] and not self.engaged[device]
        since_s = self._missed_since_s[device]
        if is_missed and since_s == INF:
            self._missed_since_s[device] = self.now_s
        elif not is_missed and since_s < INF:
            self.cca_busy_s[device] += self.now_s - since_s
            self._missed_since_s[device] = INF

    def expect(self, sender: int, receiver: int, needed: float) -> None:
        """Let a receiver await data that arrive at this SINR and above."""
        snr = self._air.rows[sender][receiver]
        self._bad_s[receiver], self._bad_since_s[receiver] = 0.0, INF
        self._limit[receiver] = snr + snr / needed - 1.0
        is_bad = bool(self.power[receiver] > self._limit[receiver])
        self._is_bad[receiver] = is_bad
        self._cover(receiver, is_bad)

    def end_reception(self, receiver: int) -> float:
        """Return how long interference covered what was received [s]."""
        self._cover(receiver, False)
        self._limit[receiver], self._is_bad[receiver] = INF, False
        return self._bad_s[receiver]

    def disturb(self, device: int, lasts_s: float) -> None:
        """Let the short frame of a device, a CTS or an acknowledgement, meet what is received."""
        hit = (self.power + self._air.snr[device] > self._limit) & ~self._is_bad
        for j in hit.nonzero()[0].tolist():
            if j != device:
                self._bad_s[j] += lasts_s

    def states_s(self) -> FloatArray:
        """Return seconds so far, (3, n): sending, receiving, cca_busy."""
        for j, since_s in enumerate(self._missed_since_s):
            if since_s < INF:
                self.cca_busy_s[j] += self.now_s - since_s
                self._missed_since_s[j] = self.now_s
        return np.array([self.tx_s, self.rx_s, self.cca_busy_s])
