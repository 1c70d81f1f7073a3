import numpy as np
import pytest
import torch
from learning_reference import make_setup

from learning.data.dealing.modalities import modality_mask
from learning.errors import LearningError
from learning.learner import Learner
from learning.messages import Delivery
from learning.star import clients, star_weights, trainings_left

N = 4
EVERYBODY = np.ones(N, dtype=bool)


def up_and_down(learner, round_index, lost=()):
    """One round in which all that is sent arrives, but for the (sender, receiver) pairs lost."""
    trains, sends = learner.roles(round_index)
    learner.train(round_index, 2 * learner.available * trains[:, None], trains)
    trained = learner.state()
    has = learner.payload().part_bytes > 0
    arrived = np.zeros((N, N, has.shape[1]), dtype=bool)
    for k in range(1, N):
        for src, dst in ((0, k), (k, 0)):
            arrived[src, dst] = sends[src] & has[src] & has[dst] & ((src, dst) not in lost)
    learner.mix(Delivery(arrived, arrived.sum(1)), EVERYBODY)
    return trained


def test_the_server_holds_no_data_and_every_other_device_some(made):
    learner = Learner(make_setup(method="fedavg_star"), made)
    assert learner.samples_per_device[0] == 0
    assert (learner.samples_per_device[1:] > 0).all()
    assert learner.samples_per_device.sum() == (made.split == 0).sum()
    assert not learner.available[0].any()


def test_the_server_becomes_the_mean_by_sample_counts_and_everyone_takes_it(made):
    learner = Learner(make_setup(method="fedavg_star"), made)
    trained = up_and_down(learner, 0)
    count = learner.samples_per_device
    server = learner.state()
    for name, value in trained.items():
        if name.startswith("pace"):
            continue
        by_hand = sum(float(count[k]) * value[k].double() for k in range(1, N)) / count[1:].sum()
        torch.testing.assert_close(server[name][0].double(), by_hand, atol=1e-6, rtol=1e-5)
        assert torch.equal(server[name][1], value[1]), "in a round that goes up all keep their own"
    up_and_down(learner, 1)
    for name, value in learner.state().items():
        if not name.startswith("pace"):
            assert torch.equal(value, server[name][:1].expand_as(value)), name


def test_trainings_left_are_those_of_all_draws_on_average():
    rounds, share, draws = 9, 0.5, 400
    for now in range(rounds):
        later = [
            sum(clients(N, r, share, seed)[1] for r in range(now + 1, rounds) if r % 2 == 0)
            for seed in range(draws)
        ]
        expected = 1 + np.mean(later)  # this one, and what the server may draw
        spread = np.std(later) / draws**0.5
        assert abs(trainings_left(N, now, rounds, share) - expected) <= 4 * spread + 1e-9


def test_what_is_lost_leaves_the_mean_and_who_hears_nothing_goes_on(made):
    learner = Learner(make_setup(method="fedavg_star"), made)
    trained = up_and_down(learner, 0, lost={(2, 0)})
    name = "head/common_weight"
    a, b = (float(learner.samples_per_device[k]) for k in (1, 3))
    by_hand = (a * trained[name][1].double() + b * trained[name][3].double()) / (a + b)
    server = learner.state()[name][0]
    torch.testing.assert_close(server.double(), by_hand, atol=1e-6, rtol=1e-5)
    up_and_down(learner, 1, lost={(0, 3)})
    after = learner.state()[name]
    assert torch.equal(after[2], server)
    assert torch.equal(after[3], trained[name][3])


def test_a_server_that_hears_nobody_keeps_its_model():
    weight = star_weights(np.zeros((3, 3, 1), bool), np.array([0, 5, 5]), np.ones((3, 1), bool))
    np.testing.assert_array_equal(weight[:, :, 0], np.eye(3))


def test_weights_of_each_part_are_over_those_who_sent_it_and_rows_sum_to_one():
    arrived = np.zeros((3, 3, 2), bool)
    arrived[1, 0] = True
    arrived[2, 0, 1] = True
    weight = star_weights(arrived, np.array([0, 30, 10]), np.ones((3, 2), bool))
    assert weight[0, :, 0].tolist() == [0.0, 1.0, 0.0]
    assert weight[0, :, 1].tolist() == [0.0, 0.75, 0.25]
    np.testing.assert_allclose(weight.sum(1), 1.0)


def test_a_share_of_the_clients_is_drawn_anew_each_round_and_never_the_server():
    drawn = np.array([clients(21, r, 0.3, seed=1) for r in range(0, 400, 2)])
    assert (drawn.sum(1) == 6).all()
    assert not drawn[:, 0].any()
    # Each is drawn in 0.3 of 200 rounds: 60, standard deviation 6.5.
    assert drawn[:, 1:].sum(0).min() > 35
    assert drawn[:, 1:].sum(0).max() < 85
    assert np.array_equal(clients(21, 4, 0.3, 1), clients(21, 4, 0.3, 1))


def test_the_servers_adam_step_is_that_of_a_plain_loop(made):
    options = {"server_rate": 0.05, "server_tau": 0.01}
    learner = Learner(make_setup(method="fedopt_star", method_options=options), made)
    name = "encoder_acc/conv1_weight"
    count = learner.samples_per_device[1:].astype(float)
    share = torch.from_numpy(count / count.sum())[:, None, None, None]
    m = v = 0.0
    for r in (0, 2, 4):
        x = learner.state()[name][0].double()
        change = (share * up_and_down(learner, r)[name][1:].double()).sum(0) - x
        m, v = 0.9 * m + 0.1 * change, 0.99 * v + 0.01 * change**2
        by_hand = x + 0.05 * m / (v.sqrt() + 0.01)
        torch.testing.assert_close(learner.state()[name][0].double(), by_hand, atol=1e-5, rtol=1e-4)
        up_and_down(learner, r + 1)


def test_a_star_refuses_push_sum(made):
    with pytest.raises(LearningError, match="mixing: expected metropolis"):
        Learner(make_setup(method="fedavg_star", mixing="push_sum"), made)


def test_a_modality_that_only_the_server_would_have_is_refused(made):
    def setup(seed):
        changes = {"modality_pattern": "rate", "modality_rate": 0.3, "num_devices": 3}
        return make_setup(method="fedavg_star", seed=seed, **changes)

    refused = 0
    for seed in range(30):
        mask = modality_mask(setup(seed), ("acc", "gyro"))
        if mask[1:].any(0).all():
            assert Learner(setup(seed), made).available[1:].tolist() == mask[1:].tolist()
            continue
        refused += 1
        with pytest.raises(LearningError, match="on a device besides the server, got none with"):
            Learner(setup(seed), made)
    assert 0 < refused < 30
