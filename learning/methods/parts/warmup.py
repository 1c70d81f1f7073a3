"""When the generator's terms come into force."""

from __future__ import annotations


def warmup(round_index: int, warmup_rounds: int, ramp_rounds: int) -> float:
    """Share of the generator terms in a round: 0 while its features are noise, then a ramp to 1.

    min(1, (round - warmup + 1) / (ramp + 1)) from round number `warmup` on, rounds counted from 0.
    """
    if round_index < warmup_rounds:
        return 0.0
    return min(1.0, (round_index - warmup_rounds + 1) / (ramp_rounds + 1))
