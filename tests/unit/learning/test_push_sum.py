import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_reference import make_setup
from pydantic import ValidationError

from learning.errors import LearningError
from learning.exchange.message import decode
from learning.exchange.mixing import metropolis_hastings, mix_stack
from learning.exchange.running_sums import (
    in_flight,
    mixing_weights,
    move,
    ratio,
    receive,
    send,
    start,
)
from learning.learner import Learner
from learning.messages import Delivery

N = 4
EVERYBODY = np.ones(N, dtype=bool)


def grid(side):
    at = np.stack(np.divmod(np.arange(side * side), side), 1)
    return np.abs(at[:, None] - at[None]).sum(2) == 1


def draw(n, width=6, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, width))).float()


def lossy(neighbours, loss, rng):
    return neighbours & (rng.random(neighbours.shape) >= loss)


def spread(z):
    return float(z.double().std(0).mean())


@pytest.mark.parametrize("seed", range(3))
def test_at_30_percent_loss_push_sum_finds_the_mean_where_metropolis_drifts(seed):
    neighbours, rng = grid(3), np.random.default_rng([seed, 1])
    degree, z = neighbours.sum(1), draw(9, 40, seed)
    mean, state, gossip = z.double().mean(0), start(z), {"head/w": z}
    for _ in range(150):
        arrived = lossy(neighbours, 0.3, rng)
        state, totals = send(state, neighbours, degree)
        state = receive(state, totals, arrived, degree)
        weight = metropolis_hastings(
            arrived[..., None], degree[:, None], np.ones((9, 1), dtype=bool)
        )
        gossip = mix_stack(gossip, ("head",), weight)
    assert float((ratio(state) - mean).abs().max()) < 1e-3 * spread(z)
    off = gossip["head/w"].double() - mean
    assert 0.03 < float(off.square().mean().sqrt()) / spread(z) < 0.3
    assert spread(gossip["head/w"]) < 1e-3  # they agree, but on something else


def test_mass_is_conserved_at_every_step_whatever_is_lost():
    neighbours, rng = grid(3), np.random.default_rng(2)
    state = start(draw(9))
    before = state.mass.sum(0)
    for step in range(200):
        offered = lossy(neighbours, 0.2, rng)  # neighbours come and go, too
        state, totals = send(state, offered, offered.sum(1))
        for after in (
            state,
            state := receive(state, totals, lossy(offered, 0.4, rng), offered.sum(1)),
        ):
            total = after.mass.sum(0) + in_flight(after)
            # of all that went through: float64 adds up to 12 sums of about 200 shares
            np.testing.assert_allclose(total, before, atol=1e-11, err_msg=f"step {step}")
        assert (state.mass[:, -1] > 0).all()


class Device:
    """One device in plain Python floats: it sees what it sent and what reached it, and no more."""

    def __init__(self, x):
        self.x, self.w = x, 1.0
        self.sent, self.received, self.degree = {}, {}, {}

    def send(self, to, degrees):
        own, messages, kept = len(to), {}, 1.0
        for j in to:
            share = 1 / (1 + max(own, self.degree.setdefault(j, degrees[j])))
            if self.w <= 0.01:  # too little to give away
                share = 0.0
            x, w = self.sent.get(j, (0.0, 0.0))
            self.sent[j] = (x + share * self.x, w + share * self.w)
            messages[j] = tuple(float(np.float32(v)) for v in self.sent[j])
            kept -= share
        self.x, self.w = kept * self.x, kept * self.w
        return messages

    def receive(self, j, total, degree):
        x, w = self.received.get(j, (0.0, 0.0))
        self.x, self.w = self.x + total[0] - x, self.w + total[1] - w
        self.received[j], self.degree[j] = total, degree


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(0, 10_000))
def test_every_device_does_what_it_would_do_by_itself(n, seed):
    rng = np.random.default_rng(seed)
    neighbours = ~np.eye(n, dtype=bool)
    z = draw(n, 1, seed)
    state, devices = start(z), [Device(float(z[k, 0])) for k in range(n)]
    degrees = neighbours.sum(1)
    for r in range(8):
        offered = neighbours if r == 0 else lossy(neighbours, 0.3, rng)
        degrees = offered.sum(1)
        arrived = lossy(offered, 0.4, rng)
        state, totals = send(state, offered, degrees)
        messages = [
            device.send(np.flatnonzero(offered[k]).tolist(), degrees)
            for k, device in enumerate(devices)
        ]
        state = receive(state, totals, arrived, degrees)
        for j, k in np.argwhere(arrived):
            devices[k].receive(int(j), messages[j][k], int(degrees[j]))
        expected = [[device.x, device.w] for device in devices]
        # a last bit of float64 may turn one of a total's float32
        np.testing.assert_allclose(state.mass.numpy(), expected, atol=1e-6)


