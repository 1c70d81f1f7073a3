"""Who holds what: whole recordings dealt to devices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learning.data.samples import TRAIN
from learning.errors import LearningError

if TYPE_CHECKING:
    from learning.data.samples import MultiModalData
    from learning.settings import LearningSetup

MINIMUM_SAMPLES = 16
MAXIMUM_DRAWS = 500
_PARTITION_STREAM = 0x50617274
_SIZE_STREAM = 0x53697A65


def partition_recordings(data: MultiModalData, setup: LearningSetup) -> NDArray[np.int64]:
    """Give every training recording to one device: (N,) the sample's owner, -1 for others.

    Samples of a recording may overlap, so a recording is never split. A draw that leaves a device
    with fewer than 16 samples, or classes, than asked for is drawn again, keyed by (seed, attempt).
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
    share = size.sum() * target_shares(setup)
    each = setup.classes_per_device
    for attempt in range(MAXIMUM_DRAWS):
        rng = np.random.default_rng([setup.seed, _PARTITION_STREAM, attempt])
        if setup.partition == "iid":
            device = deal_evenly(rng, label, size, share)
        elif setup.partition == "dirichlet":
            device = deal_by_dirichlet(rng, label, size, share, setup.dirichlet_alpha)
        elif setup.partition == "classes":
            device = deal_by_class(rng, label, size, share, each)
            if _fewest_classes(device, label, n) < each:
                continue
        else:
            device = deal_by_subject(rng, subject, size, n)
        if np.bincount(device, weights=size, minlength=n).min() >= MINIMUM_SAMPLES:
            owner = np.full(len(data.label), -1, dtype=np.int64)
            owner[train] = device[inverse]
            return owner
    classes = f" of {each} classes" if setup.partition == "classes" else ""
    raise LearningError(
        what,
        f"{MINIMUM_SAMPLES} samples{classes} on each of {n} devices",
        f"a poorer device in {MAXIMUM_DRAWS} draws",
        "use fewer devices, a larger dirichlet_alpha, a smaller size_sigma or another partition",
    )


def _fewest_classes(device: NDArray[np.int64], label: NDArray[np.int64], num_devices: int) -> int:
    return min(len(np.unique(label[device == k])) for k in range(num_devices))


def target_shares(setup: LearningSetup) -> NDArray[np.float64]:
    """Draw how much of all samples each device is meant to hold: (n,), their sum is 1.

    Log-normal, with deviation size_sigma of the logarithm; all alike for 0.
    """
    n = setup.num_devices
    if setup.size_sigma == 0:
        return np.full(n, 1.0 / n)
    rng = np.random.default_rng([setup.seed, _SIZE_STREAM])
    drawn = np.exp(setup.size_sigma * rng.standard_normal(n))
    shares: NDArray[np.float64] = drawn / drawn.sum()
    return shares


def deal_evenly(
    rng: np.random.Generator,
    label: NDArray[np.int64],
    size: NDArray[np.int64],
    share: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Deal each class's recordings in random order, each to the device that has least of it.

    The order is: fewest recordings of this class for its share, then fewest samples, then at
    random. label, size (R,): class and number of samples of each recording; share (n,): samples
    that a device is meant to hold. Returns (R,) devices.
    """
    device = np.full(len(label), -1, dtype=np.int64)
    num_devices = len(share)
    relative = share / share.mean()
    load = np.zeros(num_devices)
    for c in rng.permutation(np.unique(label)):
        held = np.zeros(num_devices)
        for recording in rng.permutation(np.flatnonzero(label == c)):
            chosen = np.lexsort((rng.random(num_devices), load / relative, held / relative))[0]
            device[recording] = chosen
            held[chosen] += 1
            load[chosen] += size[recording]
    return device


def deal_by_dirichlet(
    rng: np.random.Generator,
    label: NDArray[np.int64],
    size: NDArray[np.int64],
    share: NDArray[np.float64],
    alpha: float,
) -> NDArray[np.int64]:
    """Draw the device of each recording from its class's proportions p_c ~ Dirichlet(alpha).

    A device that already holds its share of samples leaves the draw, which keeps sizes near what
    is meant (the rule of NIID-Bench, Li et al., ICDE 2022, for samples).
    label, size (R,): class and number of samples of each recording; share (n,): samples that a
    device is meant to hold. Returns (R,) devices.
    """
    device = np.full(len(label), -1, dtype=np.int64)
    num_devices = len(share)
    load = np.zeros(num_devices)
    for c in rng.permutation(np.unique(label)):
        proportion = rng.dirichlet(np.full(num_devices, alpha))
        for recording in rng.permutation(np.flatnonzero(label == c)):
            # The floor keeps a draw possible when every device that the class favours is full.
            weight = np.where(load < share, proportion + 1e-12, 0.0)
            chosen = rng.choice(num_devices, p=weight / weight.sum())
            device[recording] = chosen
            load[chosen] += size[recording]
    return device


def deal_by_class(
    rng: np.random.Generator,
    label: NDArray[np.int64],
    size: NDArray[np.int64],
    share: NDArray[np.float64],
    classes_per_device: int,
) -> NDArray[np.int64]:
    """Give each device some classes, and deal a class's recordings among those who have it.

    Classes are dealt like cards from shuffled packs, so that each is held by as many devices as
    any other (give or take one), and by somebody where n c >= C. Of a class, each holder gets a
    recording first; the next goes to the holder that has least for its share.
    label, size (R,); share (n,): samples that a device is meant to hold. Returns (R,) devices.
    Raises LearningError for more classes per device than there are, or too few to hold all.
    """
    classes, n = np.unique(label), len(share)
    if not len(classes) <= n * classes_per_device or classes_per_device > len(classes):
        expected = f"{math.ceil(len(classes) / n)} to {len(classes)}"
        got = str(classes_per_device)
        raise LearningError("classes_per_device", expected, got, "hold every class once at least")
    has = _deal_cards(rng, n, len(classes), classes_per_device)
    device = np.full(len(label), -1, dtype=np.int64)
    load = np.zeros(n)
    for c in rng.permutation(len(classes)):
        holders = np.flatnonzero(has[:, c])
        held = np.zeros(n)
        for recording in rng.permutation(np.flatnonzero(label == classes[c])):
            waits = held[holders] == 0
            chosen = holders[np.lexsort((load[holders] / share[holders], ~waits))[0]]
            device[recording] = chosen
            held[chosen] += 1
            load[chosen] += size[recording]
    return device


def _deal_cards(
    rng: np.random.Generator, num_devices: int, num_classes: int, each: int
) -> NDArray[np.bool_]:
    """Deal `each` different classes to every device: (n, C) bool, columns alike give or take one.

    In random order, a device takes the classes that fewest have so far, ties at random.
    """
    has = np.zeros((num_devices, num_classes), dtype=np.bool_)
    for device in rng.permutation(num_devices):
        order = np.lexsort((rng.random(num_classes), has.sum(0)))
        has[device, order[:each]] = True
    return has


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
