import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.errors import LearningError
from learning.exchange.message import Message, arrived_elements, decode, encode


def example(shapes, seed=0):
    source = torch.Generator().manual_seed(seed)
    arrays = tuple(torch.randn(tuple(shape), generator=source) for shape in shapes)
    return Message(12, 3, "encoder_acc", 4, arrays)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 4), max_size=3), max_size=5),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**16 - 1),
    st.sampled_from(["head", "generator", "encoder_gyro"]),
)
def test_a_message_comes_back_bit_by_bit(shapes, sender, round_index, degree, part):
    sent = Message(round_index, sender, part, degree, example(shapes).arrays)
    got = decode(encode(sent))
    assert (got.round_index, got.sender, got.part) == (round_index, sender, part)
    assert got.advertised_degree == degree
    assert len(got.arrays) == len(sent.arrays)
    assert all(torch.equal(a, b) for a, b in zip(got.arrays, sent.arrays, strict=True))


def test_a_buffer_is_as_long_as_its_format_says():
    # 16 header, 11 name, (1 + 4) and (1 + 8) shapes, 4 bytes for each of 5 + 6 values
    assert len(encode(example([(5,), (2, 3)]))) == 16 + 11 + 5 + 9 + 4 * 11


def test_values_travel_as_little_endian_float32():
    buffer = encode(Message(0, 0, "head", 0, (torch.tensor([1.0, -2.0]),)))
    assert buffer[-8:] == bytes.fromhex("0000803f000000c0")


def test_a_header_is_written_as_documented():
    buffer = encode(Message(0x01020304, 0x0506, "head", 0x0708, ()))
    # magic, version 3, codec 0, sender, round, degree, 4 letters, no arrays
    assert buffer.hex(" ", 2) == "444d 4b44 0300 0605 0403 0201 0807 0400 6865 6164"


@pytest.mark.parametrize("cut", [0, 3, 15, 20, 40, -1])
def test_a_truncated_message_is_refused(cut):
    with pytest.raises(LearningError, match="whole message"):
        decode(encode(example([(5,), (2, 3)]))[:cut])


def test_a_message_with_a_tail_or_of_another_format_is_refused():
    buffer = encode(example([(5,)]))
    version, codec = (buffer[:4] + two + buffer[6:] for two in (b"\x01\x00", b"\x02\x09"))
    for broken in (buffer + b"x", b"XXXX" + buffer[4:], version, codec):
        with pytest.raises(LearningError, match="whole message"):
            decode(broken)


def test_arrays_that_are_not_float32_are_refused():
    with pytest.raises(LearningError, match="float32"):
        encode(Message(0, 0, "head", 0, (torch.zeros(2, dtype=torch.float64),)))


def test_an_element_has_arrived_if_all_its_bytes_have():
    shapes = [(3, 5), (), (7,)]
    buffer = encode(example(shapes))
    rng = np.random.default_rng(3)
    for chunk_bytes in (5, 16, 33):
        arrived = rng.random(-(-len(buffer) // chunk_bytes)) < 0.7
        arrived[: -(-(len(buffer) - 4 * 23) // chunk_bytes)] = True  # all but 23 numbers
        elements = arrived_elements(buffer, arrived, chunk_bytes)
        offset, expected = len(buffer) - 4 * 23, []
        for at in range(offset, len(buffer), 4):
            expected.append(all(arrived[byte // chunk_bytes] for byte in range(at, at + 4)))
        assert torch.cat([e.flatten() for e in elements]).tolist() == expected
        assert [tuple(e.shape) for e in elements] == shapes
        assert not all(expected)
        arrived[0] = False
        assert arrived_elements(buffer, arrived, chunk_bytes) is None


@pytest.mark.parametrize(
    ("count", "written"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (16384, "808001")],
)
def test_any_number_of_arrays_travels_in_seven_bits_a_byte(count, written):
    arrays = (torch.ones(()),) * count
    buffer = encode(Message(0, 0, "head", 0, arrays))
    size = len(bytes.fromhex(written))
    assert buffer[15 : 15 + size].hex() == written
    # A scalar is one byte of dimensions and four of value.
    assert len(buffer) == 15 + size + 4 + 5 * count
    assert len(decode(buffer).arrays) == count


def test_a_number_of_arrays_without_an_end_is_refused():
    buffer = encode(example([(5,)]))
    with pytest.raises(LearningError, match="no end"):
        decode(buffer[:15] + b"\xff\xff\xff" + buffer[16:])
