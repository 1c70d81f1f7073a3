"""Two runs' tables, held against each other: which value is the first that differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from cosim.records.layout import JOINED, PARTITION
from cosim.records.parquet import read_table
from ns3_scenarios.arrays import BoolArray

COMPARED = (*JOINED, PARTITION)
# What says which row one is, as far as a table has it.
KEYS = ("round", "device", "src", "dst", "part", "recording")


def first_difference(recorded: Path, again: Path) -> str:
    """Say where one table first differs from another, empty where their bytes are the same.

    The first row counts, and in it the first column.
    """
    try:
        if recorded.read_bytes() == again.read_bytes():
            return ""
        one, other = read_table(recorded), read_table(again)
    except (OSError, ValueError, NotImplementedError) as error:  # as pyarrow says of damage
        return f"cannot be read ({error})"
    if list(one.columns) != list(other.columns):
        return f"columns: of one only: {', '.join(sorted({*one} ^ {*other})) or 'another order'}"
    odd = np.array([_differs(one[name], other[name]) for name in one]).reshape(len(one.columns), -1)
    if odd.any():
        row = int(odd.any(axis=0).argmax())
        name = list(one.columns)[int(odd[:, row].argmax())]
        more = int(odd.sum()) - 1
        return (
            f"column {name}, {_key(one, row, name)}: recorded {one[name].iloc[row]}, again"
            f" {other[name].iloc[row]}{f' (and {more:,} more values)' if more else ''}"
        )
    if len(one) != len(other):
        return f"rows: recorded {len(one)}, again {len(other)}"
    kinds = [name for name in one if one[name].dtype != other[name].dtype]
    return f"column {kinds[0]}: of another type" if kinds else "other bytes, the same values"


def _differs(one: pd.Series, other: pd.Series) -> BoolArray:
    """Tell which values differ, as far as both have rows; a missing value equals itself."""
    least = min(len(one), len(other))
    one, other = one.iloc[:least], other.iloc[:least]
    same = (one == other) | (one.isna() & other.isna())
    return np.asarray(~same.to_numpy(np.bool_))


def _key(table: pd.DataFrame, row: int, but: str) -> str:
    return ", ".join(f"{key} {table[key].iloc[row]}" for key in KEYS if key in table and key != but)
