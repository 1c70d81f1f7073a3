"""Exchange by gossip averaging: what devices send, and how they mix what arrived of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from learning.exchange.codecs import CODECS, largest_changes
from learning.exchange.message import Message, arrived_elements, decode, encode
from learning.exchange.mixing import Gaps, Sent, keep_own, mix_late, mix_stack
from learning.exchange.settings import ExchangeSettings
from learning.messages import Delivery
from learning.model.encoders import Stack
from learning.model.stack import holds_sums, of_part, part_of

# (sender, part) -> message
Buffers = dict[tuple[int, str], bytes]
# (arrived (n, n, p), advertised degree (n, p), receives (n, p), said degree) -> (n, n, p)
Weigh = Callable[
    [NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64] | None],
    NDArray[np.float64],
]


def codec_of(part: str, codec: str) -> str:
    """Name the codec of a part where a device sends by one: float32 for sums (generator, scale).

    Their meaning is in ratios and in a difference of two, sigma^2 = second / n - mu^2, which one
    step of an int8 would drown, and top_k would mix a sum without its count. They are few: 1.8 kB
    beside encoders of 40 kB on the embedded data.
    """
    return "float32" if holds_sums(part) else codec


class Gossip:
    """Owns what each device last sent of each parameter, where that has to be remembered.

    top_k needs it to choose; it starts as the model that all devices start with, and nobody tells
    the sender what arrived. late_weight needs all that was sent in the round before, whose rest may
    come in this one.
    """

    def __init__(self, setup: ExchangeSettings, parameters: Stack, weigh: Weigh) -> None:
        self._setup, self._weigh = setup, weigh
        self._last_sent = {
            name: value.clone()
            for name, value in parameters.items()
            if CODECS[codec_of(part_of(name), setup.payload_codec)].chooses
        }
        self._round_before = Sent()
        if setup.late_weight > 0:
            self._round_before = Sent(
                {name: value.clone() for name, value in parameters.items()},
                {
                    name: torch.zeros_like(v, dtype=torch.bool)
                    for name, v in self._last_sent.items()
                },
            )

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
        own = {name: v[device] for name, v in of_part(parameters, part).items()}
        chosen = None
        if CODECS[codec_of(part, codec)].chooses:
            chosen = tuple(self._choose(name, value, device) for name, value in own.items())
        message = Message(round_index, device, part, advertised_degree, tuple(own.values()), chosen)
        return encode(message, codec_of(part, codec))

    def mix(
        self,
        parameters: Stack,
        parts: tuple[str, ...],
        has_part: NDArray[np.bool_],
        delivery: Delivery,
        alive: NDArray[np.bool_],
    ) -> tuple[Stack, NDArray[np.float64]]:
        """Mix what arrived into the models of the living: them, and weights [receiver, sender, p].

        has_part (n, p), alive (n,). What was sent is remembered, whatever became of it.
        """
        degree = delivery.advertised_degree
        codecs = delivery.codecs or (self._setup.payload_codec,) * len(alive)
        buffers: Buffers = {}
        if {*codecs} != {"float32"} or delivery.partial:
            # Once for all receivers; of a header, mixing needs no more than its length.
            buffers = {
                (int(k), parts[p]): self.message(
                    parameters, k, parts[p], 0, int(degree[k, p]), codecs[k]
                )
                for k, p in np.argwhere(has_part)
            }
        sent = self._sent(parameters, buffers, codecs)
        gaps = _gaps(delivery, parameters, parts, buffers)
        heard = delivery.arrived.copy()
        for gap in gaps:
            heard[gap.sender, gap.receiver, parts.index(gap.part)] = True
        weight, late_weight = self._weights(heard, delivery, has_part & alive[:, None])
        mixed = mix_stack(parameters, parts, weight, sent)
        keep_own(mixed, parameters, parts, weight, gaps, sent)
        if delivery.late is not None:
            mix_late(mixed, parameters, parts, late_weight, self._round_before)
        itself = np.arange(len(weight))
        weight = weight + late_weight
        weight[itself, itself] -= late_weight.sum(1)
        # Who takes all neighbours for gone sends nothing that counts, nor who sends rests alone.
        fresh = True if delivery.offered is None else delivery.offered.any(axis=1)
        self._remember(sent, parts, has_part & alive[:, None] & (degree > 0) & fresh)
        self._keep_for_late(parameters, sent)
        return mixed, weight

    def state(self) -> Stack:
        """Copy what is remembered from round to round."""
        return {
            f"{kind}/{name}": value.clone()
            for kind, values in self._remembered().items()
            for name, value in values.items()
        }

    def load(self, state: Stack) -> None:
        """Go on from a state of the same setup."""
        for kind, values in self._remembered().items():
            values |= {name: state[f"{kind}/{name}"].clone() for name in values}

    def _remembered(self) -> dict[str, Stack]:
        return {
            "last_sent": self._last_sent,
            "round_before": self._round_before.value,
            "round_before_present": self._round_before.present,
        }

    def _weights(
        self, heard: NDArray[np.bool_], delivery: Delivery, receives: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights of what is fresh, the rest at the receiver, and of what came late: (n, n, p)."""
        degree, late = delivery.advertised_degree, delivery.late
        if late is None:
            weight = self._weigh(heard, degree, receives, None)
            return weight, np.zeros_like(weight)
        said = np.where(late.arrived, late.advertised_degree[:, None], degree[:, None])
        weight = self._weigh(heard | late.arrived, degree, receives, said)
        is_late = late.arrived.transpose(1, 0, 2)
        fresh = np.where(is_late, 0.0, weight)
        itself = np.arange(len(weight))
        fresh[itself, itself] += 1.0 - fresh.sum(1)
        return fresh, self._setup.late_weight * np.where(is_late, weight, 0.0)

    def _choose(self, name: str, own: torch.Tensor, device: int) -> torch.Tensor:
        now, last = own.reshape(1, -1).numpy(), self._last_sent[name][device].reshape(1, -1).numpy()
        chosen = largest_changes(now, last, self._setup.top_k_share)
        return torch.from_numpy(chosen).view_as(own)

    def _sent(self, parameters: Stack, buffers: Buffers, codecs: tuple[str, ...]) -> Sent:
        """Decode every message once; what a codec keeps to the last bit need not be."""
        sent = Sent()
        for (device, part), buffer in buffers.items():
            if codec_of(part, codecs[device]) == "float32":
                continue
            message = decode(buffer)
            for i, name in enumerate(of_part(parameters, part)):
                if name not in sent.value:
                    sent.value[name] = parameters[name].clone()
                sent.value[name][device] = message.arrays[i]
                if message.present is None:
                    continue
                if name not in sent.present:
                    sent.present[name] = torch.ones_like(parameters[name], dtype=torch.bool)
                sent.present[name][device] = message.present[i]
        for name in self._last_sent:  # of who sent by float32, too
            sent.value.setdefault(name, parameters[name])
        return sent

    def _remember(self, sent: Sent, parts: tuple[str, ...], sends: NDArray[np.bool_]) -> None:
        for name, last in self._last_sent.items():
            if name not in sent.value:
                continue
            who = torch.from_numpy(sends[:, parts.index(part_of(name))])
            now = who.view(-1, *[1] * (last.dim() - 1)) & sent.present.get(name, torch.tensor(True))
            self._last_sent[name] = torch.where(now, sent.value[name], last)

    def _keep_for_late(self, parameters: Stack, sent: Sent) -> None:
        for name in self._round_before.value:
            self._round_before.value[name] = sent.value.get(name, parameters[name]).clone()
        for name in self._round_before.present.keys() & sent.present.keys():
            self._round_before.present[name] = sent.present[name].clone()


def _gaps(
    delivery: Delivery, parameters: Stack, parts: tuple[str, ...], buffers: Buffers
) -> list[Gaps]:
    """Find what can be used of messages with holes.

    The generator's sums only make sense together (a mean is a ratio of two), so that part is
    whole or lost.
    """
    gaps = []
    for partial in delivery.partial:
        part = parts[partial.part]
        if holds_sums(part):
            continue
        buffer = buffers[partial.sender, part]
        elements = arrived_elements(buffer, partial.chunk_arrived, partial.chunk_bytes)
        if elements is not None:
            arrived = dict(zip(of_part(parameters, part), elements, strict=True))
            gaps.append(Gaps(partial.sender, partial.receiver, part, arrived))
    return gaps
