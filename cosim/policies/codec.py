"""Policies that choose the codec of what a device sends."""

from __future__ import annotations

import numpy as np

from cosim.policies.policy import Decision, Policy, View
from ns3_scenarios.arrays import FloatArray

# A link that lost all is taken to need as many tries; who does not send again, tries once.
MOST_TRIES = 20.0


def costs_j(view: View) -> FloatArray:
    """Return what the round's messages cost the sender by each codec, (c) [J]; nan: unmeasured.

    sum over neighbours of bytes times joules of a byte, over the share of it that arrives with a
    transport that is answered, where both are known.
    """
    known = np.isfinite(view.sender_j_per_byte) & np.isfinite(view.acked_share)
    if not known.any():
        return np.full(len(view.codecs), np.nan)
    arrives = np.maximum(view.acked_share, 1.0 / MOST_TRIES) if view.may_choose else 1.0
    j_per_byte = np.where(known, view.sender_j_per_byte / arrives, 0.0)
    wanted_bytes = view.codec_bytes @ view.wanted.T.astype(np.float64)  # (c, k)
    return np.asarray(wanted_bytes @ j_per_byte, dtype=np.float64)


def _by_cost(view: View) -> Decision:
    """Take the longest messages that cost at most that share of what a round may spend."""
    cost_j = costs_j(view)
    if np.isnan(cost_j).all():  # nothing is known: as configured
        return Decision()
    rounds_left = view.rounds - view.round + 1
    affordable = cost_j <= view.options["share"] * view.remaining_energy_j / rounds_left
    chosen = np.argmax(np.where(affordable, cost_j, -1.0)) if affordable.any() else cost_j.argmin()
    return Decision(codec=view.codecs[int(chosen)])


BY_COST = Policy(
    _by_cost,
    "the longest codec whose messages cost at most that share of what a round may spend",
    options={"share": 0.01},
    limits={"share": (0.0, 1.0)},
    sets_codec=True,
)
RANDOM = Policy(
    lambda view: Decision(codec=str(view.rng.choice(view.codecs))),
    "a codec drawn each round (a control)",
    sets_codec=True,
)