def test_what_becomes_of_its_messages_leaves_no_trace_at_their_sender():
    neighbours, degree = grid(3), grid(3).sum(1)
    rng = np.random.default_rng(5)
    state = start(draw(9))
    for _ in range(5):
        state, totals = send(state, neighbours, degree)
        state = receive(state, totals, lossy(neighbours, 0.3, rng), degree)
    arrived = lossy(neighbours, 0.3, rng)
    outcomes = {}
    for fate in (True, False):
        arrived[4] = fate & neighbours[4]  # all that device 4 sends arrives, or nothing
        sent, totals = send(state, neighbours, degree)
        after = receive(sent, totals, arrived, degree)
        after, next_totals = send(after, neighbours, degree)
        own = after.links[:, 0] == 4
        outcomes[fate] = (
            totals.value,
            next_totals.value[own],
            after.mass[4],
            after.sent[own],
            after.degree[own],
        )
        others = next_totals.value[~own]
        outcomes[fate, "others"] = others
    assert all(torch.equal(a, b) for a, b in zip(outcomes[True], outcomes[False], strict=True))
    assert not torch.equal(outcomes[True, "others"], outcomes[False, "others"])


def test_without_losses_it_is_metropolis_mixing():
    neighbours, degree, z = grid(3), grid(3).sum(1), draw(9)
    state, gossip = start(z), {"head/w": z}
    weight = metropolis_hastings(
        neighbours[..., None], degree[:, None], np.ones((9, 1), dtype=bool)
    )
    for _ in range(10):
        sent, totals = send(state, neighbours, degree)
        np.testing.assert_allclose(
            mixing_weights(sent, totals, neighbours), weight[..., 0], atol=1e-5
        )
        state = receive(sent, totals, neighbours, degree)
        gossip = mix_stack(gossip, ("head",), weight)
        np.testing.assert_allclose(state.mass[:, -1], 1.0, atol=1e-5)
        np.testing.assert_allclose(ratio(state), gossip["head/w"], atol=1e-5)


def test_training_moves_the_ratio_by_what_was_trained_and_the_mean_by_its_weight():
    neighbours, degree, z = grid(3), grid(3).sum(1), draw(9)
    state, totals = send(start(z), neighbours, degree)
    state = receive(state, totals, lossy(neighbours, 0.5, np.random.default_rng(1)), degree)
    change = 0.1 * draw(9, seed=7)
    weight = state.mass[:, -1:]
    assert float(weight.min()) < 0.7
    trained = move(state, ratio(state) + change)
    torch.testing.assert_close(ratio(trained), ratio(state) + change, atol=1e-6, rtol=1e-6)
    moved = trained.mass.sum(0) - state.mass.sum(0)
    torch.testing.assert_close(moved[:-1], (weight * change).sum(0), atol=1e-6, rtol=1e-6)
    assert moved[-1] == 0
    assert torch.equal(move(state, ratio(state)).mass, state.mass)


