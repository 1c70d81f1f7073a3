"""Exchange by push-sum: each part of the model is averaged with a weight of its own."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learning.errors import LearningError
from learning.exchange.message import Message, encode
from learning.exchange.running_sums import (
    PushSum,
    mixing_weights,
    move,
    ratio,
    receive,
    send,
    start,
)
from learning.messages import Delivery
from learning.model.encoders import Stack, as_rows
from learning.model.stack import of_part, part_of

# State with one row a link, of which there are more as devices meet.
LINKS = "links/"


class Push:
    """Owns the mass and the running totals of every part (push_sum.py).

    The models that the learner trains are the ratios z = x / w. Left out: messages with holes,
    which count as lost.
    """

    def __init__(self, parameters: Stack) -> None:
        parts = dict.fromkeys(part_of(name) for name in parameters)
        self._state = {part: start(_flat(parameters, part)) for part in parts}

    def message(
        self,
        parameters: Stack,
        device: int,
        part: str,
        round_index: int,
        advertised_degree: int,
        codec: str,
    ) -> bytes:
        """Serialise the total for a neighbour to whom a device writes for the first time.

        The arrays hold x's shares in the order of the stack, then one scalar: that of w.
        """
        mass = move(self._state[part], _flat(parameters, part)).mass[device]
        share = (mass / (1 + advertised_degree)).float()
        shapes = [v.shape[1:] for v in of_part(parameters, part).values()]
        values = torch.split(share, [shape.numel() for shape in shapes] + [1])
        arrays = [v.reshape(s) for v, s in zip(values, [*shapes, torch.Size()], strict=True)]
        return encode(Message(round_index, device, part, advertised_degree, tuple(arrays)))

    def mix(
        self,
        parameters: Stack,
        parts: tuple[str, ...],
        has_part: NDArray[np.bool_],
        delivery: Delivery,
        alive: NDArray[np.bool_],
    ) -> tuple[Stack, NDArray[np.float64]]:
        """Send, receive, and set the living's models to their ratios: them, and mixing weights.

        has_part (n, p), alive (n,). The weights, [receiver, sender, p], are shares of w.
        Raises LearningError if the delivery does not say who sent to whom.
        """
        if delivery.offered is None:
            raise LearningError(
                "delivery", "who sent to whom, for push_sum", "none", "set Delivery.offered"
            )
        mixed = dict(parameters)
        weight = np.zeros((len(alive), len(alive), len(parts)))
        for p, part in enumerate(parts):
            receives = has_part[:, p] & alive
            degree = delivery.advertised_degree[:, p]
            arrived = delivery.arrived[:, :, p] & delivery.offered[:, :, p] & receives
            trained = move(self._state[part], _flat(parameters, part))
            state, totals = send(trained, delivery.offered[:, :, p], degree)
            weight[:, :, p] = mixing_weights(state, totals, arrived)
            self._state[part] = receive(state, totals, arrived, degree)
            mixed |= _unflat(ratio(self._state[part]), parameters, part, receives)
        return mixed, weight

    def state(self) -> Stack:
        """Copy what is remembered from round to round."""
        return {
            _key(part, field.name): getattr(state, field.name).clone()
            for part, state in self._state.items()
            for field in fields(PushSum)
        }

    def load(self, state: Stack) -> None:
        """Go on from a state of the same setup."""
        self._state = {
            part: PushSum(**{f.name: state[_key(part, f.name)].clone() for f in fields(PushSum)})
            for part in self._state
        }


def _key(part: str, field: str) -> str:
    return f"push_sum/{part}/mass" if field == "mass" else f"{LINKS}{part}/{field}"


def _flat(parameters: Stack, part: str) -> Tensor:
    """Join a part's arrays: (n, D)."""
    return torch.cat([as_rows(v) for v in of_part(parameters, part).values()], 1)


def _unflat(z: Tensor, like: Stack, part: str, renewed: NDArray[np.bool_]) -> Stack:
    """Cut z (n, D) into the part's arrays; devices that are not renewed (n,) keep theirs."""
    own = of_part(like, part)
    who = torch.from_numpy(renewed)[:, None]
    cut = torch.split(z, [value[0].numel() for value in own.values()], dim=1)
    return {
        name: torch.where(who, new, as_rows(value)).view_as(value)
        for (name, value), new in zip(own.items(), cut, strict=True)
    }
