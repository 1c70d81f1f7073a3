"""How swept fields and columns of the table of runs are named on axes, and in which unit."""

from __future__ import annotations

from cosim.studies.runs_table import COLUMNS

KNOWN = {each.name: each for each in COLUMNS}


def label(column: str) -> str:
    """Name an axis: quantity (unit)."""
    if column in KNOWN:
        unit = "%" if KNOWN[column].is_share else KNOWN[column].unit
        return f"{KNOWN[column].label} ({unit})" if unit else KNOWN[column].label
    name = column.rpartition(".")[2]
    words, unit = name.removesuffix(f"_{_suffix(name)}"), _SUFFIXES.get(_suffix(name), "")
    text = words.replace("_", " ")
    text = text[:1].upper() + text[1:]
    return f"{text} ({unit})" if unit else text


def scale_of(column: str) -> float:
    """Return by what a column is multiplied to be shown: shares in per cent."""
    return 100.0 if column in KNOWN and KNOWN[column].is_share else 1.0


_SUFFIXES = {
    "dbm": "dBm", "db": "dB", "dbi": "dBi", "m": "m", "s": "s", "j": "J", "w": "W", "mps": "m/s",
    "hz": "Hz", "mhz": "MHz", "ghz": "GHz", "mbps": "Mbit/s", "bytes": "bytes",
}  # fmt: skip


def _suffix(name: str) -> str:
    last = name.rpartition("_")[2]
    return last if last in _SUFFIXES and last != name else ""
