"""What came a round late counts as it was sent, with the weight that the setup says."""

import numpy as np
import pytest
import torch
from learning_reference import everything_arrives, make_setup
from pydantic import ValidationError

from learning.errors import LearningError
from learning.learner import Learner
from learning.messages import Delivery, LateArrivals

N = 4
EVERYBODY = np.ones(N, dtype=bool)
HEAD = "head/common_weight"


def train(learner, round_index):
    learner.train(round_index, 2 * learner.available, EVERYBODY)
    return learner.state()


def late_in_second_round(learner, late_pairs, said=2):
    """Two rounds; in the second, these (sender, receiver) have the rest of the first, no more."""
    first = train(learner, 0)
    learner.mix(everything_arrives(learner), EVERYBODY)
    second = train(learner, 1)
    whole = everything_arrives(learner)
    arrived, late = whole.arrived.copy(), np.zeros_like(whole.arrived)
    for pair in late_pairs:
        late[pair] = arrived[pair]
        arrived[pair] = False
    told = np.full_like(whole.advertised_degree, said)
    delivery = Delivery(arrived, whole.advertised_degree, late=LateArrivals(late, told))
    return first, second, learner.mix(delivery, EVERYBODY)


@pytest.mark.parametrize(
    ("codec", "decoded"),
    [("float32", lambda x: x.double()), ("float16", lambda x: x.half().double())],
)
def test_a_late_message_is_mixed_as_it_was_sent_with_a_share_of_its_weight(made, codec, decoded):
    setup = make_setup(method="dmml", late_weight=0.3, payload_codec=codec)
    learner = Learner(setup, made)
    first, second, weight = late_in_second_round(learner, {(1, 0), (3, 0)}, said=5)
    own = second[HEAD].double()
    # Device 0 advertises 3 neighbours; the late messages say 5, the fresh one 3.
    late_w, fresh_w = 0.3 / 6, 1 / 4
    by_hand = (
        (1 - 2 * late_w - fresh_w) * own[0]
        + fresh_w * decoded(second[HEAD][2])
        + late_w * (decoded(first[HEAD][1]) + decoded(first[HEAD][3]))
    )
    after = learner.state()[HEAD]
    torch.testing.assert_close(after[0].double(), by_hand, atol=1e-6, rtol=1e-5)
    np.testing.assert_allclose(weight[0, :, 0], [1 - 2 * late_w - fresh_w, late_w, fresh_w, late_w])
    # Those that nothing reached late mix as ever.
    others = sum(decoded(second[HEAD][j]) for j in (0, 1, 3)) / 4
    torch.testing.assert_close(after[2].double(), own[2] / 4 + others, atol=1e-6, rtol=1e-5)


def test_a_late_message_of_top_k_leaves_what_it_did_not_say_to_the_receiver(made):
    setup = make_setup(method="dmml", late_weight=1.0, payload_codec="top_k", top_k_share=0.25)
    learner = Learner(setup, made)
    _, second, _ = late_in_second_round(learner, {(j, 0) for j in (1, 2, 3)}, said=3)
    changed = learner.state()[HEAD][0] != second[HEAD][0]
    # Three senders of a quarter each: at most three quarters of the elements.
    assert 0 < int(changed.sum()) <= 3 * np.ceil(0.25 * changed.numel())


@pytest.mark.parametrize("method", ["dmml_kd", "single_modality"])
@pytest.mark.parametrize("codec", ["float32", "int8", "top_k"])
def test_a_run_with_late_messages_goes_on_from_a_checkpoint(made, codec, method):
    only = "acc" if method == "single_modality" else None
    setup = make_setup(method=method, only_modality=only, late_weight=0.5, payload_codec=codec)
    straight, resumed = Learner(setup, made), Learner(setup, made)
    for r in range(2):
        train(straight, r)
        straight.mix(everything_arrives(straight), EVERYBODY)
    resumed.load(straight.state())
    for learner in (straight, resumed):
        train(learner, 2)
        whole = everything_arrives(learner)
        none = np.zeros_like(whole.arrived)
        late = LateArrivals(whole.arrived, whole.advertised_degree)
        learner.mix(Delivery(none, whole.advertised_degree, late=late), EVERYBODY)
    assert resumed.parameters_digest() == straight.parameters_digest()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"late_weight": 1.5}, "less than or equal to 1"),
        ({"late_weight": -0.5}, "greater than or equal to 0"),
        ({"late_weight": 0.5, "mixing": "push_sum"}, "expected 0 with mixing push_sum"),
        ({"late_weight": 0.5, "method": "fedavg_star"}, "a star has a round up"),
    ],
)
def test_where_late_messages_have_no_use_they_are_refused(made, changes, expected):
    with pytest.raises((LearningError, ValidationError), match=expected):
        Learner(make_setup(**changes), made)


def test_top_k_remembers_as_sent_only_what_it_sent_anew(made):
    setup = make_setup(method="dmml", late_weight=0.5, payload_codec="top_k")
    learner = Learner(setup, made)
    for r, with_rests in enumerate((False, True)):
        train(learner, r)
        whole = everything_arrives(learner)
        before = learner.state()
        offered, late = whole.arrived.copy(), None
        if with_rests:  # device 1 sends nothing but rests
            offered[1] = False
            only_1 = whole.arrived & (np.arange(N) == 1)[:, None, None]
            late = LateArrivals(only_1, whole.advertised_degree)
        learner.mix(
            Delivery(offered, whole.advertised_degree, offered=offered, late=late), EVERYBODY
        )
        changed = [
            bool((learner.state()[f"last_sent/{HEAD}"][k] != before[f"last_sent/{HEAD}"][k]).any())
            for k in range(N)
        ]
        assert changed == [True, not with_rests, True, True]
