import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_reference import make_setup
from pydantic import ValidationError

from learning.errors import LearningError
from learning.exchange.codecs import CODECS, largest_changes
from learning.exchange.message import Message, arrived_elements, decode, encode
from learning.exchange.settings import ExchangeSettings
from learning.learner import Learner
from learning.messages import Delivery, PartialMessage

SHAPES = [(3, 5), (), (40, 6)]
DENSE = ("float32", "float16", "int8")
N = 4
EVERYBODY = np.ones(N, dtype=bool)


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


def everything_arrives(learner):
    has = learner.payload().part_bytes > 0
    arrived = has[:, None, :] & has[None, :, :] & ~np.eye(len(has), dtype=bool)[..., None]
    return Delivery(arrived, arrived.sum(1))


def said_by(learner, state, part, names, codecs=(None,) * N):
    """Decode what each device would send now: name -> (n, ...), and which elements."""
    said = [decode(learner.message(k, part, 0, 3, codecs[k])) for k in range(N)]
    value = {n: torch.stack([m.arrays[i] for m in said]) for i, n in enumerate(names)}
    there = {
        n: torch.stack(
            [
                torch.ones_like(value[n][0]).bool() if m.present is None else m.present[i]
                for m in said
            ]
        )
        for i, n in enumerate(names)
    }
    return value, there


MIXTURE = ("top_k", "float32", "int8", "float16")


@pytest.mark.parametrize(
    ("codec", "codecs"),
    [
        *((each, None) for each in CODECS),
        ("float32", ("float32", "float32", "int8", "float16")),
        ("int8", ("float32",) * N),
        ("top_k", MIXTURE),
        ("top_k", MIXTURE[::-1]),
    ],
)
def test_receivers_mix_what_was_decoded_and_their_own_as_it_is(made, codec, codecs):
    learner = Learner(make_setup(payload_codec=codec), made)
    for r in range(2):
        learner.train(r, np.full((N, 2), 2), EVERYBODY)
        before, expected = learner.state(), {}
        for part in learner.payload().parts:
            names = [n for n in before if n.startswith(f"{part}/")]
            value, there = said_by(learner, before, part, names, codecs or (None,) * N)
            for n in names:
                # a full mesh of four: a quarter of everybody, the own one where nothing was sent
                expected[n] = torch.stack(
                    [
                        sum(
                            torch.where(
                                there[n][j] & torch.tensor(j != k), value[n][j], before[n][k]
                            )
                            for j in range(N)
                        )
                        / N
                        for k in range(N)
                    ]
                )
        learner.mix(replace(everything_arrives(learner), codecs=codecs), EVERYBODY)
        after = learner.state()
        for n, value in expected.items():
            torch.testing.assert_close(after[n], value, atol=1e-6, rtol=1e-5)


def test_devices_may_send_by_any_codec_that_needs_no_memory_and_no_rest(made):
    def codecs(**fields):
        return tuple(Learner(make_setup(**fields), made).part_bytes)

    assert codecs() == DENSE
    assert codecs(payload_codec="top_k") == (*DENSE, "top_k")
    assert codecs(payload_codec="int8", late_weight=0.5) == ("int8",)
    assert codecs(mixing="push_sum") == ("float32",)


def test_the_lengths_of_a_round_are_those_of_what_each_device_writes(made):
    learner = Learner(make_setup(payload_codec="top_k"), made)
    payload = learner.payload(MIXTURE)
    for k, codec in enumerate(MIXTURE):
        for p, part in enumerate(payload.parts):
            assert payload.part_bytes[k, p] == len(learner.message(k, part, 5, 2, codec))
    assert len({length[0] for length in payload.part_bytes}) == N


def test_who_sends_all_has_nothing_left_in_the_difference_of_top_k(made):
    learner = Learner(make_setup(payload_codec="top_k"), made)
    learner.train(0, np.full((N, 2), 2), EVERYBODY)
    sent = learner.state()
    learner.mix(replace(everything_arrives(learner), codecs=MIXTURE), EVERYBODY)
    last = learner.state()["last_sent/head/bias"]
    assert torch.equal(last[1], sent["head/bias"][1])  # float32
    assert torch.equal(last[3], sent["head/bias"][3].half().float())
    assert not torch.equal(last[0], sent["head/bias"][0])


def test_a_round_in_which_all_send_all_is_remembered_as_one_in_which_some_do(made):
    learner = Learner(make_setup(payload_codec="top_k"), made)
    learner.train(0, np.full((N, 2), 2), EVERYBODY)
    sent = learner.state()
    learner.mix(replace(everything_arrives(learner), codecs=("float32",) * N), EVERYBODY)
    after = learner.state()
    for name in (n for n in sent if n.startswith("last_sent/")):
        assert torch.equal(after[name], sent[name.removeprefix("last_sent/")])


