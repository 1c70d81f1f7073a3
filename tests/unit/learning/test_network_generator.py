"""The generator that is a network: it follows the features by SGD on its loss."""

import math

import torch
from learning_reference import DEFAULTS, generator_module, make_round, make_setup
from torch.nn import functional

from learning.methods import dmml_kd
from learning.methods.parts.generator import GENERATORS
from learning.model.stack import Forward, make_model

PRIOR = torch.full((2, 2), 0.5)


def features_of_two_classes(head):
    """Two devices, one modality, 24 samples of two classes far apart, always the same."""
    source = torch.Generator().manual_seed(6)
    label = torch.arange(24).expand(2, 24) % 2
    centre = torch.tensor([[0.0, 1.0, 2.0], [2.0, 0.5, 0.0]])
    c = (centre[label] + 0.1 * torch.randn(2, 24, 3, generator=source)).relu()
    rows = {"acc": torch.tensor([0, 1])}
    passed = Forward(torch.tensor([0, 1]), rows, {"acc": c}, {}, {}, c, head, torch.zeros(2, 2), {})
    return passed, label


def follow_network(steps, head):
    setup = make_setup(num_devices=2, generator="network", learning_rate=0.3)
    model = make_model({"acc": (3, 128)}, 2, common_dim=3, specific_dim=3, seed=1)
    kind = GENERATORS["network"]
    state = kind.state(setup, model)
    round_ = make_round(dmml_kd.METHOD, setup, model, state, PRIOR)
    passed, label = features_of_two_classes(head)
    after_step, finish = kind.follow(round_)
    for step in range(1, steps + 1):
        after_step(passed, label, step)
    return kind, round_, passed, label, finish(torch.tensor([True, True]))


def test_the_network_generator_comes_to_the_class_means_of_the_features():
    # A head of zeros has no opinion, so only the features pull.
    kind, round_, passed, label, state = follow_network(1500, torch.zeros(2, 2, 3))
    old = kind.teacher(round_).mean
    new = kind.teacher(make_round(dmml_kd.METHOD, round_.setup, round_.model, state, PRIOR))
    for k in range(2):
        for y in range(2):
            mean = passed.common["acc"][k][label[k] == y].mean(0)
            assert float((old[k, y] - mean).norm()) > 1
            assert float((new.mean[k, y] - mean).norm()) < 0.15


def test_a_step_of_the_network_generator_is_sgd_on_its_loss_written_out():
    head = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(3))
    _, round_, passed, label, state = follow_network(2, head)
    for k in range(2):
        net = generator_module(round_.state, k)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.3)
        for step in (1, 2):
            noise, loss = round_.noise(step), 0.0
            for i, y in enumerate(label[k].tolist()):
                eps = noise.normal[k][i % DEFAULTS["generator_samples"]]
                g = net(torch.cat([functional.one_hot(torch.tensor(y), 2).float(), eps]))
                loss = loss + (g - passed.common["acc"][k, i]).square().mean() / 24
            for u, eps in zip(noise.uniform[k].tolist(), noise.normal[k], strict=True):
                y = torch.tensor(math.floor(2 * u))
                g = net(torch.cat([functional.one_hot(y, 2).float(), eps]))
                sample = functional.cross_entropy(head[k] @ g, y)
                loss = loss + sample / DEFAULTS["generator_samples"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        for name, value in zip(("w1", "b1", "w2", "b2"), net.parameters(), strict=True):
            torch.testing.assert_close(state[f"generator/{name}"][k], value.detach())
