"""A star: device 0 is the server, the others hold the data; who acts when, and how they mix.

Even rounds go up: the others train and send to the server. Odd rounds go down: the server sends,
and nobody trains. So a round of federated averaging is two rounds here, each with its own packets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learning.errors import LearningError

if TYPE_CHECKING:
    from learning.settings import LearningSetup

SERVER = 0
_SELECTION_STREAM = 0x53656C65


def goes_up(round_index: int) -> bool:
    """Tell whether devices train and send to the server in a round."""
    return round_index % 2 == 0


def clients(num_devices: int, round_index: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Draw who trains and sends in a round that goes up: (n,), max(1, round(share (n - 1))).

    Decided by (seed, round); the server draws, and its model in the round before said so.
    """
    rng = np.random.default_rng([seed, _SELECTION_STREAM, round_index])
    chosen = np.zeros(num_devices, dtype=np.bool_)
    chosen[1 + rng.permutation(num_devices - 1)[: _num_clients(num_devices, share)]] = True
    return chosen


def roles(
    setup: LearningSetup, share: float, round_index: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say who trains and who sends in a round, (n,) each."""
    server = np.arange(setup.num_devices) == SERVER
    if not goes_up(round_index):
        return np.zeros_like(server), server
    chosen = clients(setup.num_devices, round_index, share, setup.seed)
    return chosen, chosen


def trainings_left(num_devices: int, round_index: int, rounds: int, share: float) -> float:
    """Expect how often a device trains from a round on, of `rounds` in all; >= 1.

    1 + (chosen / (n - 1)) * (rounds that go up after this one): exact for who trains in this round
    but for the server's draws to come, which nobody knows yet.
    """
    later = sum(goes_up(r) for r in range(round_index + 1, rounds))
    return 1.0 + _num_clients(num_devices, share) / (num_devices - 1) * later


def _num_clients(num_devices: int, share: float) -> int:
    return max(1, round(share * (num_devices - 1)))


def links(num_devices: int) -> NDArray[np.bool_]:
    """Say who exchanges with whom: everyone with the server alone, (n, n)."""
    star = np.zeros((num_devices, num_devices), dtype=np.bool_)
    star[SERVER, 1:] = star[1:, SERVER] = True
    return star


def star_weights(
    arrived: NDArray[np.bool_], num_samples: NDArray[np.int64], receives: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weights of federated averaging on what arrived: (n, n, p) [receiver, sender, part].

    Server: w_0j = n_j / sum of n_j over what arrived, and its own model where nothing did; others:
    the server's model where it arrived, else their own. arrived (n, n, p) [sender, receiver,
    part]; num_samples (n,), as each message says; receives (n, p): alive and owner of the part.
    """
    n, _, p = arrived.shape
    weight = np.zeros((n, n, p))
    up = arrived[:, SERVER] * num_samples[:, None] * receives[SERVER]  # [sender, part]
    total = up.sum(0)
    weight[SERVER] = np.divide(up, total, out=np.zeros_like(up, dtype=np.float64), where=total > 0)
    weight[SERVER, SERVER] = total == 0
    down = arrived[SERVER] & receives
    down[SERVER] = False
    others = np.arange(1, n)
    weight[others, SERVER] = down[1:]
    weight[others, others] = ~down[1:]
    return weight


def check_setup(setup: LearningSetup) -> None:
    """Refuse what devices do among themselves, as LearningError."""
    server = "a star has a server"
    if setup.normalisation == "gossip":
        raise LearningError("normalisation", "fixed or local", "gossip", server)
    if setup.mixing == "push_sum":
        raise LearningError("mixing", "metropolis", "push_sum", server)
    if setup.late_weight > 0:
        got = str(setup.late_weight)
        raise LearningError("late_weight", "0", got, "a star has a round up and a round down")
