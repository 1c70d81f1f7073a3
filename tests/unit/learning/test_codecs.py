import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from learning.errors import LearningError
from learning.exchange.codecs import CODECS, largest_changes
from learning.exchange.message import Message, arrived_elements, decode, encode
from learning.exchange.settings import ExchangeSettings

SHAPES = [(3, 5), (), (40, 6)]
DENSE = ("float32", "float16", "int8")


def example(codec, seed=0, share=0.1, shapes=SHAPES):
    """Make a message with random values, and for top_k a random choice of ceil(share * size)."""
    rng = np.random.default_rng(seed)
    arrays = [torch.from_numpy(rng.normal(size=s).astype(np.float32)) for s in shapes]
    arrays = [array.reshape(s) for array, s in zip(arrays, shapes, strict=True)]
    present = None
    if codec == "top_k":
        present = []
        for shape in shapes:
            size = math.prod(shape)
            chosen = np.zeros(size, dtype=bool)
            chosen[rng.permutation(size)[: math.ceil(share * size)]] = True
            present.append(torch.from_numpy(chosen.reshape(shape)))
        present = tuple(present)
    return Message(7, 1, "head", 3, tuple(arrays), present)


# 16 header, 4 name, shapes of 1 + 8, 1 and 1 + 8; then 15, 1 and 240 elements
HEAD_BYTES = 16 + 4 + 9 + 1 + 9


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("float32", HEAD_BYTES + 4 * 256),
        ("float16", HEAD_BYTES + 2 * 256),
        ("int8", HEAD_BYTES + 3 * 4 + 256),
        # 3 counts; 2, 1 and 24 values; of the places the bitmaps of 2, 1 and 30 bytes are shorter
        ("top_k", HEAD_BYTES + 3 * 4 + 4 * 27 + 2 + 1 + 30),
    ],
)
def test_a_message_has_as_many_bytes_as_the_formula_says(codec, expected):
    assert len(encode(example(codec), codec)) == expected


def test_few_elements_of_many_are_named_one_by_one():
    # 3 of 300: 12 bytes of places against a bitmap of 38; 16 header, 4 name, 5 shape, 4 count
    buffer = encode(example("top_k", share=0.01, shapes=[(300,)]), "top_k")
    assert len(buffer) == 16 + 4 + 5 + 4 + 12 + 12


def test_the_header_names_the_codec():
    for number, codec in enumerate(("float32", "float16", "int8", "top_k")):
        buffer = encode(example(codec), codec)
        assert buffer[4:6] == bytes([3, number])
        got = decode(buffer)
        assert (got.round_index, got.sender, got.part, got.advertised_degree) == (7, 1, "head", 3)


def test_float16_is_the_cast_of_numpy():
    sent, got = example("float16"), decode(encode(example("float16"), "float16"))
    for a, b in zip(sent.arrays, got.arrays, strict=True):
        np.testing.assert_array_equal(b, a.numpy().astype(np.float16).astype(np.float32))


@pytest.mark.parametrize(
    ("codec", "value"), [("float16", 65520.0), ("float16", -1e6), ("int8", math.inf)]
)
def test_a_parameter_that_does_not_fit_stops_the_run(codec, value):
    message = Message(0, 0, "head", 0, (torch.tensor([1.0, value]),))
    with pytest.raises(LearningError, match=f"parameter to send as {codec}"):
        encode(message, codec)


def test_the_largest_half_is_still_sent():
    message = Message(0, 0, "head", 0, (torch.tensor([65504.0]),))
    assert decode(encode(message, "float16")).arrays[0].item() == 65504.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=20))
def test_int8_is_off_by_half_a_step_at_most(values):
    array = torch.tensor(values, dtype=torch.float32)
    (got,) = decode(encode(Message(0, 0, "head", 0, (array,)), "int8")).arrays
    largest = max(abs(x) for x in array.tolist())
    # float32 cannot hold a scale below 1e-45, and rounds the product
    bound = largest / 127 / 2 + 1e-6 * largest + 127e-45
    assert (got.double() - array.double()).abs().max().item() <= bound


def test_int8_by_hand():
    # scale 2: 254 is 127 steps; 1 and 3 are half-way and go to the even step
    array = torch.tensor([254.0, 1.0, 3.0, -5.0, 7.2, -254.0])
    (got,) = decode(encode(Message(0, 0, "head", 0, (array,)), "int8")).arrays
    assert got.tolist() == [254.0, 0.0, 4.0, -4.0, 8.0, -254.0]


def test_an_array_of_zeros_has_scale_zero_and_comes_back():
    buffer = encode(Message(0, 0, "head", 0, (torch.zeros(3), torch.zeros(0))), "int8")
    assert buffer[-11:] == bytes(11)
    assert [a.tolist() for a in decode(buffer).arrays] == [[0.0, 0.0, 0.0], []]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3),
    st.lists(st.integers(-3, 3), min_size=1, max_size=12),
    st.floats(0.01, 1.0),
    st.integers(0, 10_000),
)
def test_top_k_sends_what_a_plain_loop_would(n, last, share, seed):
    size = len(last)
    last = np.tile(np.array(last, dtype=np.float32), (n, 1))
    now = np.random.default_rng(seed).integers(-3, 4, (n, size)).astype(np.float32)
    chosen = largest_changes(now, last, share)
    for k in range(n):
        order = sorted(range(size), key=lambda e: (-abs(now[k, e] - last[k, e]), e))
        assert np.flatnonzero(chosen[k]).tolist() == sorted(order[: math.ceil(share * size)])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.floats(0.02, 1.0))
