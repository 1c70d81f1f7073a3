"""Policies that choose the transmit power."""

from __future__ import annotations

import numpy as np

from cosim.policies.policy import Decision, Policy, View

STEP_DB = 1.0


def _power_control(view: View) -> Decision:
    """Go a step down while the rates hold, and two up where one of them fell.

    The rates to hold are the highest so far to each neighbour, of frames that this device sent.
    """
    best = view.memory.setdefault("best_bps", {})
    now = {str(j): float(r) for j, r in zip(view.neighbours, view.rate_bps, strict=True) if r > 0}
    for neighbour, rate_bps in now.items():
        best[neighbour] = max(rate_bps, best.get(neighbour, 0.0))
    if not now:  # nothing was sent: nothing is known of this power
        return Decision(tx_power_dbm=view.tx_power_dbm)
    holds = all(rate >= view.options["keep"] * best[who] for who, rate in now.items())
    power_dbm = view.tx_power_dbm + (-STEP_DB if holds else 2 * STEP_DB)
    return Decision(tx_power_dbm=float(np.clip(power_dbm, view.least_dbm, view.most_dbm)))


def _random(view: View) -> Decision:
    low = max(view.least_dbm, view.most_dbm - view.options["range_db"])
    return Decision(tx_power_dbm=float(view.rng.uniform(low, view.most_dbm)))


POWER_CONTROL = Policy(
    _power_control,
    "the least power that keeps that share of the rates",
    options={"keep": 0.9},
    limits={"keep": (0.0, 1.0)},
    sets_power=True,
)
RANDOM = Policy(
    _random,
    "a power drawn each round from that range (a control)",
    options={"range_db": 6.0},
    limits={"range_db": (0.0, 60.0)},
    sets_power=True,
)
