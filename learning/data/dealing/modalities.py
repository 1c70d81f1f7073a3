"""Which modalities each device has."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learning.errors import LearningError

if TYPE_CHECKING:
    from learning.settings import LearningSetup

MAXIMUM_DRAWS = 500
_MODALITY_STREAM = 0x4D6F6461


def modality_mask(setup: LearningSetup, names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Say which modalities each device has: (n, m).

    all: every one. thirds: devices in random order, a third with the first half of the modalities
    (of two: the first), a third with the others, a third with all; sizes differ by at most one.
    rate: each with probability modality_rate, drawn anew until every device has one and every
    modality is somewhere. table: as modality_file says, a CSV with one row a device and one column
    of 0 and 1 a modality.
    Raises LearningError where the pattern does not fit.
    """
    if setup.modality_pattern == "thirds":
        return _thirds(setup, len(names))
    if setup.modality_pattern == "rate":
        return _by_rate(setup, len(names))
    if setup.modality_pattern == "table":
        return _from_table(Path(str(setup.modality_file)), setup.num_devices, names)
    return np.ones((setup.num_devices, len(names)), dtype=np.bool_)


def _thirds(setup: LearningSetup, num_modalities: int) -> NDArray[np.bool_]:
    if num_modalities < 2:
        what = "modality_pattern thirds"
        raise LearningError(what, "two modalities", str(num_modalities), "use the pattern all")
    mask = np.ones((setup.num_devices, num_modalities), dtype=np.bool_)
    order = np.random.default_rng([setup.seed, _MODALITY_STREAM]).permutation(setup.num_devices)
    first, second, _ = np.array_split(order, 3)
    middle = (num_modalities + 1) // 2
    mask[first, middle:] = False
    mask[second, :middle] = False
    return mask


def _by_rate(setup: LearningSetup, num_modalities: int) -> NDArray[np.bool_]:
    rng = np.random.default_rng([setup.seed, _MODALITY_STREAM])
    size = (setup.num_devices, num_modalities)
    for _ in range(MAXIMUM_DRAWS):
        mask: NDArray[np.bool_] = rng.random(size) < setup.modality_rate
        if np.all(mask.any(axis=1)) and np.all(mask.any(axis=0)):
            return mask
    raise LearningError(
        f"modality_rate {setup.modality_rate:g}",
        "a modality on every device, and every modality somewhere",
        f"none such in {MAXIMUM_DRAWS} draws",
        "raise the rate, or write a table",
    )


def _from_table(path: Path, num_devices: int, names: tuple[str, ...]) -> NDArray[np.bool_]:
    what, remedy = f"modality_file {path}", "write a column of 0 and 1 for each modality"
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [cells for cells in csv.reader(text.splitlines()) if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LearningError(what, "a CSV file", str(error), remedy) from error
    columns = lines[0] if lines else []
    if sorted(columns) != sorted(names) or len(lines) != num_devices + 1:
        expected = f"columns {', '.join(names)} and {num_devices} rows"
        got = f"columns {', '.join(columns)} and {max(len(lines) - 1, 0)} rows"
        raise LearningError(what, expected, got, remedy)
    odd = [i for i, cells in enumerate(lines) if len(cells) != len(columns)]
    if odd:
        got = f"{len(lines[odd[0]])} in line {odd[0] + 1}"
        raise LearningError(what, f"{len(columns)} cells in every line", got, remedy)
    rows = [dict(zip(columns, cells, strict=True)) for cells in lines[1:]]
    for number, row in enumerate(rows, start=1):
        for name in names:
            if row[name] not in ("0", "1"):
                raise LearningError(
                    f"{what} row {number}", f"{name} 0 or 1", repr(row[name]), remedy
                )
    mask = np.array([[row[name] == "1" for name in names] for row in rows])
    if not np.all(mask.any(axis=1)):
        device = int(np.argmin(mask.any(axis=1)))
        raise LearningError(what, "a modality per device", f"none on device {device}", remedy)
    check_somewhere(mask, names, what, "every modality on a device", remedy)
    return mask


def check_somewhere(
    mask: NDArray[np.bool_], names: tuple[str, ...], what: str, expected: str, remedy: str
) -> None:
    """Raise LearningError where no device of a mask (n, m) has some modality."""
    somewhere = mask.any(axis=0)
    if not somewhere.all():
        raise LearningError(what, expected, f"none with {names[int(np.argmin(somewhere))]}", remedy)
