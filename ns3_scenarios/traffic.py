"""What the devices want of the network in one round."""

from dataclasses import dataclass

import numpy as np

from ns3_scenarios.arrays import FloatArray, IntArray
from ns3_scenarios.errors import ScenarioError


@dataclass(frozen=True)
class RoundTraffic:
    """Messages and computing of one round.

    src, dst, part, payload_bytes (f): a message is one part of one device's payload to one
    neighbour; messages of a pair go on the air in this order. compute_s, compute_j (n): each
    device computes from the round's start on, and its messages are ready when it has finished.
    period_s: the round lasts so long; with stop_when_settled it ends as soon as every message is
    whole, given up or cut off by a death, and all computing is done (a named oracle: no device
    could know).
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
        if np.any(self.compute_s > self.period_s):
            raise ScenarioError(
                f"compute_s: expected at most the period of {self.period_s:g} s,"
                f" got {self.compute_s.max():g}; plan less work or lengthen the round"
            )

    @property
    def compute_w(self) -> FloatArray:
        """Power of each device's computing while it lasts, (n) [W]; 0 where there is none."""
        return np.divide(
            self.compute_j,
            self.compute_s,
            out=np.zeros(len(self.compute_s)),
            where=self.compute_s > 0,
        )
