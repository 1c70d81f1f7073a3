"""Devices trained in groups, each by a thread of its own: the bits of one for all.

Devices are independent while they train, every draw is keyed by device and step, and a batched
product gives each device the same bits in whatever company. PyTorch leaves the interpreter to the
other threads while it computes, so that groups are trained at once where there are cores.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from learning.training.local_training import LocalResult


def train_in_groups(
    train: Callable[[Tensor], LocalResult], iterations: Tensor, workers: int
) -> LocalResult:
    """Train groups of devices at once: `train` for each with its part of iterations (n, m).

    It has to leave all other devices alone, and to be callable from several threads.
    """
    if workers == 1:
        return train(iterations)
    each = groups_of(iterations, workers)
    with ThreadPoolExecutor(len(each), "training") as pool:
        return joined(list(pool.map(train, each)), int(iterations.max()))


def groups_of(iterations: Tensor, workers: int) -> list[Tensor]:
    """Deal those that train to at most `workers` groups of about equal work.

    iterations (n, m) -> one array a group, 0 for the devices of others; one with none if nobody
    trains.
    """
    work = iterations.sum(1)
    order = work.argsort(descending=True, stable=True)[: int((work > 0).sum())]
    groups = []
    for first in range(max(1, min(workers, len(order)))):
        mine = torch.zeros(len(work), dtype=torch.bool)
        mine[order[first::workers]] = True
        groups.append(torch.where(mine[:, None], iterations, 0))
    return groups


def joined(results: list[LocalResult], num_steps: int) -> LocalResult:
    """Put groups together: of each device what its group has, NaN where none has anything."""
    first = results[0]
    loss, norm = (first.loss.new_full((len(first.loss), num_steps), torch.nan) for _ in range(2))
    contribution = torch.full_like(first.contribution, torch.nan)
    for each in results:
        steps = each.loss.shape[1]
        took = ~each.gradient_norm.isnan() | ~each.loss.isnan()
        loss[:, :steps] = torch.where(took, each.loss, loss[:, :steps])
        norm[:, :steps] = torch.where(took, each.gradient_norm, norm[:, :steps])
        contribution = torch.where(each.contribution.isnan(), contribution, each.contribution)
    return LocalResult(loss, norm, contribution)
