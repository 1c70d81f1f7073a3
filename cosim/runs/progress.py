"""What is said while rounds go by: a bar where a person looks on, a line a round in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cosim.loop import RoundRecord
from cosim.runs.log import log
from ns3_scenarios.reports import OUTCOMES, RoundReport

MOST_DEAD = 0.5
# A mesh forms in its first round, in which nothing may arrive.
VOID_ROUNDS = 2
# Of all bytes on offer; what udp and broadcast bring of a message is mixed, too.
LITTLE = 0.1
# What to do where nothing arrives at all, by what became of most messages.
REMEDIES = {
    "late": "the links are too slow or carry no data at this rate: a longer network.round_period_s,"
    " fewer bytes, or another network.rate_manager, network.mcs or network.broadcast_mcs",
    "lost": "the links carry no data: more network.tx_power_dbm, less distance, or a slower rate",
    "partial": "the links lose much: more network.tx_power_dbm, less distance, or transport arq",
    "unreachable": "they hear nothing of each other: more network.tx_power_dbm, less distance, or a"
    " slower network.broadcast_mcs",
    "dead": "batteries are empty: a larger energy.battery_j",
}


@contextmanager
def progress(num_rounds: int, first_round: int) -> Iterator[Callable[[RoundRecord], None]]:
    """Give what is to be told each round once it is kept; it may be told so in any thread."""
    dying, silent = np.array(False), 0

    def say(each: RoundRecord) -> None:
        nonlocal dying, silent
        line = outcome(each)
        bar.set_postfix_str(line)
        bar.update()
        log.info(
            "round %d of %d: %s, network %.2f s, learning %.2f s",
            each.round_index + 1,
            num_rounds,
            line,
            each.ns3_s,
            each.learning_s,
        )
        dead = each.evaluation.dead_feature_share > MOST_DEAD
        _warn_of_dead_features(each.round_index, dead & ~dying)
        dying = dying | dead
        silent = silent + 1 if delivered_nothing(each.report) else 0
        if silent == VOID_ROUNDS:
            log.warning("%s", silence(each.round_index, each.report))

    with tqdm(total=num_rounds, initial=first_round, unit="round", disable=None) as bar:
        yield say


def delivered_nothing(report: RoundReport) -> bool:
    """Tell whether messages were on offer in a round, none arrived whole, and little of any."""
    flows = report.flows
    offered = int((flows.handed_bytes + flows.unsent_bytes).sum())
    whole = flows.outcome == OUTCOMES.index("delivered")
    little = flows.delivered_bytes.sum() < LITTLE * offered
    return offered > 0 and not whole.any() and bool(little)


def silence(round_index: int, report: RoundReport) -> str:
    """Say what became of the messages of a round in which none arrived, and what may help."""
    count = np.bincount(report.flows.outcome, minlength=len(OUTCOMES))
    shares = ", ".join(f"{n} {name}" for n, name in zip(count, OUTCOMES, strict=True) if n)
    return (
        f"round {round_index + 1}: not one message arrived, nor in the round before"
        f" ({shares}); {REMEDIES[OUTCOMES[int(count.argmax())]]}"
    )


def outcome(each: RoundRecord) -> str:
    """Say what a round came to."""
    flows, energy = each.report.flows, each.report.energy
    offered = int(each.traffic.payload_bytes.sum())
    delivered = flows.delivered_bytes.sum() / offered if offered else None
    came = "nothing on offer" if delivered is None else f"delivered {delivered:.3f}"
    measured = each.evaluation.accuracy
    measured = measured[np.isfinite(measured)]  # a server has no data of its own
    accuracy = f"accuracy {measured.mean():.3f}" if measured.size else "not evaluated"
    learns = each.trained.iterations.shape[1] > 0
    left_j = np.maximum(energy.remaining_energy_j, 0.0).sum()
    return ", ".join([*([accuracy] if learns else []), came, f"left {left_j:.0f} J"])


def _warn_of_dead_features(round_index: int, devices: NDArray[np.bool_]) -> None:
    if devices.any():
        log.warning(
            "round %d: more than half of the common features are dead (one value for all samples)"
            " on device %s; lower learning.learning_rate or the weights of terms on features"
            " (learning.decorrelation_weight, learning.alignment_weight)",
            round_index + 1,
            ", ".join(map(str, np.flatnonzero(devices))),
        )
