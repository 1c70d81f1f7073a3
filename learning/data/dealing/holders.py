"""Who holds data and modalities under a method's topology."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learning.data.dealing.modalities import check_somewhere, modality_mask
from learning.data.dealing.partition import partition_recordings
from learning.errors import LearningError
from learning.star import SERVER

if TYPE_CHECKING:
    from learning.data.samples import MultiModalData
    from learning.method import Method
    from learning.settings import LearningSetup


def holders(data: MultiModalData, setup: LearningSetup, topology: str) -> NDArray[np.int64]:
    """Give every training sample its device: (N,), -1 for others.

    pooled: device 0 holds all; star: device 0 holds nothing.
    """
    if topology == "star":
        others = partition_recordings(
            data, setup.model_copy(update={"num_devices": setup.num_devices - 1})
        )
        return np.where(others >= 0, others + 1, others)
    owner = partition_recordings(data, setup)
    return np.minimum(owner, 0) if topology == "pooled" else owner


def usable_modalities(
    setup: LearningSetup, method: Method, names: tuple[str, ...]
) -> NDArray[np.bool_]:
    """Say which modalities each device trains: (n, m), none where it holds no data.

    Raises LearningError where only_modality is missing or of no use, or the server of a star alone
    has a modality.
    """
    mask = modality_mask(setup, names)
    if method.topology == "pooled":
        mask[:] = False
        mask[0] = True
    if method.topology == "star":
        mask[SERVER] = False
        what = f"modality_pattern {setup.modality_pattern}"
        expected = "every modality on a device besides the server"
        check_somewhere(mask, names, what, expected, "take another seed, a higher rate, or a table")
    one = setup.only_modality
    if method.uses_one_modality != (one is not None) or (one and one not in names):
        expected = " | ".join(names) if method.uses_one_modality else "none with this method"
        raise LearningError("only_modality", expected, str(one), "set or remove it")
    if one is not None:
        mask &= np.array(names) == one
    return mask
