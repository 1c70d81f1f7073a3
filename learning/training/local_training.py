"""Local SGD of all devices of a run as one batch: no loop over devices anywhere in a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learning.data.batches import DeviceData
from learning.errors import LearningError
from learning.method import Adjust, Gradient, Rules, per_device
from learning.model.encoders import Stack, as_rows
from learning.model.stack import Forward, Model, encoder_part, forward, take
from learning.root import root
from learning.training.pace import contribution

# step -> rows of the training samples (n, B)
Batches = Callable[[int], Tensor]

_NORM_FLOOR = 1e-12


@dataclass(frozen=True)
class LocalResult:
    """loss (n, steps), NaN where a device idled; gradient_norm (n, steps), before clipping.

    contribution (n, m): balance.contribution, mean over the steps that say something of it.
    """

    loss: Tensor
    gradient_norm: Tensor
    contribution: Tensor

    def cpu(self) -> LocalResult:
        """Return it on the processor."""
        return LocalResult(self.loss.cpu(), self.gradient_norm.cpu(), self.contribution.cpu())


def train_locally(
    model: Model,
    parameters: Stack,
    data: DeviceData,
    iterations: Tensor,
    batches: Batches,
    rules: Rules,
    *,
    learning_rate: float,
    clip_norm: float,
) -> LocalResult:
    """Train in place: theta_k <- theta_k - lr min(1, clip / ||g_k||) g_k, step by step.

    iterations (n, m) int: in step i (from 1) the modalities with tau_km >= i are used, in the
    order of data.inputs; the rest is neither forwarded nor counted in the fused mean. ||g_k|| is
    over all that the device uses in the step. A device's head takes max_m tau_km steps. iterations
    on the processor, all else where the parameters are.
    """
    num_devices, num_steps = len(iterations), int(iterations.max())
    where, before = data.label.device, iterations.new_zeros(0, dtype=torch.bool)
    loss = torch.full((num_devices, num_steps), torch.nan)
    gradient_norm = torch.full((num_devices, num_steps), torch.nan)
    gain = torch.full((num_steps, *iterations.shape), torch.nan)
    for step in range(1, num_steps + 1):
        uses = iterations >= step
        if not torch.equal(uses, before):
            # Looked up once for all steps of which it holds: a GPU is waited for each time.
            who, before = _users(uses, tuple(data.inputs), where), uses
        devices, users, rows = who.devices, who.users, who.rows
        batch = batches(step)

        encoders, inputs = {}, {}
        for m, mine in users.items():
            encoders[m] = _as_leaves(take(parameters, encoder_part(m), mine))
            inputs[m] = data.inputs[m][batch[mine]]
            if m in data.scale:
                inputs[m] = data.scale[m].of(inputs[m], mine)
        head = _as_leaves(take(parameters, "head", devices))
        label = data.label[batch[devices]]

        passed = forward(model, encoders, head, inputs, devices, rows)
        each = rules.objective(passed, label, step)
        leaves = [(devices, head), *((users[m], encoders[m]) for m in encoders)]
        # The sum of independent losses has each device's own gradient.
        gradients = _gradients(each.sum(), leaves)
        if rules.adjust is not None:
            gradients = _adjusted(gradients, rules.adjust, passed, label, step)
        norm = _descend(parameters, gradients, learning_rate, clip_norm)
        loss[devices, step - 1] = each.detach()
        gradient_norm[devices, step - 1] = norm[devices]
        for m, value in contribution(passed, label).items():
            gain[step - 1, users[m], who.columns[m]] = value
        if rules.after_step is not None:
            rules.after_step(passed, label, step)
    return LocalResult(loss, gradient_norm, gain.nanmean(0))


@dataclass(frozen=True)
class _Users:
    """Who trains in a step: devices (a,); of each modality that is used its column, its users.

    users (a_m,): devices; rows (a_m,): their positions in `devices`.
    """

    devices: Tensor
    columns: dict[str, int]
    users: dict[str, Tensor]
    rows: dict[str, Tensor]


def _users(uses: Tensor, names: tuple[str, ...], where: torch.device) -> _Users:
    """Look up who uses what: uses (n, m) bool, on the processor; the answer elsewhere."""
    position = torch.cumsum(uses.any(1), 0) - 1
    columns = {m: i for i, m in enumerate(names) if bool(uses[:, i].any())}
    users = {m: uses[:, i].nonzero().squeeze(1) for m, i in columns.items()}
    return _Users(
        uses.any(1).nonzero().squeeze(1).to(where),
        columns,
        {m: who.to(where) for m, who in users.items()},
        {m: position[who].to(where) for m, who in users.items()},
    )


def mean_loss(result: LocalResult) -> NDArray[np.float64]:
    """Mean over the steps that a device took: (n,), NaN without any."""
    steps = (~result.loss.isnan()).sum(1)
    mean: NDArray[np.float64] = (result.loss.nansum(1) / steps).numpy().astype(np.float64)
    return mean


def check_finite(result: LocalResult, iterations: Tensor, round_index: int) -> None:
    """Raise LearningError with the first loss or gradient that is NaN or inf; iterations (n, m)."""
    # An idle step is NaN by definition, so the schedule says which steps were taken.
    step = torch.arange(result.loss.shape[1], device=iterations.device)
    took = step < iterations.max(1).values[:, None]
    broken = took & ~(result.loss.isfinite() & result.gradient_norm.isfinite())
    if bool(broken.any()):
        device, at = (int(i) for i in broken.nonzero()[0])
        raise LearningError(
            f"loss of device {device} in round {round_index + 1}, step {at + 1}",
            "a finite loss and gradient",
            f"{float(result.loss[device, at])}, {float(result.gradient_norm[device, at])}",
            "lower learning_rate or clip_norm",
        )


def _as_leaves(stack: Stack) -> Stack:
    return {name: value.requires_grad_() for name, value in stack.items()}


def _gradients(loss: Tensor, leaves: list[tuple[Tensor, Stack]]) -> dict[str, Gradient]:
    named = [(who, name, leaf) for who, stack in leaves for name, leaf in stack.items()]
    # A loss that leaves a parameter out has gradient zero there.
    gradients = torch.autograd.grad(
        loss, [leaf for _, _, leaf in named], allow_unused=True, materialize_grads=True
    )
    return {
        name: Gradient(who, leaf.detach(), gradient)
        for (who, name, leaf), gradient in zip(named, gradients, strict=True)
    }


def _adjusted(
    gradients: dict[str, Gradient], adjust: Adjust, passed: Forward, label: Tensor, step: int
) -> dict[str, Gradient]:
    changed = adjust(gradients, passed, label, step)
    return {
        name: replace(old, gradient=changed.get(name, old.gradient))
        for name, old in gradients.items()
    }


def _descend(
    parameters: Stack, gradients: dict[str, Gradient], learning_rate: float, clip_norm: float
) -> Tensor:
    """Take one clipped step in `parameters`; returns ||g_k|| (n,)."""
    first = next(iter(parameters.values()))
    squared = torch.zeros(len(first))
    for each in gradients.values():
        squared.index_add_(0, each.devices, as_rows(each.gradient.square()).sum(1))
    norm = root(squared)
    rate = learning_rate * (clip_norm / (norm + _NORM_FLOOR)).clamp(max=1)
    for name, each in gradients.items():
        step = per_device(rate[each.devices], each.value) * each.gradient
        parameters[name].index_copy_(0, each.devices, each.value - step)
    return norm
