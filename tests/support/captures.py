"""Reads what ns-3 writes of each frame: the radiotap header, and the kind of frame."""

import struct
from pathlib import Path
from typing import NamedTuple

# Alignment and size of the radiotap fields, by bit (radiotap.org).
FIELDS = {0: (8, 8), 1: (1, 1), 2: (1, 1), 3: (2, 4), 5: (1, 1), 6: (1, 1), 11: (1, 1)}
FIELDS |= {19: (1, 3), 20: (4, 8), 21: (2, 12), 23: (2, 12)}
FREQUENCY, RATE, MCS, VHT, HE = 3, 2, 19, 21, 23


class Frame(NamedTuple):
    """One frame on the air; tid: user priority of a data frame to one receiver, else None."""

    frequency_mhz: int
    standard: str
    width_mhz: int
    tid: int | None


def read_capture(path: Path) -> list[Frame]:
    """Read all frames of a capture that one radio sent and heard."""
    data, frames, at = path.read_bytes(), [], 24
    assert struct.unpack_from("<I", data, 20)[0] == 127  # LINKTYPE_IEEE802_11_RADIOTAP
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        frames.append(_frame(data[at + 16 : at + 16 + length]))
        at += 16 + length
    return frames


def _frame(data: bytes) -> Frame:
    header_bytes, present = struct.unpack_from("<HI", data, 2)
    fields, offset = {}, 8
    for bit, (align, size) in FIELDS.items():
        if present >> bit & 1:
            offset += -offset % align
            fields[bit] = data[offset : offset + size]
            offset += size
    standard, width_mhz = _width(fields)
    frequency_mhz = struct.unpack_from("<H", fields[FREQUENCY])[0]
    return Frame(frequency_mhz, standard, width_mhz, _tid(data[header_bytes:]))


def _width(fields: dict[int, bytes]) -> tuple[str, int]:
    if HE in fields:  # data 5, bits 0-3
        return "HE", 20 * 2 ** (fields[HE][8] & 0xF)
    if VHT in fields:  # bandwidth code: 0, 1 and 4 without sidebands
        return "VHT", {0: 20, 1: 40, 4: 80}[fields[VHT][3]]
    if MCS in fields:  # flags, bits 0-1
        return "HT", 20 * (1 + (fields[MCS][1] & 1))
    return "legacy", 20


def _tid(mac: bytes) -> int | None:
    control, flags = mac[0], mac[1]
    if control & 0xFC != 0x88 or mac[4] & 1:  # QoS data, to one receiver
        return None
    between_distribution_systems = flags & 3 == 3
    return mac[30 if between_distribution_systems else 24] & 0xF
