"""The same learning a second time: ordinary modules, a loop over devices, torch.optim.SGD."""

from dataclasses import fields

import torch
from torch import nn
from torch.nn import functional

from learning.data.setup import DataSetup
from learning.exchange_setup import ExchangeSetup
from learning.setup import LearningSetup

DEFAULTS = {
    "dataset": "made",
    "data_path": None,
    "method": "dmml_kd",
    "num_devices": 4,
    "partition": "iid",
    "dirichlet_alpha": 0.5,
    "modality_pattern": "all",
    "mixing": "metropolis",
    "payload_codec": "float32",
    "top_k_share": 0.1,
    "batch_size": 8,
    "learning_rate": 0.1,
    "clip_norm": 2.0,
    "feature_dim": 8,
    "unimodal_weight": 1.0,
    "orthogonality_weight": 0.1,
    "distillation_weight": 1.0,
    "alignment_weight": 0.1,
    "logit_adjustment": True,
    "generator_samples": 8,
    "generator_decay": 0.9,
    "warmup_rounds": 1,
    "ramp_rounds": 1,
    "seed": 7,
}


def make_setup(**changes):
    given = DEFAULTS | changes
    data, exchange = (
        kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        for kind in (DataSetup, ExchangeSetup)
    )
    return LearningSetup(data=data, exchange=exchange, **given)


class Encoder(nn.Module):
    """f_m and W_m of one device."""

    def __init__(self, channels, length, feature_dim, num_classes):
        super().__init__()
        self.conv1 = nn.Conv1d(channels, 8, 5, padding=2)
        self.conv2 = nn.Conv1d(8, 16, 5, padding=2)
        self.linear = nn.Linear(length, 2 * feature_dim)  # 16 channels, length / 16 left
        self.specific = nn.Linear(feature_dim, num_classes, bias=False)

    def forward(self, x):
        h = functional.max_pool1d(self.conv1(x).relu(), 4)
        h = functional.max_pool1d(self.conv2(h).relu(), 4)
        return self.linear(h.flatten(1)).relu().chunk(2, dim=1)


class Device(nn.Module):
    """One device's whole model."""

    def __init__(self, stack, device, shapes):
        super().__init__()
        num_classes, feature_dim = stack["head/common_weight"].shape[1:]
        self.encoders = nn.ModuleDict(
            {m: Encoder(c, length, feature_dim, num_classes) for m, (c, length) in shapes.items()}
        )
        self.common = nn.Linear(feature_dim, num_classes)
        with torch.no_grad():
            for name, parameter in self.named_stack():
                parameter.copy_(stack[name][device])

    def named_stack(self):
        yield "head/common_weight", self.common.weight
        yield "head/bias", self.common.bias
        for m, encoder in self.encoders.items():
            yield f"encoder_{m}/specific_weight", encoder.specific.weight
            for layer in ("conv1", "conv2", "linear"):
                yield f"encoder_{m}/{layer}_weight", getattr(encoder, layer).weight
                yield f"encoder_{m}/{layer}_bias", getattr(encoder, layer).bias

    def forward(self, inputs):
        """Common, specific and logits by modality, and the fused logits."""
        features = {m: self.encoders[m](x) for m, x in inputs.items()}
        alone = {
            m: c @ self.common.weight.T + self.encoders[m].specific(s)
            for m, (c, s) in features.items()
        }
        fused = sum(alone.values()) / len(alone) + self.common.bias
        return features, {m: v + self.common.bias for m, v in alone.items()}, fused


def train_device(device, batches, tau, loss_of, clip_norm):
    """Train one device: batches[step] is (inputs, label), tau maps modality to iterations."""
    optimizer = torch.optim.SGD(device.parameters(), lr=DEFAULTS["learning_rate"])
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
