"""The samples that a device trains on, and the batches that it draws from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learning.data.normalise import LEAST_DEVIATION, Scale, local_scale

if TYPE_CHECKING:
    from learning.data.samples import MultiModalData

_BATCH_STREAM = 0x42617463
_NOISE_STREAM = 0x4E6F6973


@dataclass(frozen=True)
class DeviceData:
    """The training samples of all devices.

    inputs: modality -> (N_train, *shape); label (N_train,); index (n, longest): rows of
    a device, the tail unused; count (n,): how many; class_counts (n, C). scale: modality -> how
    each device scales its inputs; empty where all keep the fixed units.
    """

    inputs: dict[str, Tensor]
    label: Tensor
    index: Tensor
    count: NDArray[np.int64]
    class_counts: NDArray[np.int64]
    scale: dict[str, Scale]


def gather_device_data(
    data: MultiModalData,
    owner: NDArray[np.int64],
    num_devices: int,
    normalisation: str = "fixed",
) -> DeviceData:
    """Collect what each device owns; owner (N,) as `partition_recordings` gives it.

    With normalisation "fixed", samples keep the units that their loader names. "local" scales by a
    device's own mean and deviation, which cost dmml 13 and dmml_strong 8 points on the watch data
    (Dirichlet 0.5, validation people, 4 runs each): where a device sees three exercises of seven,
    its statistics carry the class. "gossip" starts from these.
    """
    rows = np.flatnonzero(owner >= 0)
    device = owner[rows]
    count = np.bincount(device, minlength=num_devices)
    index = np.zeros((num_devices, count.max()), dtype=np.int64)
    for k in range(num_devices):
        index[k, : count[k]] = np.flatnonzero(device == k)
    class_counts = np.zeros((num_devices, data.num_classes), dtype=np.int64)
    np.add.at(class_counts, (device, data.label[rows]), 1)
    inputs = {m: torch.from_numpy(x[rows]) for m, x in data.modalities.items()}
    scale: dict[str, Scale] = {}
    if normalisation != "fixed":
        # Sums that others add to theirs have to be as they are.
        least = 0.0 if normalisation == "gossip" else LEAST_DEVIATION
        scale = {m: local_scale(x.numpy(), device, num_devices, least) for m, x in inputs.items()}
    return DeviceData(
        inputs=inputs,
        label=torch.from_numpy(data.label[rows]),
        index=torch.from_numpy(index),
        count=count,
        class_counts=class_counts,
        scale=scale,
    )


def draw_batch(data: DeviceData, batch_size: int, seed: int, round_index: int, step: int) -> Tensor:
    """Draw each device's batch: (n, batch) rows of the training samples, with replacement.

    Row k is decided by (seed, k, round, step) alone: neither by the schedule nor by which other
    devices train, so that schedules see the same data.
    """
    rng = np.random.default_rng([seed, _BATCH_STREAM, round_index, step])
    uniform = rng.random((len(data.count), batch_size))
    position = torch.as_tensor((uniform * data.count[:, None]).astype(np.int64))
    return data.index.gather(1, position)


@dataclass(frozen=True)
class GeneratorNoise:
    """Random numbers of generated samples: uniform (n, G) chooses labels.

    normal (n, G, d) is for their common features, specific (n, G, d_s) for their specific ones.
    """

    uniform: Tensor
    normal: Tensor
    specific: Tensor


def draw_noise(
    size: tuple[int, int, int, int], seed: int, round_index: int, step: int
) -> GeneratorNoise:
    """Draw the random numbers of generated samples, keyed by (seed, round, step).

    size: (devices, samples per device, common_dim, specific_dim); one row per device, as in
    `draw_batch`.
    """
    num_devices, samples, *dims = size
    key = [seed, _NOISE_STREAM, round_index, step]
    # A stream each, so that a device's row of one does not shift with the size of another.
    labels, *values = (np.random.default_rng([*key, stream]) for stream in range(3))
    uniform = labels.random((num_devices, samples), dtype=np.float32)
    normal, specific = (
        rng.standard_normal((num_devices, samples, dim), dtype=np.float32)
        for rng, dim in zip(values, dims, strict=True)
    )
    return GeneratorNoise(*(torch.as_tensor(values) for values in (uniform, normal, specific)))
