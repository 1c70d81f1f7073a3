"""Which device has which part of the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from learning.data.normalise import scale_part
from learning.model.stack import encoder_part, specific_part
from learning.star import SERVER


def parts_owned(
    parts: tuple[str, ...],
    modality_names: tuple[str, ...],
    available: NDArray[np.bool_],
    has_server: bool,
) -> NDArray[np.bool_]:
    """Say which parts devices have, (n, p): a modality's where it is available (n, m).

    Who has no modality has no part; a server has all.
    """
    has = np.ones((len(available), len(parts)), dtype=np.bool_)
    for column, m in enumerate(modality_names):
        for part in {encoder_part(m), specific_part(m), scale_part(m)} & set(parts):
            has[:, parts.index(part)] = available[:, column]
    has[~available.any(axis=1)] = False
    if has_server:
        has[SERVER] = True
    return has
