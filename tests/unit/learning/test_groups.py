import numpy as np
import pytest
import torch
from learning_reference import everything_arrives, make_setup

from learning.learner import Learner
from learning.methods.names import METHOD_NAMES
from learning.training.groups import groups_of, joined
from learning.training.local_training import LocalResult

N = 7
# Unequal, with one that idles and one that uses but one modality.
TAU = np.array([[3, 1], [0, 0], [2, 2], [1, 4], [0, 3], [1, 1], [2, 0]])
PEERS = [name for name in METHOD_NAMES if name not in ("centralised", "single_modality")]


def test_each_device_that_trains_is_in_one_group_with_its_own_iterations():
    tau = torch.from_numpy(TAU)
    for workers in range(1, 9):
        groups = groups_of(tau, workers)
        assert len(groups) == min(workers, 6)  # six train
        assert torch.equal(sum(groups), tau)
        owners = sum((group.sum(1) > 0).long() for group in groups)
        assert owners.tolist() == [1, 0, 1, 1, 1, 1, 1]
        # Sorted by work, 5 4 4 3 2 2, and dealt in turn: no two differ by more than the largest.
        work = [int(group.sum()) for group in groups]
        assert max(work) - min(work) <= 5


def test_a_round_in_which_nobody_trains_has_one_empty_group():
    nothing = torch.zeros(3, 2, dtype=torch.int64)
    assert [group.tolist() for group in groups_of(nothing, 4)] == [nothing.tolist()]


def test_what_groups_found_is_put_together_by_device():
    nan = torch.nan
    one = LocalResult(
        torch.tensor([[1.0], [nan]]), torch.tensor([[2.0], [nan]]), torch.tensor([[3.0], [nan]])
    )
    # The second takes two steps; its second loss came to no number, but its gradient did.
    two = LocalResult(
        torch.tensor([[nan, nan], [4.0, nan]]),
        torch.tensor([[nan, nan], [5.0, 6.0]]),
        torch.tensor([[nan], [7.0]]),
    )
    whole = joined([one, two], 2)
    np.testing.assert_array_equal(whole.loss, [[1, nan], [4, nan]])
    np.testing.assert_array_equal(whole.gradient_norm, [[2, nan], [5, 6]])
    np.testing.assert_array_equal(whole.contribution, [[3], [7]])


@pytest.mark.parametrize("method", PEERS)
def test_any_number_of_threads_trains_and_evaluates_to_the_same_bits(method, made):
    results = []
    for workers in (1, 2, 3, N):
        learner = Learner(make_setup(method=method, num_devices=N, workers=workers), made)
        everyone = np.ones(N, bool)
        for round_index in range(2):  # the second is past the warm-up
            trains, _ = learner.roles(round_index)
            tau = np.where(learner.available & trains[:, None], TAU, 0)
            trained = learner.train(round_index, tau, everyone)
            learner.mix(everything_arrives(learner), everyone)
        results.append((learner.parameters_digest(), trained, learner.evaluate()))
    first = results[0]
    for digest, trained, evaluation in results[1:]:
        assert digest == first[0]
        for name, value in vars(first[1]).items():
            np.testing.assert_array_equal(getattr(trained, name), value)
        np.testing.assert_array_equal(evaluation.accuracy, first[2].accuracy)
        np.testing.assert_array_equal(evaluation.feature_distance, first[2].feature_distance)
        np.testing.assert_array_equal(evaluation.dead_feature_share, first[2].dead_feature_share)


def test_a_method_of_the_users_own_is_called_once_a_step(made, tmp_path):
    # It may count, as this one does: in groups, each would call it.
    seen = tmp_path / "seen.txt"
    (tmp_path / "mine.py").write_text(
        "from learning.method import Method, Rules\n"
        "from learning.model.losses import fused_loss\n"
        "def note(passed, label, step):\n"
        f"    with open({str(seen)!r}, 'a') as file:\n"
        "        print(step, len(label), file=file)\n"
        "def begin(round_):\n"
        "    loss = lambda passed, label, step: fused_loss(passed, label)\n"
        "    return Rules(loss, after_step=note)\n"
        "METHOD = Method(begin)\n"
    )
    setup = make_setup(method=str(tmp_path / "mine.py"), num_devices=N, workers=4)
    Learner(setup, made).train(0, np.full((N, 2), 2), np.ones(N, bool))
    assert seen.read_text().splitlines() == [f"1 {N}", f"2 {N}"]
