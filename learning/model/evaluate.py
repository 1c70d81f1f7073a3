"""How well the devices classify people whom nobody trained on, and how alike they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learning.data.normalise import Scale, seen_by
from learning.model.encoders import Stack, as_rows
from learning.model.stack import Forward, Model, encoder_part, forward, part_of, take

# Samples of a chunk times devices: few enough for the activations to stay in the cache (found by
# trying); on a GPU enough to keep it busy, in some 2 GB.
_CHUNK_PASSES = 2304
_CHUNK_PASSES_OF_GPU = 16384
# With more modalities than this, subsets are too many for a column each.
MOST_NAMED_MODALITIES = 3


@dataclass(frozen=True)
class Evaluation:
    """Scores on the held-out people; NaN where a device lacks a modality, or all of them.

    accuracy, macro_f1 (n,): of the fused logits of all that a device has; modality_accuracy
    (n, m): of each modality alone; subset_accuracy: name -> (n,), of two or more modalities
    ("acc+gyro"; with more than three modalities the mean over subsets of a size, "2_modalities");
    feature_distance (n,): how far a device's class-conditional common features lie from those of
    all devices (see `class_feature_distance`); consensus_distance (n,): how far its model is from
    the mean one; dead_feature_share (n,): the share of its common features, of all its modalities,
    that have one value for all samples (a ReLU that never opens), and so say nothing. No logit
    adjustment: it belongs to training.
    """

    accuracy: NDArray[np.float64]
    macro_f1: NDArray[np.float64]
    modality_accuracy: NDArray[np.float64]
    subset_accuracy: dict[str, NDArray[np.float64]]
    feature_distance: NDArray[np.float64]
    consensus_distance: NDArray[np.float64]
    dead_feature_share: NDArray[np.float64]

    @property
    def modality_imbalance(self) -> NDArray[np.float64]:
        """Accuracy of the best modality alone minus the worst one's (n,); NaN for less than two."""
        known, scores = ~np.isnan(self.modality_accuracy), self.modality_accuracy
        best = np.where(known, scores, -np.inf).max(1, initial=-np.inf)
        worst = np.where(known, scores, np.inf).min(1, initial=np.inf)
        several = known.sum(1) > 1
        return np.where(several, best - worst, np.nan)


def evaluate_stack(
    model: Model,
    parameters: Stack,
    inputs: dict[str, Tensor],
    label: Tensor,
    available: NDArray[np.bool_],
    scale: Mapping[str, Scale],
    workers: int = 1,
) -> Evaluation:
    """Classify T samples on every device: (T, *shape) per modality, label (T,).

    available (n, m) bool, in the order of `inputs`; scale: modality -> the devices' own scaling,
    empty where they have none; workers: threads, which share the samples: the same bits for any
    number.
    """
    truth = label.cpu().numpy()
    has_any: NDArray[np.bool_] = np.any(available, axis=1)
    column = {m: i for i, m in enumerate(inputs)}
    has_all: dict[tuple[str, ...], NDArray[np.bool_]] = {
        subset: np.all(available[:, [column[m] for m in subset]], axis=1)
        for subset in _subsets(tuple(inputs))
    }
    seen = _see(model, parameters, inputs, label, available, has_all, scale, workers)
    right = {subset: (values == truth).mean(1) for subset, values in seen.predicted.items()}
    for subset, scores in right.items():
        scores[~has_all[subset]] = np.nan
    count = torch.as_tensor(np.bincount(truth, minlength=model.num_classes))
    means = {
        m: (total / count.clamp(min=1)[:, None]).cpu().numpy() for m, total in seen.sums.items()
    }
    dead = {
        m: (low == seen.highest[m]).double().mean(1).cpu().numpy() for m, low in seen.lowest.items()
    }
    return Evaluation(
        accuracy=np.where(has_any, (seen.fused == truth).mean(1), np.nan),
        macro_f1=np.where(has_any, macro_f1(seen.fused, truth, model.num_classes), np.nan),
        modality_accuracy=np.stack([right[(m,)] for m in inputs], axis=1),
        subset_accuracy=_named_subsets(right, len(inputs)),
        feature_distance=class_feature_distance(means, seen.users, len(available)),
        consensus_distance=consensus_distance(model, parameters, seen.users, has_any),
        dead_feature_share=_mean_over_modalities(dead, seen.users, len(available)),
    )


