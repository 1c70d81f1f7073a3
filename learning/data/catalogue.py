"""The data sets by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from learning.data.dealing.splits import assign_split
from learning.data.samples import MultiModalData
from learning.data.sets.av_digits import load_av_digits
from learning.data.sets.made import make_data
from learning.data.sets.mfeat_digits import load_mfeat_digits
from learning.data.sets.own_data import is_own_data, load_own_data
from learning.data.sets.uci_har import load_uci_har
from learning.data.sets.watch import load_watch
from learning.errors import LearningError

if TYPE_CHECKING:
    from learning.settings import LearningSetup

FROM_PATH = {
    "uci_har": load_uci_har,
    "av_digits": load_av_digits,
    "mfeat_digits": load_mfeat_digits,
}
__all__ = ["MultiModalData", "load"]


def load(setup: LearningSetup) -> MultiModalData:
    """Load the data set that the setup names, split by its fold; nothing is downloaded.

    Raises LearningError when data are missing or altered, or the fold does not fit them.
    """
    return assign_split(_load(setup), setup)


def _load(setup: LearningSetup) -> MultiModalData:
    if is_own_data(setup.dataset):
        return load_own_data(setup.dataset)
    if setup.dataset == "watch":
        return load_watch()
    if setup.dataset == "made":
        return make_data()
    what = f"data_path of {setup.dataset}"
    if setup.data_path is None:
        raise LearningError(what, "a file or folder", "none", "add --learning.data_path PATH")
    path = Path(setup.data_path)
    if not path.exists():
        remedy = "give the path of the archive, folder or npz"
        raise LearningError(what, "a file or folder", f"nothing at {path}", remedy)
    return FROM_PATH[setup.dataset](path)
