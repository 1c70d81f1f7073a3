"""On-the-fly gradient modulation with generalisation enhancement, on DMML.

s_m = sum over the batch of softmax(modality m alone)[y]; rho_m = s_m / mean of the others' s;
where rho_m > 1 the encoder's gradient is scaled by 1 - tanh(alpha rho_m) and gets normal noise of
the deviation of the scaled gradient.
Source: Peng et al., CVPR 2022, equations 8 to 11 and algorithm 1; with more than two modalities
the mean of the others stands for the other. Noise goes to all of a dominant encoder; the authors'
code (GeWu-Lab/OGM-GE_CVPR2022) gives it to the convolutions of all encoders, with the deviation of
the gradient before it is scaled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from learning.method import ExtraFlop, Gradient, Method, Round, Rules, per_device
from learning.methods.names import METHODS
from learning.model.encoders import as_rows
from learning.model.losses import fused_loss
from learning.model.stack import Forward, Model, encoder_part, part_of

if TYPE_CHECKING:
    from learning.settings import LearningSetup


def begin(round_: Round) -> Rules:
    """Modulate the encoders' gradients."""
    alpha = round_.options["modulation"]

    def adjust(
        gradients: Mapping[str, Gradient], passed: Forward, label: Tensor, step: int
    ) -> dict[str, Tensor]:
        scale = {
            encoder_part(m): coefficient(passed, label, m, alpha) for m in passed.modality_logits
        }
        rng = np.random.default_rng(round_.rng_key(step))
        n = round_.setup.num_devices
        changed = {}
        for name, g in gradients.items():
            if part_of(name) not in scale:
                continue
            k = per_device(scale[part_of(name)], g.gradient)
            # Drawn for all devices, so that one's noise does not depend on who trains.
            draw = rng.standard_normal((n, *g.gradient.shape[1:]), dtype=np.float32)
            scaled = k * g.gradient
            spread = per_device(as_rows(scaled).std(1, unbiased=False), scaled)
            noise = spread * torch.as_tensor(draw)[g.devices]
            changed[name] = torch.where(k < 1, scaled + noise, scaled)
        return changed

    return Rules(lambda passed, label, step: fused_loss(passed, label), adjust)


def coefficient(passed: Forward, label: Tensor, modality: str, alpha: float) -> Tensor:
    """Scale of the gradient of one modality's encoder on the devices that use it: (a_m,)."""
    score = torch.zeros(len(passed.devices))
    others, count = torch.zeros_like(score), torch.zeros_like(score)
    for m, rows in passed.rows.items():
        probability = passed.modality_logits[m].detach().softmax(2)
        own = probability.gather(2, label[rows][..., None]).sum((1, 2))
        if m == modality:
            score[rows] = own
        else:
            others[rows] += own
            count[rows] += 1
    ratio = score * count / others.clamp(min=1e-12)
    dominant = (count > 0) & (ratio > 1)
    rows = passed.rows[modality]
    return torch.where(dominant, 1 - torch.tanh(alpha * ratio), 1.0)[rows]


def flop(setup: LearningSetup, model: Model) -> ExtraFlop:
    """Charge the scaling, the deviation (3) and the noise (2) of each of an encoder's gradients."""
    encoders = [v.numel() for name, v in model.initial.items() if not name.startswith("head/")]
    return ExtraFlop(per_iteration=6.0 * sum(encoders) / len(model.encoders))


METHOD = Method(begin, flop=flop, options=METHODS["ogm_ge"])
