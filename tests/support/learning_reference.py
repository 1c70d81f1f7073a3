"""The same learning a second time: ordinary modules, a loop over devices, torch.optim.SGD."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from learning.data.batches import draw_batch, draw_noise
from learning.device import computing_on, data_on, round_on, stack_on
from learning.messages import Delivery
from learning.method import Round
from learning.model.stack import init_parameters
from learning.settings import LearningSetup
from learning.training.local_training import train_locally

DEFAULTS = {
    "dataset": "made",
    "data_path": None,
    "device": "cpu",
    "evaluate_on": "test",
    "fold": None,
    "normalisation": "fixed",
    "method": "dmml_kd",
    "num_devices": 4,
    "partition": "iid",
    "dirichlet_alpha": 0.5,
    "modality_pattern": "all",
    "mixing": "metropolis",
    "payload_codec": "float32",
    "top_k_share": 0.1,
    "late_weight": 0.0,
    "batch_size": 8,
    "learning_rate": 0.1,
    "clip_norm": 2.0,
    "feature_dim": 8,
    "generator": "statistics",
    "unimodal_weight": 1.0,
    "decorrelation_weight": 0.1,
    "distillation_weight": 1.0,
    "alignment_weight": 0.1,
    "logit_adjustment": True,
    "generator_samples": 8,
    "generator_decay": 0.9,
    "warmup_rounds": 1,
    "ramp_rounds": 1,
    "seed": 7,
}
CONVOLUTIONS = {2: (nn.Conv1d, functional.max_pool1d, 4), 3: (nn.Conv2d, functional.max_pool2d, 2)}


def make_setup(**changes):
    return LearningSetup(**DEFAULTS | changes)


def everything_arrives(learner):
    """A full mesh without loss, with the degrees that devices then advertise."""
    has = learner.payload().part_bytes > 0
    arrived = has[:, None, :] & has[None, :, :] & ~np.eye(len(has), dtype=bool)[..., None]
    return Delivery(arrived, arrived.sum(1))


class Encoder(nn.Module):
    """f_m and W_m of one device: 1-D signals, images or vectors."""

    def __init__(self, shape, common_dim, specific_dim, num_classes):
        super().__init__()
        self.dims = [common_dim, specific_dim]
        self.shape, out = shape, common_dim + specific_dim
        if len(shape) == 1:
            self.hidden = nn.Linear(shape[0], 64)
            self.linear = nn.Linear(64, out)
        else:
            convolution = CONVOLUTIONS[len(shape)][0]
            self.conv1 = convolution(shape[0], 8, 5, padding=2)
            self.conv2 = convolution(8, 16, 5, padding=2)
            self.linear = nn.Linear(self.pooled(torch.zeros(1, *shape)).numel(), out)
        if specific_dim:
            self.specific = nn.Linear(specific_dim, num_classes, bias=False)

    def pooled(self, x):
        _, pool, second = CONVOLUTIONS[len(self.shape)]
        return pool(self.conv2(pool(self.conv1(x).relu(), 4)).relu(), second).flatten(1)

    def forward(self, x):
        h = self.hidden(x).relu() if len(self.shape) == 1 else self.pooled(x)
        return self.linear(h).relu().split(self.dims, dim=1)

    def evidence(self, common, specific, common_weight):
        alone = common @ common_weight.T
        return alone + self.specific(specific) if self.dims[1] else alone


class Device(nn.Module):
    """One device's whole model."""

    def __init__(self, stack, device, shapes):
        super().__init__()
        num_classes, common_dim = stack["head/common_weight"].shape[1:]
        specific = stack.get(f"encoder_{next(iter(shapes))}/specific_weight", torch.zeros(1, 0, 0))
        self.encoders = nn.ModuleDict(
            {
                m: Encoder(shape, common_dim, specific.shape[2], num_classes)
                for m, shape in shapes.items()
            }
        )
        self.common = nn.Linear(common_dim, num_classes)
        with torch.no_grad():
            for name, parameter in self.named_stack():
                parameter.copy_(stack[name][device])

    def named_stack(self, modalities=None):
        """Parameters by their names in the stack; of the head and these modalities (all)."""
        yield "head/common_weight", self.common.weight
        yield "head/bias", self.common.bias
        for m in self.encoders if modalities is None else modalities:
            for layer, module in self.encoders[m].named_children():
                yield f"encoder_{m}/{layer}_weight", module.weight
                if module.bias is not None:
                    yield f"encoder_{m}/{layer}_bias", module.bias

    def forward(self, inputs):
        """Features (common, specific) and logits by modality, and the fused logits."""
        features = {m: self.encoders[m](x) for m, x in inputs.items()}
        evidence = {
            m: self.encoders[m].evidence(c, s, self.common.weight) for m, (c, s) in features.items()
        }
        fused = sum(evidence.values()) / len(evidence) + self.common.bias
        return features, {m: v + self.common.bias for m, v in evidence.items()}, fused