@dataclass(frozen=True)
class _Seen:
    """What forward passes over all samples came to; users: who has a modality, (a,).

    predicted: subset of modalities -> class (n, T), fused (n, T); sums: modality -> common features
    by class (a, C, d); lowest, highest: of each feature over all samples (a, d).
    """

    users: dict[str, NDArray[np.int64]]
    predicted: dict[tuple[str, ...], NDArray[np.int64]]
    fused: NDArray[np.int64]
    sums: dict[str, Tensor]
    lowest: dict[str, Tensor] = field(default_factory=dict)
    highest: dict[str, Tensor] = field(default_factory=dict)


def _see(
    model: Model,
    parameters: Stack,
    inputs: dict[str, Tensor],
    label: Tensor,
    available: NDArray[np.bool_],
    has_all: dict[tuple[str, ...], NDArray[np.bool_]],
    scale: Mapping[str, Scale],
    workers: int,
) -> _Seen:
    has_any: NDArray[np.bool_] = np.any(available, axis=1)
    users = {m: np.flatnonzero(available[:, i]) for i, m in enumerate(inputs)}
    users = {m: who for m, who in users.items() if len(who) > 0}
    size = len(available), len(label)
    shape = model.num_classes, model.common_dim
    seen = _Seen(
        users,
        {subset: np.zeros(size, np.int64) for subset in has_all},
        np.zeros(size, np.int64),
        {m: torch.zeros(len(who), *shape) for m, who in users.items()},
    )
    # Of the devices that have a modality, which have the whole subset.
    having = {
        subset: {m: torch.as_tensor(who[users[m]]) for m in subset}
        for subset, who in has_all.items()
        if who.any()
    }
    for chunk, passed in _passes(model, parameters, inputs, users, has_any, scale, workers):
        seen.fused[has_any, chunk] = passed.fused_logits.argmax(-1).cpu()
        for subset, those in having.items():
            logits = [passed.modality_logits[m][those[m]] for m in subset]
            mean = sum(logits[1:], logits[0]) / len(subset)
            seen.predicted[subset][has_all[subset], chunk] = mean.argmax(-1).cpu()
        one_hot = torch.nn.functional.one_hot(label[chunk], model.num_classes).float()
        for m, common in passed.common.items():
            seen.sums[m] += one_hot.T @ common
            low, high = common.aminmax(dim=1)
            seen.lowest[m] = torch.minimum(seen.lowest.get(m, low), low)
            seen.highest[m] = torch.maximum(seen.highest.get(m, high), high)
    return seen


def no_evaluation(available: NDArray[np.bool_], names: tuple[str, ...]) -> Evaluation:
    """Return NaN for everything, under the names that an evaluation has."""
    nothing = np.full(len(available), np.nan)
    return Evaluation(
        accuracy=nothing,
        macro_f1=nothing,
        modality_accuracy=np.full(available.shape, np.nan),
        subset_accuracy=_named_subsets(dict.fromkeys(_subsets(names), nothing), len(names)),
        feature_distance=nothing,
        consensus_distance=nothing,
        dead_feature_share=nothing,
    )


