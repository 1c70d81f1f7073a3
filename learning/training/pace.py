"""How fast each modality learns on each device, and what it contributes: what balance goes by."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from learning.model.encoders import Stack, as_rows
from learning.model.losses import cross_entropy
from learning.model.stack import Forward, encoder_part, of_part
from learning.root import root

INITIAL_SPEED = 1.0
# The newest round's share of a moving average.
SMOOTHING = 0.5


@dataclass(frozen=True)
class Pace:
    """What has been measured of n devices' m modalities, (n, m) each.

    step, first: the moving average of the variation per iteration and its first value, 1 before
    any; distance, iterations: sums of variation times iterations, and of these; measured (bool);
    contribution: the moving average of what a modality takes off the fused loss, 0 before any.
    """

    step: Tensor
    first: Tensor
    distance: Tensor
    iterations: Tensor
    measured: Tensor
    contribution: Tensor

    def named(self) -> Stack:
        """Return the fields as entries of a state."""
        return {f"pace/{field.name}": getattr(self, field.name).clone() for field in fields(self)}

    @staticmethod
    def of(state: Stack) -> Pace:
        """Take the fields out of a state."""
        return Pace(*(state[f"pace/{field.name}"].clone() for field in fields(Pace)))

    def speed(self, metric: str) -> Tensor:
        """Return u (n, m) by a metric.

        step: moving average of the rounds' variation; cumulative: mean over all iterations so far;
        first: that of the first round.
        """
        if metric == "cumulative":
            mean = self.distance / self.iterations.clamp(min=1)
            return torch.where(self.measured, mean, INITIAL_SPEED)
        return self.first if metric == "first" else self.step

    def update(self, variation: Tensor, iterations: Tensor, contribution: Tensor) -> Pace:
        """Take in a round: variation and contribution (n, m), NaN where there is none.

        The first measurement replaces the initial 1, which is not a speed but a stand-in that
        treats modalities alike.
        """
        new = ~torch.isnan(variation)
        step = torch.where(self.measured, _average(self.step, variation), variation)
        return Pace(
            step=torch.where(new, step, self.step),
            first=torch.where(new & ~self.measured, variation, self.first),
            distance=self.distance + torch.where(new, variation * iterations, 0.0),
            iterations=self.iterations + torch.where(new, iterations, 0),
            measured=self.measured | new,
            contribution=_average(self.contribution, contribution),
        )


def unmeasured(shape: tuple[int, ...]) -> Pace:
    """Return the pace before the first round."""
    one = torch.full(shape, INITIAL_SPEED)
    nothing = torch.zeros(shape)
    return Pace(
        one,
        one.clone(),
        nothing,
        nothing.to(torch.int64),
        nothing.bool(),
        nothing.clone(),
    )


def _average(old: Tensor, new: Tensor) -> Tensor:
    """Move an average to what is new; NaN leaves the old."""
    return torch.where(new.isnan(), old, (1 - SMOOTHING) * old + SMOOTHING * new)


def parameter_variation(before: Stack, after: Stack, iterations: Tensor) -> Tensor:
    """Relative change of an encoder per local iteration: (||theta+ - theta|| / ||theta||) / tau.

    before, after: the encoder's stack around the local training, not the mixing; iterations (n,).
    Returns (n,), NaN where tau = 0. W_m travels with the encoder but is not part of this norm.
    """
    names = [name for name in before if not name.endswith("/specific_weight")]
    size = sum((as_rows(before[name].square()).sum(1) for name in names), torch.zeros(()))
    change = sum(
        (as_rows((after[name] - before[name]).square()).sum(1) for name in names),
        torch.zeros(()),
    )
    return torch.where(iterations > 0, root(change / size) / iterations, torch.nan)


def variations(names: tuple[str, ...], before: Stack, after: Stack, iterations: Tensor) -> Tensor:
    """Return parameter_variation of each modality's encoder: all parameters around it, (n, m)."""
    parts = [encoder_part(m) for m in names]
    each = [
        parameter_variation(of_part(before, part), of_part(after, part), iterations[:, column])
        for column, part in enumerate(parts)
    ]
    return torch.stack(each, dim=1)


@torch.no_grad()
def contribution(passed: Forward, label: Tensor) -> dict[str, Tensor]:
    """Say what each modality takes off a batch's loss: CE(fused without m) - CE(fused), (a_m,).

    NaN for devices that use one modality only. It costs a softmax a modality, not charged.
    """
    used = torch.zeros(len(passed.devices))
    for rows in passed.rows.values():
        used[rows] += 1
    fused = cross_entropy(passed.fused_logits, label)
    found = {}
    for m, rows in passed.rows.items():
        k = used[rows][:, None, None]
        without = (k * passed.fused_logits[rows] - passed.modality_logits[m]) / (k - 1)
        gain = cross_entropy(without.nan_to_num(), label[rows]) - fused[rows]
        found[m] = torch.where(used[rows] > 1, gain, torch.nan)
    return found
