"""Who holds what: whole recordings dealt to devices, and the modalities that a device has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learning.data.samples import TRAIN
from learning.errors import LearningError

if TYPE_CHECKING:
    from learning.data.samples import MultiModalData
    from learning.data.setup import DataSetup

MINIMUM_SAMPLES = 16
MAXIMUM_DRAWS = 500
_PARTITION_STREAM = 0x50617274
_MODALITY_STREAM = 0x4D6F6461


def partition_recordings(data: MultiModalData, setup: DataSetup) -> NDArray[np.int64]:
    """Give every training recording to one device: (N,) the sample's owner, -1 for others.

    Samples of a recording may overlap, so a recording is never split. A draw that leaves a device
    with fewer than 16 samples is drawn again, keyed by (seed, attempt).
    Raises LearningError when there are fewer recordings than devices, or no draw suits.
    """
    train = np.flatnonzero(data.split == TRAIN)
    first, inverse, size = np.unique(
        data.recording[train], return_index=True, return_inverse=True, return_counts=True
    )[1:]
    label, subject = data.label[train][first], data.subject[train][first]
    what, n = f"partition {setup.partition} of {data.name}", setup.num_devices
    if len(size) < n:
        raise LearningError(
            what, f"at least {n} training recordings", str(len(size)), "use fewer devices"
        )
    for attempt in range(MAXIMUM_DRAWS):
        rng = np.random.default_rng([setup.seed, _PARTITION_STREAM, attempt])
        if setup.partition == "iid":
            device = deal_evenly(rng, label, size, n)
        elif setup.partition == "dirichlet":
            device = deal_by_dirichlet(rng, label, size, n, setup.dirichlet_alpha)
        else:
            device = deal_by_subject(rng, subject, size, n)
        if np.bincount(device, weights=size, minlength=n).min() >= MINIMUM_SAMPLES:
            owner = np.full(len(data.label), -1, dtype=np.int64)
            owner[train] = device[inverse]
            return owner
    raise LearningError(
        what,
        f"{MINIMUM_SAMPLES} samples on each of {n} devices",
        f"a poorer device in {MAXIMUM_DRAWS} draws",
        "use fewer devices, a larger dirichlet_alpha or another partition",
    )


def deal_evenly(
    rng: np.random.Generator, label: NDArray[np.int64], size: NDArray[np.int64], num_devices: int
) -> NDArray[np.int64]:
    """Deal each class's recordings in random order, each to the device that has least of it.

    The order is: fewest recordings of this class, then fewest samples in all, then at random.
    label, size (R,): class and number of samples of each recording. Returns (R,) devices.
    """
    device = np.full(len(label), -1, dtype=np.int64)
    load = np.zeros(num_devices)
    for c in rng.permutation(np.unique(label)):
        held = np.zeros(num_devices)
        for recording in rng.permutation(np.flatnonzero(label == c)):
            chosen = np.lexsort((rng.random(num_devices), load, held))[0]
            device[recording] = chosen
            held[chosen] += 1
            load[chosen] += size[recording]
    return device


def deal_by_dirichlet(
    rng: np.random.Generator,
    label: NDArray[np.int64],
    size: NDArray[np.int64],
    num_devices: int,
    alpha: float,
) -> NDArray[np.int64]:
    """Draw the device of each recording from its class's proportions p_c ~ Dirichlet(alpha).

    A device that already holds its even share of all samples leaves the draw, which keeps sizes
    comparable (the rule of NIID-Bench, Li et al., ICDE 2022, for samples).
    label, size (R,): class and number of samples of each recording. Returns (R,) devices.
    """
    device = np.full(len(label), -1, dtype=np.int64)
    load = np.zeros(num_devices)
    share = size.sum() / num_devices
    for c in rng.permutation(np.unique(label)):
        proportion = rng.dirichlet(np.full(num_devices, alpha))
        for recording in rng.permutation(np.flatnonzero(label == c)):
            # The floor keeps a draw possible when every device that the class favours is full.
            weight = np.where(load < share, proportion + 1e-12, 0.0)
            chosen = rng.choice(num_devices, p=weight / weight.sum())
            device[recording] = chosen
            load[chosen] += size[recording]
    return device


def deal_by_subject(
    rng: np.random.Generator, subject: NDArray[np.int64], size: NDArray[np.int64], num_devices: int
) -> NDArray[np.int64]:
    """Give each device whole people; with more devices than people, people are shared instead.

    A device never holds two people while another holds none; where several devices share one
    person, each gets some of that person's recordings and of nobody else's.
    subject, size (R,): person and number of samples of each recording. Returns (R,) devices.
    """
    people = rng.permutation(np.unique(subject))
    device = np.full(len(subject), -1, dtype=np.int64)
    for position, person in enumerate(people):
        own = rng.permutation(np.flatnonzero(subject == person))
        if num_devices <= len(people):
            device[own] = position % num_devices
            continue
        sharing = np.arange(position, num_devices, len(people))
        load = np.zeros(len(sharing))
        for recording in own:
            chosen = int(load.argmin())
            device[recording] = sharing[chosen]
            load[chosen] += size[recording]
    return device


def modality_mask(setup: DataSetup, num_modalities: int) -> NDArray[np.bool_]:
    """Say which modalities each device has: (n, m).

    "all": every one. "thirds": devices in random order, a third with the first modality only, a
    third with the second only, a third with all (sizes differ by at most one).
    Raises LearningError for "thirds" of fewer than two modalities.
    """
    n = setup.num_devices
    mask = np.ones((n, num_modalities), dtype=np.bool_)
    if setup.modality_pattern == "all":
        return mask
    if num_modalities < 2:
        what = "modality_pattern thirds"
        raise LearningError(what, "two modalities", str(num_modalities), "use the pattern all")
    order = np.random.default_rng([setup.seed, _MODALITY_STREAM]).permutation(n)
    for only, devices in enumerate(np.array_split(order, 3)[:2]):
        mask[devices] = False
        mask[devices, only] = True
    return mask