def test_error_feedback_sends_every_element_in_time(size, share):
    now, last = np.ones((1, size), dtype=np.float32), np.zeros((1, size), dtype=np.float32)
    for _ in range(math.ceil(1 / share)):
        chosen = largest_changes(now, last, share)
        last = np.where(chosen, now, last)
    assert (last == 1).all()


def test_top_k_gives_the_chosen_values_exactly_and_nothing_else():
    for share in (0.01, 0.1, 0.9, 1.0):
        sent = example("top_k", share=share)
        got = decode(encode(sent, "top_k"))
        present = got.present or [torch.ones(shape, dtype=torch.bool) for shape in SHAPES]
        for a, chosen, b, there in zip(sent.arrays, sent.present, got.arrays, present, strict=True):
            assert torch.equal(there, chosen)
            assert torch.equal(b, torch.where(chosen, a, 0.0))


def test_a_place_outside_of_the_array_or_a_wrong_bitmap_is_refused():
    named = bytearray(encode(example("top_k", share=0.01, shapes=[(300,)]), "top_k"))
    named[29:33] = (300).to_bytes(4, "little")
    mapped = bytearray(encode(example("top_k", share=0.5, shapes=[(16,)]), "top_k"))
    mapped[29] = 0
    for broken in (named, mapped):
        with pytest.raises(LearningError, match="whole message"):
            decode(bytes(broken))


def test_a_codec_that_chooses_needs_a_choice_and_others_take_none():
    for codec, given_by in (("top_k", "int8"), ("int8", "top_k")):
        with pytest.raises(LearningError, match="elements"):
            encode(example(given_by), codec)


def element_bytes(codec, sent, buffer):
    """List the bytes that each element of the example needs beyond the header, in plain words."""
    needs, offset = [], len(buffer)
    blocks = []
    for i, array in enumerate(sent.arrays):
        size = array.numel()
        count = int(sent.present[i].sum()) if codec == "top_k" else size
        bitmap = -(-size // 8)
        width = {"float32": 4 * size, "float16": 2 * size, "int8": 4 + size}.get(
            codec, min(4 * count, bitmap) + 4 * count
        )
        blocks.append((i, size, count, bitmap, width))
    offset -= sum(block[-1] for block in blocks)
    for i, size, count, bitmap, width in blocks:
        chosen = sent.present[i].flatten().tolist() if codec == "top_k" else [True] * size
        rank = 0
        for e in range(size):
            if codec in ("float32", "float16"):
                step = 4 if codec == "float32" else 2
                needs.append(range(offset + step * e, offset + step * (e + 1)))
            elif codec == "int8":
                needs.append([*range(offset, offset + 4), offset + 4 + e])
            elif not chosen[e]:
                needs.append(None)
            else:
                value = offset + width - 4 * count + 4 * rank
                if bitmap < 4 * count:
                    place = range(offset, offset + e // 8 + 1)
                else:
                    place = range(offset + 4 * rank, offset + 4 * rank + 4)
                needs.append([*place, *range(value, value + 4)])
                rank += 1
        offset += width
    return needs


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("share", [0.02, 0.4])
def test_an_element_can_be_read_if_the_bytes_that_it_needs_came(codec, share):
    sent = example(codec, share=share)
    buffer = encode(sent, codec)
    needs = element_bytes(codec, sent, buffer)
    rng, seen = np.random.default_rng(5), set()
    for chunk_bytes in (3, 7, 64):
        for _ in range(20):
            arrived = rng.random(-(-len(buffer) // chunk_bytes)) < 0.8
            arrived[: -(-(HEAD_BYTES + 12) // chunk_bytes)] = True
            elements = arrived_elements(buffer, arrived, chunk_bytes)
            expected = [
                bytes_of is not None and all(arrived[b // chunk_bytes] for b in bytes_of)
                for bytes_of in needs
            ]
            assert torch.cat([e.flatten() for e in elements]).tolist() == expected
            assert [tuple(e.shape) for e in elements] == SHAPES
            seen |= set(expected)
        arrived[0] = False
        assert arrived_elements(buffer, arrived, chunk_bytes) is None
    assert seen == {True, False}


@pytest.mark.parametrize(
    ("codec", "share", "field"),
    [("int4", 0.1, "payload_codec"), ("top_k", 0.0, "top_k_share"), ("top_k", 1.5, "top_k_share")],
)
def test_an_exchange_out_of_range_is_refused(codec, share, field):
    with pytest.raises(ValidationError, match=field):
        ExchangeSettings(
            mixing="metropolis", payload_codec=codec, top_k_share=share, late_weight=0.0
        )
