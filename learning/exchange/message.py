"""What goes on the air: one part of one device's state as bytes, and back.

    offset  size  field, all little endian
    0       4     magic "DMKD"
    4       1     format version, 3
    5       1     codec: 0 float32, 1 float16, 2 int8, 3 top_k
    6       2     sender
    8       4     round
    12      2     advertised degree
    14      1     length of the part's name, then
    15      1-3   number of arrays, 7 bits a byte, lowest first; a byte's highest bit: more follow
    ...     ...   the part's name, ASCII
            1     dimensions of an array, then 4 each, and with top_k
            4     the number of its elements that are sent ; for each array in the stack's order
            ...   the arrays as the codec writes them (codecs.py), in the same order

Array names do not travel: both ends build the same model. Left out: checksum (the radio's frames
carry one) and signatures.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learning.errors import LearningError
from learning.exchange.codecs import CODECS, Codec

_MAGIC = b"DMKD"
_VERSION = 3
_HEADER = struct.Struct("<4sBBHIHB")
_MOST_COUNT_BYTES = 3
_MOST_ARRAYS = 2 ** (7 * _MOST_COUNT_BYTES) - 1


@dataclass(frozen=True)
class Message:
    """One part on its way: who sent it, when, the degree that it believed in, and the arrays.

    present: which elements of each array it holds, bool; none: all of them.
    """

    round_index: int
    sender: int
    part: str
    advertised_degree: int
    arrays: tuple[Tensor, ...]
    present: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class _Head:
    """What stands before the arrays; shapes and counts of them, and where the first one starts."""

    codec: Codec
    sender: int
    round_index: int
    advertised_degree: int
    part: str
    shapes: tuple[tuple[int, ...], ...]
    counts: tuple[int, ...]
    num_bytes: int


def encode(message: Message, codec: str = "float32") -> bytes:
    """Write a message in the format above; `present` says what a codec that chooses shall send.

    Raises LearningError for arrays that are not float32 or too many, or with float16 and int8
    values that these cannot hold.
    """
    how = CODECS[codec]
    if how.chooses != (message.present is not None):
        expected = "chosen elements" if how.chooses else "all elements"
        raise LearningError(f"message by {codec}", expected, "the other", "see payload.Message")
    for array in message.arrays:
        if array.dtype != torch.float32:
            raise LearningError("message array", "float32", str(array.dtype), "convert it first")
    name = message.part.encode("ascii")
    header = _HEADER.pack(
        _MAGIC,
        _VERSION,
        how.number,
        message.sender,
        message.round_index,
        message.advertised_degree,
        len(name),
    )
    shapes, blocks = [], []
    for i, array in enumerate(message.arrays):
        values = array.detach().numpy().reshape(-1)
        sent = np.ones(len(values), dtype=np.bool_)
        shapes.append(struct.pack(f"<B{array.dim()}I", array.dim(), *array.shape))
        if message.present is not None:
            sent = message.present[i].numpy().reshape(-1)
            shapes.append(struct.pack("<I", np.count_nonzero(sent)))
        blocks.append(how.write(values, sent))
    return b"".join([header, _write_count(len(message.arrays)), name, *shapes, *blocks])


def decode(buffer: bytes) -> Message:
    """Read what a receiver may use, and nothing else: absent elements are 0 and not present.

    Raises LearningError for a buffer that is truncated, too long, or of another format.
    """
    try:
        head = _read_head(buffer)
        return _read(buffer, head, np.ones(len(buffer), dtype=np.bool_))
    except (struct.error, UnicodeDecodeError, ValueError) as broken:
        got = f"{len(buffer)} bytes ({broken})"
        raise LearningError("message", "one whole message", got, "drop it") from broken


def arrived_elements(
    buffer: bytes, chunk_arrived: NDArray[np.bool_], chunk_bytes: int
) -> list[Tensor] | None:
    """Say which elements of a message's arrays can be read from the chunks of it that arrived.

    buffer: as it was sent, in chunks of chunk_bytes, the last one shorter. Those of which all bytes
    came: with int8 the array's scale too, with top_k the element's place too. Returns a bool tensor
    per array, or None where the header is not whole: nobody can read a message without it.
    """
    head = _read_head(buffer)
    byte_arrived = np.repeat(chunk_arrived, chunk_bytes)[: len(buffer)]
    if not byte_arrived[: head.num_bytes].all():
        return None
    message = _read(buffer, head, byte_arrived)
    if message.present is not None:
        return list(message.present)
    return [torch.ones(array.shape, dtype=torch.bool) for array in message.arrays]


def _write_count(count: int) -> bytes:
    if count > _MOST_ARRAYS:
        remedy = "use an encoder of fewer parameters"
        raise LearningError("message", f"at most {_MOST_ARRAYS} arrays", str(count), remedy)
    digits = [count & 0x7F]
    while count := count >> 7:
        digits[-1] |= 0x80
        digits.append(count & 0x7F)
    return bytes(digits)


def _read_count(buffer: bytes, offset: int) -> tuple[int, int]:
    """Return the number of arrays, and where what follows it starts."""
    count = 0
    for i, byte in enumerate(buffer[offset : offset + _MOST_COUNT_BYTES]):
        count |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return count, offset + i + 1
    raise ValueError("the number of arrays has no end")


def _read_head(buffer: bytes) -> _Head:
    magic, version, number, sender, round_index, degree, name_size = _HEADER.unpack_from(buffer)
    codec = next((each for each in CODECS.values() if each.number == number), None)
    if magic != _MAGIC or version != _VERSION or codec is None:
        raise ValueError(f"magic {magic!r}, version {version}, codec {number}")
    count, offset = _read_count(buffer, _HEADER.size)
    name = buffer[offset : offset + name_size].decode("ascii")
    offset += name_size
    shapes, counts = [], []
    for _ in range(count):
        (dimensions,) = struct.unpack_from("<B", buffer, offset)
        shapes.append(struct.unpack_from(f"<{dimensions}I", buffer, offset + 1))
        counts.append(int(np.prod(shapes[-1], dtype=np.int64)))
        offset += 1 + 4 * dimensions
        if codec.chooses:
            (counts[-1],) = struct.unpack_from("<I", buffer, offset)
            offset += 4
    return _Head(
        codec, sender, round_index, degree, name, tuple(shapes), tuple(counts), num_bytes=offset
    )


def _read(buffer: bytes, head: _Head, byte_arrived: NDArray[np.bool_]) -> Message:
    """Read the arrays from the bytes that arrived."""
    raw = np.frombuffer(buffer, dtype=np.uint8)
    arrays, present = [], []
    offset = head.num_bytes
    for shape, count in zip(head.shapes, head.counts, strict=True):
        size = int(np.prod(shape, dtype=np.int64))
        block = slice(offset, offset + head.codec.num_bytes(size, count))
        if block.stop > len(buffer):
            raise ValueError(f"{block.stop - len(buffer)} bytes too few")
        values, there = head.codec.read(raw[block], byte_arrived[block], size, count)
        arrays.append(torch.from_numpy(values.reshape(shape)))
        present.append(torch.from_numpy(there.reshape(shape)))
        offset = block.stop
    if offset != len(buffer):
        raise ValueError(f"{len(buffer) - offset} bytes too many")
    whole = all(bool(there.all()) for there in present)
    return Message(
        head.round_index,
        head.sender,
        head.part,
        head.advertised_degree,
        tuple(arrays),
        None if whole else tuple(present),
    )
