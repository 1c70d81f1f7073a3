"""Which modalities devices train, where only some hold data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learning.data.dealing.modalities import check_somewhere, modality_mask
from learning.errors import LearningError

if TYPE_CHECKING:
    from learning.settings import LearningSetup
    from learning.topology import Topology


def usable_modalities(
    setup: LearningSetup, topology: Topology, uses_one_modality: bool, names: tuple[str, ...]
) -> NDArray[np.bool_]:
    """Say which modalities each device trains: (n, m), none where it holds no data.

    Raises LearningError where only_modality is missing or of no use, or the server of a star alone
    has a modality.
    """
    mask = modality_mask(setup, names)
    if topology.pools_data:
        mask[:] = True
    mask[~topology.holds_data(setup.num_devices)] = False
    if topology.has_server:
        what = f"modality_pattern {setup.modality_pattern}"
        expected = "every modality on a device besides the server"
        check_somewhere(mask, names, what, expected, "take another seed, a higher rate, or a table")
    one = setup.only_modality
    if uses_one_modality != (one is not None) or (one and one not in names):
        expected = " | ".join(names) if uses_one_modality else "none with this method"
        raise LearningError("only_modality", expected, str(one), "set or remove it")
    if one is not None:
        mask &= np.array(names) == one
    return mask
