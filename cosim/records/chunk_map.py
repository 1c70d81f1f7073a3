"""Which chunks of a message arrived, as text: empty where all did, or none."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ns3_scenarios.arrays import BoolArray, IntArray


def chunk_maps(count: IntArray, arrived: BoolArray) -> pd.Series:
    """Write a map a message, (f); count (f): its chunks, arrived (chunks of all messages).

    Two hexadecimal digits for eight chunks, the first in the highest bit; empty where all of a
    message's chunks arrived or none.
    """
    each = np.split(arrived, np.cumsum(count)[:-1]) if len(count) else []
    return pd.Series(
        [np.packbits(got).tobytes().hex() if got.any() and not got.all() else "" for got in each],
        dtype="str",
    )


def read_maps(count: IntArray, arrived_count: IntArray, maps: Iterable[str]) -> BoolArray:
    """Read back what arrived, (chunks of all messages); arrived_count (f): how many of each."""
    arrived = np.repeat(arrived_count == count, count)
    first = np.cumsum(count) - count
    for begin, length, text in zip(first, count, maps, strict=True):
        if text:
            packed = np.frombuffer(bytes.fromhex(text), np.uint8)
            arrived[begin : begin + length] = np.unpackbits(packed, count=length) > 0
    return arrived
