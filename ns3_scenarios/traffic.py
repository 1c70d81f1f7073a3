"""What the devices want of the network in one round."""

from dataclasses import dataclass

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.errors import ScenarioError


@dataclass(frozen=True)
class Transmit:
    """What each radio sends with: power_dbm (n); draw_w (n), what it draws while it does [W]."""

    power_dbm: FloatArray
    draw_w: FloatArray


@dataclass(frozen=True)
class RoundTraffic:
    """Messages and computing of one round.

    src, dst, part, payload_bytes (f): a message is one part of one device's payload to one
    neighbour; messages of a pair go on the air in this order. compute_s, compute_j (n): each
    device computes from the round's start on, and its messages are ready when it has finished.
    period_s: the round lasts so long; with stop_when_settled it ends as soon as every message is
    whole, given up or cut off by a death, and all computing is done (a named oracle: no device
    could know). transmit: none where all radios send as the scenario has it. asleep (n): radios
    that sleep through the round, as soon as their frames of the last one are sent; none: nobody's.
    Only ns-3 has sleeping radios.
    """

    round_index: int
    src: IntArray
    dst: IntArray
    part: IntArray
    payload_bytes: IntArray
    compute_s: FloatArray
    compute_j: FloatArray
    period_s: float
    stop_when_settled: bool
    transmit: Transmit | None = None
    asleep: BoolArray | None = None

    def __post_init__(self) -> None:
        """Check once, where the traffic is made."""
        n = len(self.compute_s)
        lengths = [len(column) for column in (self.src, self.dst, self.part, self.payload_bytes)]
        if len(set(lengths)) > 1 or len(self.compute_j) != n:
            raise ScenarioError(
                f"traffic: expected columns of one length, got messages {lengths}"
                f" and devices {[n, len(self.compute_j)]}"
            )
        for name in ("src", "dst"):
            device = getattr(self, name)
            wrong = device[(device < 0) | (device >= n)]
            if wrong.size:
                raise ScenarioError(f"{name}: expected devices 0..{n - 1}, got {wrong[0]}")
        if np.any(self.src == self.dst):
            raise ScenarioError("dst: expected another device than src")
        if np.any(self.payload_bytes <= 0):
            raise ScenarioError("payload_bytes: expected more than 0 bytes in every message")
        spent = np.column_stack([self.compute_s, self.compute_j])
        if not np.all(np.isfinite(spent)) or np.any(spent < 0):
            raise ScenarioError("compute_s, compute_j: expected finite values of at least 0")
        if np.any((self.compute_s == 0) & (self.compute_j > 0)):
            raise ScenarioError("compute_s: expected a positive time wherever compute_j is spent")
        if self.asleep is not None and np.any(self.asleep[self.src]):
            raise ScenarioError("asleep: expected no messages of a device that sleeps")
        if np.any(self.compute_s > self.period_s):
            raise ScenarioError(
                f"compute_s: expected at most the period of {self.period_s:g} s,"
                f" got {self.compute_s.max():g}; plan less work or lengthen the round"
            )

    def refuse_sleep(self) -> None:
        """Raise ScenarioError where a radio is to sleep: for networks that have no such."""
        if self.asleep is not None and self.asleep.any():
            raise ScenarioError(
                "asleep: expected radios that stay awake with this network, got some asleep; only"
                " ns3 has sleeping radios"
            )

    def state_power_w(self, usual_w: FloatArray) -> FloatArray:
        """Return what each radio draws in each state, (n, states), where usually usual_w [W]."""
        power_w = usual_w.copy()
        if self.transmit is not None:
            power_w[:, RADIO_STATES.index("tx")] = self.transmit.draw_w
        return power_w

    def per_link(self, values: FloatArray | IntArray | BoolArray) -> FloatArray:
        """Add up values of messages (f) by link, (n, n): row sends, column receives."""
        n = len(self.compute_s)
        total = np.zeros((n, n))
        np.add.at(total, (self.src, self.dst), values)
        return total

    @property
    def compute_w(self) -> FloatArray:
        """Power of each device's computing while it lasts, (n) [W]; 0 where there is none."""
        return np.divide(
            self.compute_j,
            self.compute_s,
            out=np.zeros(len(self.compute_s)),
            where=self.compute_s > 0,
        )