def test_with_losses_the_mean_weights_of_all_devices_are_equal():
    # so that nobody's training counts for more; corners of the grid have 2 neighbours, the centre 4
    neighbours, rng = grid(3), np.random.default_rng(3)
    degree, state, weights = neighbours.sum(1), start(torch.zeros(9, 0)), []
    for _ in range(6000):
        state, totals = send(state, neighbours, degree)
        state = receive(state, totals, lossy(neighbours, 0.3, rng), degree)
        weights.append(state.mass[:, -1].numpy())
    mean = np.mean(weights, axis=0)
    np.testing.assert_allclose(mean / mean.mean(), 1.0, atol=0.05)


def test_nobody_gives_away_his_last_weight_and_ratios_stay_among_the_values():
    # device 0 sends and hears nothing for so long that its share would be below any float32
    neighbours = ~np.eye(3, dtype=bool)
    degree, z = neighbours.sum(1), draw(3)
    state = start(z)
    deaf = neighbours.copy()
    deaf[:, 0] = False
    for _ in range(2000):
        state, totals = send(state, neighbours, degree)
        state = receive(state, totals, deaf, degree)
    assert 0.001 < float(state.mass[0, -1]) <= 0.01
    torch.testing.assert_close(ratio(state)[0], z[0], atol=1e-4, rtol=1e-4)
    state, totals = send(state, neighbours, degree)
    state = receive(state, totals, neighbours, degree)
    assert (ratio(state) <= z.max(0).values + 1e-3).all()
    assert (ratio(state) >= z.min(0).values - 1e-3).all()


def test_float32_totals_of_300_rounds_hardly_move_the_ratios():
    neighbours, rng = grid(3), np.random.default_rng(9)
    degree, z = neighbours.sum(1), draw(9)
    state, exact = start(z), start(z)
    exact_received = torch.zeros(int(neighbours.sum()), 7, dtype=torch.float64)
    for _ in range(300):
        arrived = lossy(neighbours, 0.3, rng)
        state, totals = send(state, neighbours, degree)
        state = receive(state, totals, arrived, degree)
        # the same once more, with totals of float64
        exact, totals = send(exact, neighbours, degree)
        came = torch.from_numpy(arrived[tuple(exact.links.T.numpy())])
        new = (exact.sent - exact_received)[came]
        mass = exact.mass.index_add(0, exact.links[came, 1], new)
        exact_received[came] = exact.sent[came]
        exact = type(exact)(mass, exact.links, exact.sent, exact.received, exact.degree)
    assert float((ratio(state) - ratio(exact)).abs().max()) < 1e-4 * spread(z)


def offers(learner):
    has = learner.payload().part_bytes > 0
    offered = has[:, None, :] & has[None, :, :] & ~np.eye(len(has), dtype=bool)[..., None]
    return offered, offered.sum(1)


def lossy_delivery(learner, rng, loss=0.3):
    offered, degree = offers(learner)
    return Delivery(offered & (rng.random(offered.shape) >= loss), degree, (), offered)


def make_learner(made, **changes):
    return Learner(make_setup(mixing="push_sum", **changes), made)


def test_a_learner_mixes_every_part_with_a_weight_of_its_own(made):
    learner, rng = make_learner(made, modality_pattern="thirds"), np.random.default_rng(1)
    parts = learner.payload().parts
    state = learner.state()
    shadow = {
        p: start(torch.cat([v.flatten(1) for n, v in state.items() if n.startswith(f"{p}/")], 1))
        for p in parts
    }
    for r in range(4):
        learner.train(r, 2 * learner.available, EVERYBODY)
        trained, delivery = learner.state(), lossy_delivery(learner, rng)
        weight = learner.mix(delivery, EVERYBODY)
        np.testing.assert_allclose(weight.sum(1), 1.0)
        after = learner.state()
        for i, p in enumerate(parts):
            names = [n for n in trained if n.startswith(f"{p}/")]
            z = torch.cat([trained[n].flatten(1) for n in names], 1)
            degree = delivery.advertised_degree[:, i]
            sent, totals = send(move(shadow[p], z), delivery.offered[..., i], degree)
            shadow[p] = receive(sent, totals, delivery.arrived[..., i], degree)
            got = torch.cat([after[n].flatten(1) for n in names], 1)
            torch.testing.assert_close(got, ratio(shadow[p]), atol=0, rtol=0)
    masses = {p: state.mass[:, -1] for p, state in shadow.items()}
    assert not torch.equal(masses["head"], masses["generator"])


