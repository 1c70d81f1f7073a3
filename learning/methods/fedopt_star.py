"""Federated averaging whose server steps by Adam: the mean change counts as a gradient.

D = mean of what arrived - x;  m <- b1 m + (1 - b1) D;  v <- b2 v + (1 - b2) D^2
x <- x + server_rate m / (sqrt v + tau), on device 0, in rounds in which anything arrived.
Source: Reddi et al., ICLR 2021, algorithm 2 (FedAdam, without bias correction).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from learning.method import Method, MixedRound, Round
from learning.methods.local import begin
from learning.methods.names import METHODS
from learning.model.encoders import Stack
from learning.model.stack import Model
from learning.root import root
from learning.star import SERVER, goes_up

if TYPE_CHECKING:
    from learning.settings import LearningSetup

FIRST, SECOND = "server_first", "server_second"


def extra_state(setup: LearningSetup, model: Model) -> Stack:
    """Start with no moments; only the server's are used."""
    n = setup.num_devices
    return {
        f"{part}/{name}": torch.zeros(n, *one.shape)
        for part in (FIRST, SECOND)
        for name, one in model.initial.items()
    }


def after_mixing(round_: Round, mixed: MixedRound) -> Stack:
    """Take the server's step instead of the plain mean."""
    if not goes_up(round_.index):
        return {}
    renewed: Stack = {}
    for name in round_.model.initial:
        x, mean = mixed.before[name][SERVER], mixed.mixed[name][SERVER]
        if torch.equal(x, mean):  # nothing arrived: the server kept its own
            continue
        m, v = (mixed.mixed[f"{part}/{name}"].clone() for part in (FIRST, SECOND))
        whole = mixed.mixed[name].clone()
        step, m[SERVER], v[SERVER] = _adam(mean - x, m[SERVER], v[SERVER], round_.options)
        whole[SERVER] = x + step
        renewed |= {name: whole, f"{FIRST}/{name}": m, f"{SECOND}/{name}": v}
    return renewed


def _adam(
    change: Tensor, first: Tensor, second: Tensor, options: Mapping[str, float]
) -> tuple[Tensor, Tensor, Tensor]:
    b1, b2 = options["server_beta1"], options["server_beta2"]
    m = b1 * first + (1 - b1) * change
    v = b2 * second + (1 - b2) * change.square()
    return options["server_rate"] * m / (root(v) + options["server_tau"]), m, v


METHOD = Method(
    begin,
    extra_state,
    after_mixing=after_mixing,
    topology="star",
    options=METHODS["fedopt_star"],
)
