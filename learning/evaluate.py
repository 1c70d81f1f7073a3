"""How well the devices classify people whom nobody trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learning.data.normalise import Scale, seen_by
from learning.models import Stack, encoder_part, forward, take

# Small enough for the activations of a chunk to stay in a core's cache.
_CHUNK_WINDOWS = 64


@dataclass(frozen=True)
class Evaluation:
    """Scores on the held-out people, each device with its own modalities.

    accuracy, macro_f1 (n,): of the fused logits; modality_accuracy (n, m): of each modality alone,
    NaN where a device lacks it. No logit adjustment: it belongs to training.
    """

    accuracy: NDArray[np.float64]
    macro_f1: NDArray[np.float64]
    modality_accuracy: NDArray[np.float64]


def evaluate_stack(
    parameters: Stack,
    inputs: dict[str, Tensor],
    label: Tensor,
    available: NDArray[np.bool_],
    num_classes: int,
    scale: Mapping[str, Scale],
) -> Evaluation:
    """Classify T samples on every device: (T, *shape) per modality, label (T,).

    available (n, m) bool, in the order of `inputs`; scale: modality -> the devices' own scaling,
    empty where they have none.
    """
    n, num_windows = len(available), len(label)
    devices = torch.arange(n)
    users = {m: torch.from_numpy(np.flatnonzero(available[:, i])) for i, m in enumerate(inputs)}
    users = {m: who for m, who in users.items() if len(who) > 0}
    encoders = {m: take(parameters, encoder_part(m), who) for m, who in users.items()}
    head = take(parameters, "head", devices)
    fused = torch.empty((n, num_windows), dtype=torch.int64)
    alone = {m: torch.empty((len(who), num_windows), dtype=torch.int64) for m, who in users.items()}
    with torch.no_grad():
        for start in range(0, num_windows, _CHUNK_WINDOWS):
            chunk = slice(start, start + _CHUNK_WINDOWS)
            seen = {m: seen_by(inputs[m][chunk], who, scale.get(m)) for m, who in users.items()}
            passed = forward(encoders, head, seen, devices, users)
            fused[:, chunk] = passed.fused_logits.argmax(-1)
            for m, logits in passed.modality_logits.items():
                alone[m][:, chunk] = logits.argmax(-1)

    truth = label.numpy()
    modality_accuracy = np.full((n, len(inputs)), np.nan)
    for column, m in enumerate(inputs):
        if m in users:
            modality_accuracy[users[m].numpy(), column] = (alone[m].numpy() == truth).mean(1)
    predicted = fused.numpy()
    return Evaluation(
        accuracy=(predicted == truth).mean(1),
        macro_f1=macro_f1(predicted, truth, num_classes),
        modality_accuracy=modality_accuracy,
    )


def macro_f1(
    predicted: NDArray[np.int64], truth: NDArray[np.int64], num_classes: int
) -> NDArray[np.float64]:
    """Mean over the classes present in the truth of F1 = 2 TP / (2 TP + FP + FN).

    predicted (n, T), truth (T,) -> (n,).
    """
    classes = np.arange(num_classes)[:, None, None]
    said, true = predicted == classes, truth == classes  # [C, n, T], [C, 1, T]
    hits = (said & true).sum(2)
    per_class = 2 * hits / np.maximum(said.sum(2) + true.sum(2), 1)
    present = true.any((1, 2))
    scores: NDArray[np.float64] = per_class[present].mean(0)
    return scores
