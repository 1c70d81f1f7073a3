"""What an evaluation says of features, by plain loops over samples."""

import numpy as np
import pytest
import torch
from learning_reference import Device, make_setup

from learning.data.samples import TEST
from learning.learner import Learner
from learning.model.stack import part_of


@pytest.mark.parametrize("pattern", ["all", "thirds"])
def test_the_dead_share_counts_common_features_that_never_change(made, pattern):
    setup = make_setup(modality_pattern=pattern)
    learner = Learner(setup, made)
    state = learner.state()
    shapes = {m: x.shape[1:] for m, x in made.modalities.items()}
    # The second device's first three common features of acc, and a specific one, never open.
    for feature in (0, 1, 2, setup.feature_dim):
        state["encoder_acc/linear_weight"][1, feature] = 0.0
        state["encoder_acc/linear_bias"][1, feature] = -1.0
    learner.load(state)
    test = torch.from_numpy(made.split == TEST)
    expected = []
    for k in range(setup.num_devices):
        shares = []
        for column, m in enumerate(learner.modality_names):
            if not learner.available[k, column]:
                continue
            model = {n: v for n, v in state.items() if part_of(n) in (f"encoder_{m}", "head")}
            device = Device(model, k, {m: shapes[m]})
            common, _ = device.encoders[m](torch.from_numpy(made.modalities[m])[test])
            values = common.detach().numpy()
            dead = sum(len(set(values[:, f])) == 1 for f in range(values.shape[1]))
            shares.append(dead / values.shape[1])
        expected.append(np.mean(shares))
    measured = learner.evaluate().dead_feature_share
    np.testing.assert_allclose(measured, expected)
    if learner.available[1, learner.modality_names.index("acc")]:
        assert measured[1] >= 3 / setup.feature_dim / learner.available[1].sum()