def test_a_push_sum_message_is_one_weight_longer(made):
    push, gossip = make_learner(made), Learner(make_setup(), made)
    # one more array without dimensions: a byte of shape and four of value
    np.testing.assert_array_equal(
        push.payload().part_bytes,
        np.where(gossip.payload().part_bytes, gossip.payload().part_bytes + 5, 0),
    )
    message = decode(push.message(2, "head", 4, 3))
    bias = push.state()["head/bias"][2]
    torch.testing.assert_close(message.arrays[1], bias / 4)
    assert message.arrays[-1].tolist() == 0.25
    assert (message.sender, message.round_index, message.advertised_degree) == (2, 4, 3)


def test_push_sum_goes_on_from_a_loaded_state_bit_by_bit(made):
    straight, resumed = make_learner(made), make_learner(made)
    rng = np.random.default_rng(3)
    for r in range(4):
        if r == 2:
            resumed.load(straight.state())
        delivery = lossy_delivery(straight, rng)
        for learner in (straight, resumed)[: 1 + (r >= 2)]:
            learner.train(r, np.full((N, 2), 2), EVERYBODY)
            learner.mix(delivery, EVERYBODY)
    a, b = straight.state(), resumed.state()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    with pytest.raises(LearningError, match="checkpoint of the same setup"):
        Learner(make_setup(), made).load(a)


def test_a_dead_device_keeps_its_model_and_takes_its_mass_with_it(made):
    learner, rng = make_learner(made), np.random.default_rng(4)
    learner.train(0, np.full((N, 2), 2), EVERYBODY)
    before = learner.state()
    alive = np.array([True, False, True, True])
    learner.mix(lossy_delivery(learner, rng, loss=0.0), alive)
    for _ in range(40):
        offered, _ = offers(learner)
        offered[1] = offered[:, 1] = False
        arrived = offered & (rng.random(offered.shape) < 0.7)
        learner.mix(Delivery(arrived, offered.sum(1), (), offered), alive)
    after = learner.state()
    for name in ("head/bias", "head/common_weight"):
        assert torch.equal(after[name][1], before[name][1])
        living = after[name][alive]
        # The rest agree, on something between what all had.
        assert float((living - living[0]).abs().max()) < 1e-4
        assert (living <= before[name].max(0).values + 1e-5).all()
        assert (living >= before[name].min(0).values - 1e-5).all()


def test_an_undone_training_moves_no_mass(made):
    learner = make_learner(made)
    before = learner.state()
    learner.train(0, np.full((N, 2), 2), EVERYBODY)
    learner.undo(before, EVERYBODY)
    offered, degree = offers(learner)
    learner.mix(Delivery(np.zeros_like(offered), degree, (), offered), EVERYBODY)
    after = learner.state()
    torch.testing.assert_close(after["head/bias"], before["head/bias"])


def test_push_sum_refuses_what_it_cannot_do(made):
    learner = make_learner(made)
    offered, degree = offers(learner)
    with pytest.raises(LearningError, match="who sent to whom"):
        learner.mix(Delivery(offered, degree), EVERYBODY)
    for codec in ("float16", "int8", "top_k"):
        with pytest.raises(ValidationError, match="payload_codec: expected float32 with mixing"):
            make_setup(mixing="push_sum", payload_codec=codec)
