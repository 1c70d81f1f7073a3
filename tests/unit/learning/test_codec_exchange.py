"""What devices send by their codecs, and what receivers make of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_reference import make_setup

from learning.errors import LearningError
from learning.exchange.codecs import CODECS
from learning.exchange.message import arrived_elements, decode
from learning.learner import Learner
from learning.messages import Delivery, PartialMessage

DENSE = ("float32", "float16", "int8")
N = 4
EVERYBODY = np.ones(N, dtype=bool)


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