def _subsets(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for size in range(1, len(names) + 1):
        yield from combinations(names, size)


def _passes(
    model: Model,
    parameters: Stack,
    inputs: dict[str, Tensor],
    users: dict[str, NDArray[np.int64]],
    has_any: NDArray[np.bool_],
    scale: Mapping[str, Scale],
    workers: int,
) -> Iterator[tuple[slice, Forward]]:
    """Pass the samples chunk by chunk, in their order, through the devices with any modality."""
    devices = torch.as_tensor(np.flatnonzero(has_any))
    position = np.cumsum(has_any) - 1
    rows = {m: torch.as_tensor(position[who]) for m, who in users.items()}
    encoders = {
        m: take(parameters, encoder_part(m), torch.as_tensor(who)) for m, who in users.items()
    }
    head = take(parameters, "head", devices)
    num_samples = len(next(iter(inputs.values())))
    passes = _CHUNK_PASSES if devices.is_cpu else _CHUNK_PASSES_OF_GPU
    size = max(1, passes // len(devices))
    chunks = [slice(at, min(at + size, num_samples)) for at in range(0, num_samples, size)]

    def passed(chunk: slice) -> tuple[slice, Forward]:
        with torch.no_grad():  # of this thread
            seen = {
                m: seen_by(inputs[m][chunk], torch.as_tensor(who), scale.get(m))
                for m, who in users.items()
            }
            return chunk, forward(model, encoders, head, seen, devices, rows)

    if workers == 1:
        yield from map(passed, chunks)
        return
    with ThreadPoolExecutor(workers, "evaluation") as pool:
        some = 4 * workers  # what waits to be looked at stays small
        for at in range(0, len(chunks), some):
            yield from pool.map(passed, chunks[at : at + some])


def _named_subsets(
    right: dict[tuple[str, ...], NDArray[np.float64]], num_modalities: int
) -> dict[str, NDArray[np.float64]]:
    if num_modalities <= MOST_NAMED_MODALITIES:
        return {"+".join(subset): v for subset, v in right.items() if len(subset) > 1}
    named = {}
    for size in range(2, num_modalities + 1):
        scores = np.stack([v for subset, v in right.items() if len(subset) == size])
        held = ~np.isnan(scores)
        total = np.where(held, scores, 0.0).sum(0)
        named[f"{size}_modalities"] = np.where(
            held.any(0), total / np.maximum(held.sum(0), 1), np.nan
        )
    return named


def class_feature_distance(
    means: dict[str, NDArray[np.float32]], users: dict[str, NDArray[np.int64]], num_devices: int
) -> NDArray[np.float64]:
    """How unlike the devices' class-conditional common features are: (n,), 0 when all agree.

    mu_kmc: mean common feature of class c in modality m on device k; mu_c: their mean over k and
    m; of device k: mean over its m of sum_c ||mu_kmc - mu_c||^2 / sum_c ||mu_c - mu||^2, with mu
    the mean of mu_c: squared disagreement over the squared spread of the classes.
    means: modality -> (a_m, C, d) of its users (a_m,).
    """
    everyone = np.concatenate(list(means.values())).astype(np.float64)
    centre = everyone.mean(0)
    spread = ((centre - centre.mean(0)) ** 2).sum()
    apart = {m: ((values - centre) ** 2).sum((1, 2)) for m, values in means.items()}
    away = _mean_over_modalities(apart, users, num_devices)
    result: NDArray[np.float64] = away / max(spread, 1e-12)
    return result


def _mean_over_modalities(
    values: Mapping[str, NDArray[np.floating]],
    users: Mapping[str, NDArray[np.int64]],
    num_devices: int,
) -> NDArray[np.float64]:
    """Average numbers of modalities (a_m,) over those that a device has, (n,); NaN for none."""
    total, held = np.zeros(num_devices), np.zeros(num_devices)
    for m, value in values.items():
        total[users[m]] += value
        held[users[m]] += 1
    return np.where(held > 0, total / np.maximum(held, 1), np.nan)


def consensus_distance(
    model: Model,
    parameters: Stack,
    users: dict[str, NDArray[np.int64]],
    has_any: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """How far a device's model is from the mean of those who have each part: (n,).

    ||theta_k - mean|| / ||mean|| over the encoders that it has and the head; NaN without any.
    """
    owners = {encoder_part(m): who for m, who in users.items()} | {"head": np.flatnonzero(has_any)}
    away, size = np.zeros(len(has_any)), np.zeros(len(has_any))
    for name in model.initial:
        who = owners.get(part_of(name), np.zeros(0, np.int64))
        if len(who) > 0:
            mine = parameters[name][torch.as_tensor(who)].double()
            mean = mine.mean(0, keepdim=True)
            away[who] += as_rows((mine - mean).square()).sum(1).cpu().numpy()
            size[who] += float(mean.square().sum())
    distance: NDArray[np.float64] = np.sqrt(
        np.divide(away, size, out=np.full(len(size), np.nan), where=size > 0)
    )
    return distance


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
