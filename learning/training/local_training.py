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
    over all that the device uses in the step. A device's head takes max_m tau_km steps.
    """
    num_devices, num_steps = len(iterations), int(iterations.max())
    loss = torch.full((num_devices, num_steps), torch.nan)
    gradient_norm = torch.full((num_devices, num_steps), torch.nan)
    gain = torch.full((num_steps, *iterations.shape), torch.nan)
    for step in range(1, num_steps + 1):
        uses = iterations >= step
        devices = uses.any(1).nonzero().squeeze(1)
        position = torch.cumsum(uses.any(1), 0) - 1
        batch = batches(step)

        encoders, users, rows, inputs, columns = {}, {}, {}, {}, {}
        for column, (m, windows) in enumerate(data.inputs.items()):
            if not bool(uses[:, column].any()):
                continue
            columns[m] = column
            users[m] = uses[:, column].nonzero().squeeze(1)
            rows[m] = position[users[m]]
            encoders[m] = _as_leaves(take(parameters, encoder_part(m), users[m]))
            inputs[m] = windows[batch[users[m]]]
            if m in data.scale:
                inputs[m] = data.scale[m].of(inputs[m], users[m])
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
            gain[step - 1, users[m], columns[m]] = value
        if rules.after_step is not None:
            rules.after_step(passed, label, step)
    return LocalResult(loss, gradient_norm, gain.nanmean(0))


def mean_loss(result: LocalResult) -> NDArray[np.float64]:
    """Mean over the steps that a device took: (n,), NaN without any."""
    steps = (~result.loss.isnan()).sum(1)
    mean: NDArray[np.float64] = (result.loss.nansum(1) / steps).numpy().astype(np.float64)
    return mean


def check_finite(result: LocalResult, iterations: Tensor, round_index: int) -> None:
    """Raise LearningError with the first loss or gradient that is NaN or inf; iterations (n, m)."""
    # An idle step is NaN by definition, so the schedule says which steps were taken.
    took = torch.arange(result.loss.shape[1]) < iterations.max(1).values[:, None]
    broken = took & ~(result.loss.isfinite() & result.gradient_norm.isfinite())
    if bool(broken.any()):
        device, step = (int(i) for i in broken.nonzero()[0])
        raise LearningError(
            f"loss of device {device} in round {round_index + 1}, step {step + 1}",
            "a finite loss and gradient",
            f"{float(result.loss[device, step])}, {float(result.gradient_norm[device, step])}",
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
