"""What an exchange between devices is, and those that there are, by the name of the mixing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from learning.exchange.gossip import Gossip, Weigh
from learning.exchange.push_sum import Push
from learning.exchange.settings import ExchangeSettings
from learning.messages import Delivery
from learning.model.encoders import Stack


class Exchange(Protocol):
    """What devices remember of each other; parameters are those that travel, (n, ...)."""

    def message(
        self,
        parameters: Stack,
        device: int,
        part: str,
        round_index: int,
        advertised_degree: int,
        codec: str,
    ) -> bytes:
        """Serialise one part of one device as it would be sent now by one of the codecs."""

    def mix(
        self,
        parameters: Stack,
        parts: tuple[str, ...],
        has_part: NDArray[np.bool_],
        delivery: Delivery,
        alive: NDArray[np.bool_],
    ) -> tuple[Stack, NDArray[np.float64]]:
        """Mix what arrived into the models of the living: them, and weights [receiver, sender, p].

        has_part (n, p), alive (n,).
        """

    def state(self) -> Stack:
        """Copy what is remembered from round to round."""

    def load(self, state: Stack) -> None:
        """Go on from a state of the same setup."""


EXCHANGES: dict[str, Callable[[ExchangeSettings, Stack, Weigh], Exchange]] = {
    "metropolis": Gossip,
    "push_sum": lambda setup, travelling, weigh: Push(travelling),
}
