"""What goes on the air: one part of one device's state as bytes, and back.

    offset  size  field, all little endian
    0       4     magic "DMKD"
    4       2     format version, 1
    6       2     sender
    8       4     round
    12      2     advertised degree
    14      1     length of the part's name, then
    15      1     number of arrays
    16      ...   the part's name, ASCII
            1     dimensions of an array, then 4 each ; for each array in the order of the stack
            ...   the arrays as float32, in the same order

Array names do not travel: both ends build the same model. Left out: compression, checksum (the
radio's frames carry one) and signatures.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learning.errors import LearningError

_MAGIC = b"DMKD"
_VERSION = 1
_HEADER = struct.Struct("<4sHHIHBB")


@dataclass(frozen=True)
class Message:
    """One part on its way: who sent it, when, the degree that it believed in, and the arrays."""

    round_index: int
    sender: int
    part: str
    advertised_degree: int
    arrays: tuple[Tensor, ...]


def encode(message: Message) -> bytes:
    """Write a message in the format above.

    Raises LearningError for arrays that are not float32.
    """
    for array in message.arrays:
        if array.dtype != torch.float32:
            raise LearningError("message array", "float32", str(array.dtype), "convert it first")
    name = message.part.encode("ascii")
    header = _HEADER.pack(
        _MAGIC,
        _VERSION,
        message.sender,
        message.round_index,
        message.advertised_degree,
        len(name),
        len(message.arrays),
    )
    shapes = b"".join(
        struct.pack(f"<B{array.dim()}I", array.dim(), *array.shape) for array in message.arrays
    )
    values = [array.detach().numpy().astype("<f4").tobytes() for array in message.arrays]
    return b"".join([header, name, shapes, *values])


def decode(buffer: bytes) -> Message:
    """Read a message back, bit by bit as it was sent.

    Raises LearningError for a buffer that is truncated, too long, or of another format.
    """
    try:
        return _decode(buffer)
    except (struct.error, UnicodeDecodeError, ValueError) as broken:
        got = f"{len(buffer)} bytes ({broken})"
        raise LearningError("message", "one whole message", got, "drop it") from broken


def arrived_elements(
    part: str, shapes: Sequence[tuple[int, ...]], chunk_arrived: NDArray[np.bool_], chunk_bytes: int
) -> list[Tensor] | None:
    """Say which elements of a message's arrays arrived: those of which all four bytes did.

    shapes: of the arrays; chunk_arrived: of the encoded message, in chunks of chunk_bytes, the last
    one shorter. Returns a bool tensor per array, or None where the header is not whole: nobody can
    read a message without it.
    """
    header_bytes = _HEADER.size + len(part) + sum(1 + 4 * len(shape) for shape in shapes)
    byte_arrived = np.repeat(chunk_arrived, chunk_bytes)
    if not byte_arrived[:header_bytes].all():
        return None
    elements = []
    offset = header_bytes
    for shape in shapes:
        count = int(np.prod(shape, dtype=np.int64))
        whole = byte_arrived[offset : offset + 4 * count].reshape(count, 4).all(axis=1)
        elements.append(torch.from_numpy(whole.reshape(shape)))
        offset += 4 * count
    return elements


def _decode(buffer: bytes) -> Message:
    magic, version, sender, round_index, degree, name_size, count = _HEADER.unpack_from(buffer)
    if magic != _MAGIC or version != _VERSION:
        raise ValueError(f"magic {magic!r}, version {version}")
    offset = _HEADER.size
    name = buffer[offset : offset + name_size].decode("ascii")
    offset += name_size
    shapes = []
    for _ in range(count):
        (dimensions,) = struct.unpack_from("<B", buffer, offset)
        shapes.append(struct.unpack_from(f"<{dimensions}I", buffer, offset + 1))
        offset += 1 + 4 * dimensions
    arrays = []
    for shape in shapes:
        size = int(np.prod(shape, dtype=np.int64))
        values = np.frombuffer(buffer, dtype="<f4", count=size, offset=offset)
        arrays.append(torch.from_numpy(values.astype(np.float32).reshape(shape)))
        offset += 4 * size
    if offset != len(buffer):
        raise ValueError(f"{len(buffer) - offset} bytes too many")
    return Message(round_index, sender, name, degree, tuple(arrays))