def train_device(device, batches, tau, loss_of, clip_norm, learning_rate=DEFAULTS["learning_rate"]):
    """Train one device: batches[step] is (inputs, label), tau maps modality to iterations."""
    optimizer = torch.optim.SGD(device.parameters(), lr=learning_rate)
    losses = []
    for step in range(1, max(tau.values()) + 1):
        inputs, label = batches(step)
        used = {m: x for m, x in inputs.items() if tau[m] >= step}
        loss = loss_of(device, device(used), label, step)
        optimizer.zero_grad()  # to none: an unused encoder takes no step
        loss.backward()
        torch.nn.utils.clip_grad_norm_(device.parameters(), clip_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses


def plain_loss(_device, outputs, label, _step):
    """CE(fused) of one device."""
    return functional.cross_entropy(outputs[2], label)


def distilled(device, mean, std, known, q, noise):
    """CE(W_c g + b, y~) of one device on ReLU(mu + sigma eps), y~ ~ q over known classes."""
    q = q * known
    edges = (q.cumsum(0) / q.sum()).tolist()
    y = torch.tensor([next(c for c, e in enumerate(edges) if u < e) for u in noise[0].tolist()])
    return functional.cross_entropy(device.common((mean[y] + std[y] * noise[1]).relu()), y)


def generator_module(state, device):
    """The network generator of one device as an ordinary module of (one-hot y, eps)."""
    w1, b1, w2, b2 = (state[f"generator/{name}"][device] for name in ("w1", "b1", "w2", "b2"))
    net = nn.Sequential(nn.Linear(w1.shape[1], 64), nn.ReLU(), nn.Linear(64, len(b2)), nn.ReLU())
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), (w1, b1, w2, b2), strict=True):
            parameter.copy_(value)
    return net


def different_parameters(model, num_devices):
    """A stack whose devices differ, so that a mix-up of rows shows."""
    source = torch.Generator().manual_seed(5)
    return {
        k: v + 0.02 * torch.randn(v.shape, generator=source)
        for k, v in init_parameters(model, num_devices).items()
    }


def random_sums(part, num_devices, num_classes, dim, known, seed=2):
    """Statistics of a part by name, and the mean and deviation (n, C, d) that they stand for."""
    source = torch.Generator().manual_seed(seed)
    mean, std = (torch.rand(num_devices, num_classes, dim, generator=source) for _ in range(2))
    count = known * (1 + 9 * torch.rand(num_devices, num_classes, generator=source))
    mass = count[..., None]
    state = {
        f"{part}/count": count,
        f"{part}/first": mass * mean,
        f"{part}/second": mass * (mean.square() + std.square()),
    }
    return state, mean, std


def make_round(method, setup, model, state, class_prior, index=9, **options):
    """A round past the warm-up."""
    size = (setup.num_devices, setup.generator_samples, model.common_dim, model.specific_dim)
    return Round(
        setup=setup,
        model=model,
        index=index,
        state=state,
        class_prior=class_prior,
        noise=lambda step: draw_noise(size, setup.seed, index, step),
        options={**method.options, **options},
    )


def check_against_a_loop_over_devices(model, shapes, data, tau, begin, round_, loss_of, clip_norm):
    """Train with the rules begin(round_), and each device by itself with loss_of(k)."""
    n, index, where = len(tau), 0, DEFAULTS["device"]
    stack = different_parameters(model, n)
    twins = [Device(stack, k, shapes) for k in range(n)]

    def rows(step, data=data):
        return draw_batch(data, DEFAULTS["batch_size"], DEFAULTS["seed"], index, step)

    with computing_on(where):
        there, its_data = stack_on(where, stack), data_on(where, data)
        result = train_locally(
            model,
            there,
            its_data,
            torch.from_numpy(tau),
            lambda step: rows(step, its_data),
            begin(round_ and round_on(where, round_)),
            learning_rate=DEFAULTS["learning_rate"],
            clip_norm=clip_norm,
        )
    stack = stack_on("cpu", there)
    result = result.cpu()
    for k, twin in enumerate(twins):

        def batch(step, k=k):
            mine = rows(step)[k]
            return {m: x[mine] for m, x in data.inputs.items()}, data.label[mine]

        if tau[k].any():
            schedule = dict(zip(shapes, tau[k].tolist(), strict=True))
            losses = train_device(twin, batch, schedule, loss_of(k), clip_norm)
            np.testing.assert_allclose(result.loss[k, : len(losses)], losses, rtol=1e-4)
            assert result.loss[k, len(losses) :].isnan().all()
        else:
            assert result.loss[k].isnan().all()
        for name, value in twin.named_stack():
            torch.testing.assert_close(stack[name][k], value.detach(), atol=1e-5, rtol=1e-4)
    return result
