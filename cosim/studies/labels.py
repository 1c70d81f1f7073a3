"""How swept fields and columns of the table of runs are named on axes, and in which unit."""

from __future__ import annotations

from cosim.config.section import said_of
from cosim.config.sources import sections
from cosim.studies.columns import COLUMNS

KNOWN = {each.name: each for each in COLUMNS}


def label(column: str) -> str:
    """Name an axis: quantity (unit)."""
    if column in KNOWN:
        unit = "%" if KNOWN[column].is_share else KNOWN[column].unit
        return f"{KNOWN[column].label} ({unit})" if unit else KNOWN[column].label
    section, _, name = column.rpartition(".")
    kind = sections().get(section)
    unit = str(said_of(kind.model_fields[name], "unit") or "") if kind else ""
    ending = f"_{name.rpartition('_')[2]}"
    plain = unit.lower().replace("bit/s", "bps").replace("/s", "ps")
    words = name.removesuffix(ending) if unit and plain == ending[1:] else name
    text = words.replace("_", " ")
    text = text[:1].upper() + text[1:]
    return f"{text} ({unit})" if unit else text


def scale_of(column: str) -> float:
    """Return by what a column is multiplied to be shown: shares in per cent."""
    return 100.0 if column in KNOWN and KNOWN[column].is_share else 1.0