def test_generator_sums_travel_as_float32_by_every_codec(made):
    lengths = {}
    for codec in CODECS:
        learner = Learner(make_setup(payload_codec=codec), made)
        learner.train(0, np.full((N, 2), 2), EVERYBODY)
        message = decode(learner.message(1, "generator", 0, 3))
        assert torch.equal(message.arrays[0], learner.state()["generator/count"][1])
        lengths[codec] = learner.payload().part_bytes[0]
    assert len({length[3] for length in lengths.values()}) == 1
    assert lengths["float32"][0] > lengths["float16"][0] > lengths["int8"][0] > lengths["top_k"][0]


def test_what_top_k_did_not_send_stays_in_the_difference(made):
    learner = Learner(make_setup(payload_codec="top_k", top_k_share=0.3), made)
    learner.train(0, np.full((N, 2), 2), EVERYBODY)
    delivery = everything_arrives(learner)
    delivery.advertised_degree[3] = 0  # it has nobody to send to
    alive = np.array([True, True, False, True])
    first, now = learner.state(), decode(learner.message(0, "head", 0, 3))
    lost = Delivery(np.zeros_like(delivery.arrived), delivery.advertised_degree)
    learner.mix(lost, alive)
    after = learner.state()
    for i, name in enumerate(("head/common_weight", "head/bias")):
        last, before = after[f"last_sent/{name}"], first[f"last_sent/{name}"]
        chosen = now.present[i]
        assert 0 < int(chosen.sum()) == math.ceil(0.3 * chosen.numel())
        # That all was lost is nothing that a sender knows.
        assert torch.equal(last[0], torch.where(chosen, first[name][0], before[0]))
        assert torch.equal(last[2:], before[2:])
        assert torch.equal(after[name], first[name])


def test_top_k_goes_on_from_a_loaded_state_bit_by_bit(made):
    setup = make_setup(payload_codec="top_k")
    straight, resumed = Learner(setup, made), Learner(setup, made)
    for r in range(3):
        if r == 2:
            resumed.load(straight.state())
        for learner in (straight, resumed)[: 1 + (r == 2)]:
            learner.train(r, np.full((N, 2), 2), EVERYBODY)
            learner.mix(everything_arrives(learner), EVERYBODY)
    a, b = straight.state(), resumed.state()
    assert all(torch.equal(a[name], b[name]) for name in a)
    with pytest.raises(LearningError, match="checkpoint of the same setup"):
        Learner(make_setup(), made).load(a)


@pytest.mark.parametrize("codec", CODECS)
def test_of_a_message_with_holes_the_receiver_mixes_what_it_can_read(made, codec):
    learner = Learner(make_setup(payload_codec=codec, top_k_share=0.3), made)
    learner.train(0, np.full((N, 2), 2), EVERYBODY)
    payload, before = learner.payload(), learner.state()
    part, sender, receiver = payload.parts.index("head"), 2, 0
    buffer = learner.message(sender, "head", 0, 1)
    chunks = np.ones(-(-len(buffer) // 20), dtype=bool)
    chunks[4:6] = False  # bytes 80 to 119
    arrived = np.zeros((N, N, len(payload.parts)), dtype=bool)
    degree = np.ones((N, len(payload.parts)), dtype=np.int64)
    hole = PartialMessage(sender, receiver, part, 20, chunks)
    readable = arrived_elements(buffer, chunks, 20)
    said = decode(buffer)
    learner.mix(Delivery(arrived, degree, (hole,)), EVERYBODY)
    after = learner.state()
    assert not all(bool(r.all()) for r in readable)
    for i, name in enumerate(("head/common_weight", "head/bias")):
        own = before[name][receiver]
        expected = torch.where(readable[i], (own + said.arrays[i]) / 2, own)
        torch.testing.assert_close(after[name][receiver], expected, atol=1e-6, rtol=1e-5)
        assert torch.equal(after[name][1:], before[name][1:])


@pytest.mark.parametrize(
    ("codec", "share", "field"),
    [("int4", 0.1, "payload_codec"), ("top_k", 0.0, "top_k_share"), ("top_k", 1.5, "top_k_share")],
)
def test_an_exchange_out_of_range_is_refused(codec, share, field):
    with pytest.raises(ValidationError, match=field):
        ExchangeSettings(
            mixing="metropolis", payload_codec=codec, top_k_share=share, late_weight=0.0
        )
