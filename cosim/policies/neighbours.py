"""Policies that choose neighbours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cosim.policies.policy import Decision, Policy, View
from ns3_scenarios.arrays import FloatArray, IntArray

# A cost that old is measured anew: the neighbour may have come nearer.
OLD_ROUNDS = 10


def send_to(view: View, chosen: IntArray) -> Decision:
    """Send all that they want to the chosen ones, by their places among the neighbours."""
    sends = np.zeros_like(view.wanted)
    sends[chosen] = view.wanted[chosen]
    return Decision(sends=sends)


def _count(view: View) -> int:
    return math.ceil(view.options["share"] * len(view.neighbours) - 1e-9)


def by_cost(view: View) -> IntArray:
    """Order neighbours by bytes that arrive for a joule here, most first, unmeasured ones ahead."""
    carried: FloatArray = view.acked_share / np.maximum(view.sender_j_per_byte, 1e-30)
    unknown = ~np.isfinite(carried) | (view.age_rounds >= OLD_ROUNDS)
    return np.argsort(np.where(unknown, -np.inf, -carried), kind="stable")


def _cost_aware(view: View) -> Decision:
    return send_to(view, by_cost(view)[: _count(view)])


def _random(view: View) -> Decision:
    return send_to(view, view.rng.permutation(len(view.neighbours))[: _count(view)])


def _round_robin(view: View) -> Decision:
    if len(view.neighbours) == 0:
        return Decision()
    later = view.neighbours > view.memory.get("last", -1)
    turn = int(np.flatnonzero(later)[0]) if later.any() else 0
    view.memory["last"] = int(view.neighbours[turn])
    return send_to(view, np.array([turn]))


SHARE: dict[str, Any] = {
    "options": {"share": 0.5},
    "limits": {"share": (0.0, 1.0)},
    "chooses": True,
}
COST_AWARE = Policy(
    _cost_aware, "to the share of neighbours where a joule carries most bytes", **SHARE
)
RANDOM = Policy(_random, "to that share of neighbours at random (a control)", **SHARE)
ROUND_ROBIN = Policy(_round_robin, "to one neighbour a round, in turn", chooses=True)
ONE_AT_RANDOM = Policy(
    lambda view: send_to(view, view.rng.permutation(len(view.neighbours))[:1]),
    "to one neighbour a round at random (a control)",
    chooses=True,
)
