"""The data sets by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from learning.data.made import make_data
from learning.data.samples import MultiModalData
from learning.data.splits import assign_split
from learning.data.uci_har import load_uci_har
from learning.data.watch import load_watch
from learning.errors import LearningError

if TYPE_CHECKING:
    from learning.data.setup import DataSetup

__all__ = ["MultiModalData", "load"]


def load(setup: DataSetup) -> MultiModalData:
    """Load the data set that the setup names, split by its fold; nothing is downloaded.

    Raises LearningError when data are missing or altered, or the fold does not fit them.
    """
    return assign_split(_load(setup), setup)


def _load(setup: DataSetup) -> MultiModalData:
    if setup.dataset == "watch":
        return load_watch()
    if setup.dataset == "made":
        return make_data()
    if setup.data_path is None:
        raise LearningError(
            "data_path of uci_har", "a file or folder", "none", "name the archive, folder or npz"
        )
    return load_uci_har(Path(setup.data_path))
