"""How an array becomes bytes, and what the bytes that came still say of it.

    float32   4 bytes an element
    float16   2 bytes an element, IEEE half precision
    int8      a float32 scale, max |x| / 127, then a signed byte an element: x is byte times scale
    top_k     of the elements sent, in their order: where they are (a uint32 each, or a bitmap of
              all elements, whichever is shorter), then their values as float32

All little endian; rounding is to nearest, ties to even. Elements that top_k leaves out count as
not arrived. Left out: entropy coding, one scale for each row, stochastic rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learning.errors import LearningError

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

_LARGEST_BYTE = 127


@dataclass(frozen=True)
class Codec:
    """One way to write an array of `size` elements of which `count` are sent.

    number: its id in a message's header; chooses: whether count may be less than size;
    num_bytes(size, count); write(values (size,), sent (size,)); read(block, came, size, count)
    gives values (size,), 0 where there is none, and there (size,), from the bytes that came.
    """

    number: int
    chooses: bool
    num_bytes: Callable[[int, int], int]
    write: Callable[[Floats, Bools], bytes]
    read: Callable[[Bytes, Bools, int, int], tuple[Floats, Bools]]


def top_k_count(size: int, share: float) -> int:
    """Elements of an array that top_k sends: ceil(share * size)."""
    return math.ceil(share * size)


def largest_changes(now: Floats, last_sent: Floats, share: float) -> Bools:
    """Choose the ceil(share * size) elements with the largest |now - last_sent| of each row.

    now, last_sent (n, size). What is not chosen stays in the difference and is sent later (error
    feedback); of equal differences the first go first. Returns (n, size).
    """
    n, size = now.shape
    count = top_k_count(size, share)
    if count == size:
        return np.ones((n, size), dtype=np.bool_)
    change = np.abs(now - last_sent)
    least = np.partition(change, size - count, axis=1)[:, size - count, None]
    above, equal = change > least, change == least
    left = count - above.sum(1, keepdims=True)
    chosen: Bools = above | (equal & (equal.cumsum(1) <= left))
    return chosen


def _write_float32(values: Floats, sent: Bools) -> bytes:
    return values.astype("<f4").tobytes()


def _read_float32(block: Bytes, came: Bools, size: int, count: int) -> tuple[Floats, Bools]:
    there = _all_came(came, size, 4)
    return np.where(there, block.view("<f4"), 0).astype(np.float32), there


def _write_float16(values: Floats, sent: Bools) -> bytes:
    with np.errstate(over="ignore"):
        half = values.astype("<f2")
    _check_fits(values, np.isfinite(half), "float16", "at most 65504")
    return half.tobytes()


def _read_float16(block: Bytes, came: Bools, size: int, count: int) -> tuple[Floats, Bools]:
    there = _all_came(came, size, 2)
    return np.where(there, block.view("<f2"), 0).astype(np.float32), there


def _write_int8(values: Floats, sent: Bools) -> bytes:
    _check_fits(values, np.isfinite(values), "int8", "finite")
    scale = np.abs(values).max(initial=0, keepdims=True).astype("<f4") / np.float32(_LARGEST_BYTE)
    steps = values.astype(np.float64) / np.where(scale > 0, scale, 1)
    # A scale that was rounded down must not push the largest element over the edge.
    steps = np.rint(steps).clip(-_LARGEST_BYTE, _LARGEST_BYTE)
    return bytes(scale.astype("<f4").tobytes() + steps.astype(np.int8).tobytes())


def _read_int8(block: Bytes, came: Bools, size: int, count: int) -> tuple[Floats, Bools]:
    there = came[4:] & came[:4].all()
    scale = block[:4].view("<f4")[0].astype(np.float32)
    steps = np.where(there, block[4:].view(np.int8), 0).astype(np.float32)
    # Without its scale nothing of an array is there, whatever the four bytes look like.
    return (steps * scale if there.any() else steps), there


def _write_top_k(values: Floats, sent: Bools) -> bytes:
    index = np.flatnonzero(sent)
    where = index.astype("<u4").tobytes()
    if _has_bitmap(len(values), len(index)):
        where = np.packbits(sent, bitorder="little").tobytes()
    return where + values[index].astype("<f4").tobytes()


def _read_top_k(block: Bytes, came: Bools, size: int, count: int) -> tuple[Floats, Bools]:
    """Read an element where its value and its place came.

    A bitmap tells the place of a value only if all of it up to there came.
    """
    start = len(block) - 4 * count
    value, value_came = block[start:].view("<f4"), _all_came(came[start:], count, 4)
    if _has_bitmap(size, count):
        known = np.cumprod(came[:start]).astype(np.bool_).repeat(8)[:size]
        bits = np.unpackbits(block[:start], count=size, bitorder="little").astype(np.bool_)
        index = np.flatnonzero(bits & known)
        if len(index) > count or (known.all() and len(index) < count):
            raise ValueError(f"{len(index)} places for {count} values")
        usable = value_came[: len(index)]
        index, value = index[usable], value[: len(index)][usable]
    else:
        usable = value_came & _all_came(came[:start], count, 4)
        index, value = block[:start].view("<u4")[usable], value[usable]
        if index.max(initial=0) >= size:
            raise ValueError(f"element {index.max()} of {size}")
    values, there = np.zeros(size, dtype=np.float32), np.zeros(size, dtype=np.bool_)
    values[index] = value
    there[index] = True
    return values, there


def _has_bitmap(size: int, count: int) -> bool:
    return math.ceil(size / 8) < 4 * count


def _all_came(came: Bools, size: int, width: int) -> Bools:
    whole: Bools = np.logical_and.reduce(came.reshape(size, width), axis=1)
    return whole


def _check_fits(values: Floats, fits: Bools, codec: str, expected: str) -> None:
    if not fits.all():
        got = str(values[~fits][0])
        remedy = "the run diverges: lower learning_rate or clip_norm"
        raise LearningError(f"parameter to send as {codec}", f"{expected} in size", got, remedy)


CODECS = {
    "float32": Codec(0, False, lambda size, count: 4 * size, _write_float32, _read_float32),
    "float16": Codec(1, False, lambda size, count: 2 * size, _write_float16, _read_float16),
    "int8": Codec(2, False, lambda size, count: 4 + size, _write_int8, _read_int8),
    "top_k": Codec(
        3,
        True,
        lambda size, count: min(4 * count, math.ceil(size / 8)) + 4 * count,
        _write_top_k,
        _read_top_k,
    ),
}
