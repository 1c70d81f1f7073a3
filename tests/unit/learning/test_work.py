"""The work that is charged is the work that torch counts, for every method."""

import numpy as np
import pytest
from learning_reference import make_setup
from torch.utils.flop_counter import FlopCounterMode

from learning.learner import Learner
from learning.methods.names import METHOD_NAMES

N, BATCH, C, D, SAMPLES, HIDDEN = 4, 8, 5, 8, 8, 64
EVERYBODY = np.ones(N, dtype=bool)
UNEQUAL = np.array([[2, 1], [1, 3], [0, 0], [1, 1]])
# f_m and W_m of a modality, head: W_c and b
ENCODER = (8 * 15 + 8) + (16 * 40 + 16) + (16 * 128 + 16) + C * D
HEAD = C * D + C

VARIANTS = {
    **{name: {"method": name} for name in METHOD_NAMES},
    "single_modality": {"method": "single_modality", "only_modality": "gyro"},
    "dmml_kd, network": {"method": "dmml_kd", "generator": "network"},
    "dmml_kd, no generator": {"method": "dmml_kd", "generator": "none"},
    "dmml_kd, one space": {"method": "dmml_kd", "specific_share": 0.0},
    "thirds": {"method": "dmml_kd", "modality_pattern": "thirds"},
}


SPECIFIC = 2 * D // 4


def elementwise(variant, tau):
    """What is charged but no product, so torch does not count it."""
    steps, iterations, trained = tau.max(1).sum(), tau.sum(), (tau.max(1) > 0).sum()
    batch = BATCH * (N if variant == "centralised" else 1)
    softmax = 8 * batch * C * steps

    def read(d):
        # Decay and add three sums, then two divisions, square, difference and root.
        return trained * (2 * C * (1 + 2 * d) + 5 * C * d)

    return softmax + {
        "dmml_kd": read(2 * D - SPECIFIC) + 2 * read(SPECIFIC),
        "dmml_kd, network": 2 * read(SPECIFIC),
        "thirds": read(2 * D - SPECIFIC) + 2 * read(SPECIFIC),
        "dmml_kd, one space": read(2 * D),
        "fedgen_strong": read(2 * D),
        "fedproto": 6 * BATCH * 2 * D * iterations + trained * 7 * C * 2 * D,
        "fedprox": 3 * (ENCODER * iterations + HEAD * steps),
        "qg_momentum": 2 * (ENCODER * iterations + HEAD * steps)
        + trained * 5 * (2 * ENCODER + HEAD),
        "ogm_ge": 6 * ENCODER * iterations,
        "pmr": 6 * BATCH * C * 2 * D * iterations + trained * 2 * 7 * C * 2 * D,
    }.get(variant, 0)


def uncharged(variant, tau):
    """Products for idle devices: a network's class means are read for all of them at once."""
    common = {"fedgen": 2 * D, "dmml_kd, network": 2 * D - SPECIFIC}.get(variant)
    if common is None:
        return 0
    perceptron = 2 * (C + common) * HIDDEN + 2 * HIDDEN * common
    return (tau.max(1) == 0).sum() * C * SAMPLES * perceptron


@pytest.mark.usefixtures("torch_counts")
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_work_done_is_what_the_layer_formulas_predict(made, variant):
    learner = Learner(make_setup(**VARIANTS[variant]), made)
    tau = UNEQUAL * learner.available
    cost = learner.work_cost()
    with FlopCounterMode(display=False) as counter:
        result = learner.train(0, tau, EVERYBODY)
    by_hand = np.zeros(N)
    for k in range(N):
        for m in range(2):
            by_hand[k] += cost.per_iteration_flop[k, m] * tau[k, m]
        if tau[k].any():
            by_hand[k] += cost.per_step_flop[k] * tau[k].max() + cost.per_round_flop[k]
    np.testing.assert_array_equal(result.flop, by_hand)
    products = result.flop.sum() - elementwise(variant, tau) + uncharged(variant, tau)
    assert counter.get_total_flops() == products


def test_the_generators_work_is_charged_to_the_method_that_has_one(made):
    for method, charged in (("dmml_kd", True), ("dmml", False), ("local", False)):
        cost = Learner(make_setup(method=method), made).work_cost()
        assert (cost.per_round_flop > 0).all() == charged
    kd, plain = (Learner(make_setup(method=m), made).work_cost() for m in ("dmml_kd", "dmml"))
    assert (kd.per_iteration_flop > plain.per_iteration_flop).all()
    shared, alone = (
        Learner(make_setup(method="dmml_kd", specific_share=share), made).work_cost()
        for share in (0.0, 0.5)
    )
    # What is the same for all modalities is taught once, what each has of its own with each.
    assert (shared.per_step_flop > plain.per_step_flop).all()
    assert (alone.per_step_flop == plain.per_step_flop).all()


def test_work_of_a_missing_modality_is_zero(made):
    learner = Learner(make_setup(modality_pattern="thirds"), made)
    cost = learner.work_cost().per_iteration_flop
    assert not learner.available.all()
    np.testing.assert_array_equal(cost > 0, learner.available)
