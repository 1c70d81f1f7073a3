"""Gossip averaging on what was delivered: weights from advertised degrees, and their use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from learning.model.encoders import Stack, as_rows
from learning.model.stack import part_of


def metropolis_hastings(
    arrived: NDArray[np.bool_],
    advertised_degree: NDArray[np.int64],
    receives: NDArray[np.bool_],
    said_degree: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Weights that each receiver can compute from what it holds.

    w_kj = 1 / (1 + max(d_k, d_j)) for what arrived from j, w_kk = 1 - sum_j w_kj: what did not
    arrive stays with the receiver, so rows sum to one and no weight is negative. d_j is what j
    wrote in its message, d_k what k itself advertised, but at least the number of messages that k
    now holds (it may have heard more neighbours than it believed in).
    arrived (n, n, p) [sender, receiver, part], its diagonal ignored; advertised_degree (n, p);
    receives (n, p): alive and owner of the part; others keep what they have. A message that a
    sender finished before it died is as good as any. said_degree (n, n, p) [sender, receiver,
    part]: what each message says, where that is not what its sender advertises now.
    Returns (n, n, p) [receiver, sender, part].
    Source: Xiao, Boyd, Lall, IPSN 2005. Left out: correction of the mean after losses (push-sum).
    """
    n = len(arrived)
    # [receiver, sender, part]
    heard = (
        arrived.transpose(1, 0, 2) & receives[:, None, :] & ~np.eye(n, dtype=np.bool_)[..., None]
    )
    own_degree = np.maximum(advertised_degree, heard.sum(1))
    said = advertised_degree[None] if said_degree is None else said_degree.transpose(1, 0, 2)
    degree = np.maximum(own_degree[:, None, :], said)
    weight = np.where(heard, 1.0 / (1.0 + degree), 0.0)
    itself = np.arange(n)
    weight[itself, itself] = 1.0 - weight.sum(1)
    return weight


@dataclass(frozen=True)
class Sent:
    """What messages say where it is not, bit for bit, what their senders have: by name, (n, ...).

    value: the decoded arrays; present: which of their elements were sent, bool, where some were
    not. Names that are missing were sent exactly, and whole.
    """

    value: Stack = field(default_factory=dict)
    present: Stack = field(default_factory=dict)


EXACTLY = Sent()


def mix_stack(
    stack: Stack, parts: tuple[str, ...], weight: NDArray[np.float64], sent: Sent = EXACTLY
) -> Stack:
    """Mix each part with its weights: theta_k <- w_kk theta_k + sum_j w_kj sent_j.

    The receiver's own theta_k is exact, others' are as decoded; an element that a message leaves
    out is the receiver's own there. Other parts stay as they are.
    stack: name -> (n, ...); weight (n, n, p) [receiver, sender, p], its rows summing to one.
    """
    as_float = torch.from_numpy(weight.astype(np.float32))
    mixed = dict(stack)
    for name, value in stack.items():
        if part_of(name) not in parts:
            continue
        w = as_float[:, :, parts.index(part_of(name))].contiguous()
        own = as_rows(value)
        if name not in sent.value:
            mixed[name] = (w @ own).view_as(value)
            continue
        others = w - torch.diag(w.diagonal())
        said, kept = as_rows(sent.value[name]), w.diagonal()[:, None]
        if name in sent.present:
            there = as_rows(sent.present[name]).float()
            said, kept = said * there, 1 - others @ there
        mixed[name] = (others @ said + kept * own).view_as(value)
    return mixed


def mix_late(
    mixed: Stack, before: Stack, parts: tuple[str, ...], weight: NDArray[np.float64], sent: Sent
) -> None:
    """Mix in what was sent a round ago: theta_k += sum_j w_kj (sent_j - own), in place.

    mixed: by mix_stack from the stack before, with rows that leave these weights to the receiver;
    weight (n, n, p) [receiver, sender, p], its diagonal 0; sent: all names, as they were then.
    """
    as_float = torch.from_numpy(weight.astype(np.float32))
    for name, then in sent.value.items():
        w = as_float[:, :, parts.index(part_of(name))].contiguous()
        said, own = as_rows(then), as_rows(before[name])
        there = torch.ones_like(said)
        if name in sent.present:
            there = as_rows(sent.present[name]).float()
        mixed[name] = mixed[name] + (w @ (said * there) - (w @ there) * own).view_as(then)


@dataclass(frozen=True)
class Gaps:
    """A message with holes: which elements of each array of the part arrived (bool, by name)."""

    sender: int
    receiver: int
    part: str
    arrived: dict[str, torch.Tensor]


def keep_own(
    mixed: Stack,
    before: Stack,
    parts: tuple[str, ...],
    weight: NDArray[np.float64],
    gaps: Sequence[Gaps],
    sent: Sent = EXACTLY,
) -> None:
    """Leave to the receiver what a message with holes lacks: theta_k[e] += w_kj (own - sent)[e].

    mixed: by mix_stack with the same weights and messages, from the stack before; changed in place.
    Then every element is a mean over the senders of whom it arrived; the missing weight is the
    receiver's.
    """
    for gap in gaps:
        w = float(weight[gap.receiver, gap.sender, parts.index(gap.part)])
        for name, arrived in gap.arrived.items():
            own = before[name][gap.receiver]
            said = sent.value.get(name, before[name])[gap.sender]
            lacks = ~arrived
            if name in sent.present:  # what was not sent is the receiver's own already
                lacks &= sent.present[name][gap.sender]
            mixed[name][gap.receiver] += torch.where(lacks, w * (own - said), 0.0)
