"""Every ingredient of DMML-KD switches off alone, down to its rivals, to the last bit."""

import numpy as np
import pytest
import torch
from learning_reference import everything_arrives, make_setup

from learning.learner import Learner

N = 4


def digest_after_three_rounds(made, **changes):
    learner = Learner(make_setup(partition="dirichlet", **changes), made)
    for r in range(3):
        learner.train(r, 2 * learner.available, np.ones(N, dtype=bool))
        learner.mix(everything_arrives(learner), np.ones(N, dtype=bool))
    state = learner.state()
    return {k: v for k, v in state.items() if k.startswith(("encoder_", "head/"))}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("generator", ["statistics", "network"])
def test_every_ingredient_of_dmml_kd_switches_off_alone(made, generator):
    whole = digest_after_three_rounds(made, generator=generator)
    assert same(whole, digest_after_three_rounds(made, generator=generator))
    for off in (
        {"specific_share": 0.0},
        {"generator": "none"},
        {"unimodal_weight": 0.0},
        {"decorrelation_weight": 0.0},
        {"alignment_weight": 0.0},
        {"distillation_weight": 0.0},
        {"logit_adjustment": False},
    ):
        changed = digest_after_three_rounds(made, **{"generator": generator} | off)
        assert not same(whole, changed), off


def test_dmml_kd_with_all_its_own_terms_off_is_dmml_strong_to_the_last_bit(made):
    off = {"decorrelation_weight": 0.0, "alignment_weight": 0.0, "distillation_weight": 0.0}
    off |= {"specific_share": 0.5}
    bare = digest_after_three_rounds(made, generator="none", **off)
    assert same(bare, digest_after_three_rounds(made, method="dmml_strong"))
    # And with the generator there but silent.
    assert same(bare, digest_after_three_rounds(made, **off))


def test_dmml_kd_without_decomposition_and_its_terms_is_fedgen_strong_to_the_last_bit(made):
    off = {"specific_share": 0.0, "alignment_weight": 0.0}
    bare = digest_after_three_rounds(made, **off)
    assert same(bare, digest_after_three_rounds(made, method="fedgen_strong"))
