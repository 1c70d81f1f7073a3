"""The learning side of a run: all devices' models, trained, mixed and evaluated round by round."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learning import generator
from learning.balance import INITIAL_SPEED, parameter_variation, update_speed
from learning.baselines import fused_loss, strong_loss
from learning.data.batches import draw_batch, draw_noise, gather_device_data
from learning.data.dataset import MultiModalData
from learning.data.partition import modality_mask, partition_recordings
from learning.delivery import Delivery, PartialMessage, Payload
from learning.dmml_kd import Knowledge, LossWeights, dmml_kd_loss, warmup
from learning.errors import LearningError
from learning.evaluate import Evaluation, evaluate_stack
from learning.gossip import Gossip
from learning.local_training import LocalResult, Objective, train_locally
from learning.losses import log_prior
from learning.models import Forward, ModelShape, encoder_part, init_parameters, part_of
from learning.push import LINKS, Push
from learning.setup import LearningSetup
from learning.work_cost import WorkCost, work_cost

__all__ = [
    "Delivery",
    "Evaluation",
    "Learner",
    "PartialMessage",
    "Payload",
    "TrainResult",
    "WorkCost",
]


@dataclass(frozen=True)
class TrainResult:
    """What a round of local training did.

    loss (n,): mean over a device's steps, NaN where it did not train; iterations (n, m): done;
    parameter_variation (n, m): relative change of the encoder per iteration, NaN where tau = 0;
    flop (n,): done, equal to what WorkCost says for these iterations.
    """

    loss: NDArray[np.float64]
    iterations: NDArray[np.int64]
    parameter_variation: NDArray[np.float64]
    flop: NDArray[np.float64]


class Learner:
    """Owns the models of n devices; every result is decided by the setup, data and arguments.

    modality_names: m names; available (n, m) bool; samples_per_device (n,): training windows;
    class_counts (n, C): those windows by class.
    Raises LearningError when the data cannot be dealt to the devices.
    """

    def __init__(self, setup: LearningSetup, data: MultiModalData) -> None:
        self._setup = setup
        n = setup.num_devices
        self.modality_names = tuple(data.modalities)
        self.available = modality_mask(setup.data, len(self.modality_names))
        self._data = gather_device_data(data, partition_recordings(data, setup.data), n)
        self.samples_per_device = self._data.count
        self.class_counts = self._data.class_counts
        self._shape = ModelShape(
            {m: (x.shape[1], x.shape[2]) for m, x in data.modalities.items()},
            data.num_classes,
            setup.feature_dim,
        )
        test = ~data.is_train
        self._test_inputs = {m: torch.from_numpy(x[test]) for m, x in data.modalities.items()}
        self._test_label = torch.from_numpy(data.label[test])
        counts = torch.from_numpy(self.class_counts).float()
        self._class_prior = counts / counts.sum(1, keepdim=True)

        self._parameters = init_parameters(self._shape, n, setup.seed)
        self._has_generator = setup.method == "dmml_kd"
        if self._has_generator:
            self._parameters |= generator.empty_sums(n, data.num_classes, setup.feature_dim)
        self._exchange: Gossip | Push = Gossip(setup.exchange, self._parameters)
        if setup.exchange.mixing == "push_sum":
            self._exchange = Push(self._parameters)
        self._speed = torch.full(self.available.shape, INITIAL_SPEED)
        self._speed_measured = torch.zeros(self.available.shape, dtype=torch.bool)

    def work_cost(self) -> WorkCost:
        """FLOP per iteration, step and round, by layer formulas."""
        return work_cost(self._setup, self._shape, self.available)

    def payload(self) -> Payload:
        """Name the parts that devices send, and the length of each serialised buffer [bytes]."""
        if self._setup.method == "local":
            return Payload((), np.zeros((self._setup.num_devices, 0), dtype=np.int64))
        parts = (*(encoder_part(m) for m in self.modality_names), "head")
        parts += (generator.GENERATOR_PART,) if self._has_generator else ()
        # All devices build the same model, so one device's buffer has every device's length.
        length = np.array([len(self.message(0, part, 0, 0)) for part in parts], dtype=np.int64)
        return Payload(parts, self._has_part(parts) * length)

    def message(self, device: int, part: str, round_index: int, advertised_degree: int) -> bytes:
        """Serialise one part of one device as it would be sent now, in the format of payload.py."""
        return self._exchange.message(
            self._parameters, device, part, round_index, advertised_degree
        )

    def train(
        self, round_index: int, iterations: NDArray[np.int64], active: NDArray[np.bool_]
    ) -> TrainResult:
        """Train the active devices: iterations (n, m) int, active (n,) bool; others are frozen.

        Raises LearningError for wrong shapes, iterations of a modality that a device lacks, or a
        loss that is NaN or inf.
        """
        setup = self._setup
        _check_shape("iterations", iterations, self.available.shape)
        _check_shape("active", active, self.available.shape[:1])
        done = np.where(active[:, None], iterations, 0).astype(np.int64)
        if (done < 0).any() or (done[~self.available] != 0).any():
            raise LearningError(
                f"iterations of round {round_index}",
                ">= 0, and 0 where a device lacks the modality",
                f"{done.min()} to {done[~self.available].max(initial=0)} there",
                "mask the plan with Learner.available",
            )
        before = {m: self._part(encoder_part(m)) for m in self.modality_names}
        fresh = generator.empty_sums(setup.num_devices, self._shape.num_classes, setup.feature_dim)

        def observe(passed: Forward, label: Tensor) -> None:
            for m, rows in passed.rows.items():
                generator.add_features(
                    fresh, passed.devices[rows], passed.common[m].detach(), label[rows]
                )

        tau = torch.from_numpy(done)
        result = train_locally(
            self._parameters,
            self._data,
            tau,
            lambda step: draw_batch(self._data, setup.batch_size, setup.seed, round_index, step),
            self._objective(round_index),
            observe=observe if self._has_generator else None,
            learning_rate=setup.learning_rate,
            clip_norm=setup.clip_norm,
        )
        _check_finite(result, tau, round_index)
        if self._has_generator:
            sums = self._part(generator.GENERATOR_PART)
            trained = tau.any(1)
            self._parameters |= generator.renew(sums, fresh, trained, setup.generator_decay)

        variation = torch.stack(
            [
                parameter_variation(before[m], self._part(encoder_part(m)), tau[:, column])
                for column, m in enumerate(self.modality_names)
            ],
            dim=1,
        )
        self._speed, self._speed_measured = update_speed(
            self._speed, self._speed_measured, variation
        )
        return TrainResult(
            loss=_mean_loss(result.loss),
            iterations=done,
            parameter_variation=variation.numpy().astype(np.float64),
            flop=self.work_cost().of(done),
        )

    def speed(self) -> NDArray[np.float64]:
        """u_km (n, m): moving average of the parameter variation, NaN where unavailable."""
        return np.where(self.available, self._speed.numpy().astype(np.float64), np.nan)

    def mix(self, delivery: Delivery, alive: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Mix what arrived into the models of the living: weights (n, n, p) [receiver, sender, p].

        Raises LearningError for wrong shapes, or a part from a device that does not have it.
        """
        payload = self.payload()
        n, p = payload.part_bytes.shape
        _check_shape("arrived", delivery.arrived, (n, n, p))
        _check_shape("advertised_degree", delivery.advertised_degree, (n, p))
        if delivery.offered is not None:
            _check_shape("offered", delivery.offered, (n, n, p))
        _check_shape("alive", alive, (n,))
        has_part = payload.part_bytes > 0
        ghosts = np.argwhere(delivery.arrived & ~has_part[:, None, :])
        if len(ghosts) > 0:
            sender, _, part = ghosts[0]
            raise LearningError(
                f"delivery from device {sender}",
                "parts that it has",
                payload.parts[part],
                "send only parts with part_bytes > 0",
            )
        self._parameters, weight = self._exchange.mix(
            self._parameters, payload.parts, has_part, delivery, alive
        )
        return weight

    def evaluate(self) -> Evaluation:
        """Accuracy and macro F1 of every device on the held-out people."""
        return evaluate_stack(
            self._parameters,
            self._test_inputs,
            self._test_label,
            self.available,
            self._shape.num_classes,
        )

    def state(self) -> dict[str, Tensor]:
        """Everything that the next round depends on, as copies."""
        state = {name: value.clone() for name, value in self._parameters.items()}
        state["speed/value"] = self._speed.clone()
        state["speed/measured"] = self._speed_measured.clone()
        return state | self._exchange.state()

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a state: what follows is bit by bit what would have followed there.

        Raises LearningError for a state of another setup.
        """
        expected, got = (
            {name: (v.shape[name.startswith(LINKS) :], v.dtype) for name, v in each.items()}
            for each in (self.state(), state)
        )
        if got != expected:
            odd = next(n for n in (*expected, *got) if expected.get(n) != got.get(n))
            remedy = "load a checkpoint of the same setup"
            raise LearningError(f"state {odd}", str(expected.get(odd)), str(got.get(odd)), remedy)
        self._parameters = {name: state[name].clone() for name in self._parameters}
        self._speed = state["speed/value"].clone()
        self._speed_measured = state["speed/measured"].clone()
        self._exchange.load(state)

    def undo(self, state: dict[str, Tensor], devices: NDArray[np.bool_]) -> None:
        """Put back an earlier state for some devices (n,): what they trained since is lost."""
        lost = torch.from_numpy(devices)

        def back(now: Tensor, then: Tensor) -> Tensor:
            return torch.where(lost.view(-1, *[1] * (now.dim() - 1)), then, now)

        self._parameters = {n: back(v, state[n]) for n, v in self._parameters.items()}
        self._speed = back(self._speed, state["speed/value"])
        self._speed_measured = back(self._speed_measured, state["speed/measured"])

    def parameters_digest(self) -> str:
        """SHA-256 of all parameters and generator sums of all devices, little endian, by name."""
        digest = hashlib.sha256()
        for name in sorted(self._parameters):
            digest.update(name.encode("ascii"))
            digest.update(self._parameters[name].numpy().astype("<f4").tobytes())
        return digest.hexdigest()

    def _part(self, part: str) -> dict[str, Tensor]:
        return {n: v.clone() for n, v in self._parameters.items() if part_of(n) == part}

    def _has_part(self, parts: tuple[str, ...]) -> NDArray[np.bool_]:
        has = np.ones((self._setup.num_devices, len(parts)), dtype=np.bool_)
        for column, m in enumerate(self.modality_names):
            has[:, parts.index(encoder_part(m))] = self.available[:, column]
        return has

    def _objective(self, round_index: int) -> Objective:
        """Choose the method's loss; what it knows about the round is computed here, once."""
        setup = self._setup
        if setup.method in ("local", "dmml"):
            return lambda passed, label, step: fused_loss(passed, label)
        adjustment = log_prior(self._class_prior) if setup.logit_adjustment else None
        if setup.method == "dmml_strong":
            return lambda passed, label, step: strong_loss(
                passed, label, adjustment, setup.unimodal_weight
            )
        ramp = warmup(round_index, setup.warmup_rounds, setup.ramp_rounds)
        weights = LossWeights(
            unimodal=setup.unimodal_weight,
            orthogonality=setup.orthogonality_weight,
            distillation=ramp * setup.distillation_weight,
            alignment=ramp * setup.alignment_weight,
        )
        knowledge = Knowledge(
            log_prior=adjustment,
            classes=generator.gaussians(self._parameters),
            distillation=generator.what_to_distil(self._class_prior, setup.logit_adjustment),
        )
        return lambda passed, label, step: dmml_kd_loss(
            passed,
            label,
            knowledge,
            draw_noise(
                (setup.num_devices, setup.generator_samples, setup.feature_dim),
                setup.seed,
                round_index,
                step,
            ),
            weights,
        )


def _mean_loss(loss: Tensor) -> NDArray[np.float64]:
    """Mean over the steps that a device took: (n, steps) with NaN -> (n,)."""
    steps = (~loss.isnan()).sum(1)
    mean: NDArray[np.float64] = (loss.nansum(1) / steps).numpy().astype(np.float64)
    return mean


def _check_finite(result: LocalResult, iterations: Tensor, round_index: int) -> None:
    # An idle step is NaN by definition, so the schedule says which steps were taken.
    took = torch.arange(result.loss.shape[1]) < iterations.max(1).values[:, None]
    broken = took & ~(result.loss.isfinite() & result.gradient_norm.isfinite())
    if bool(broken.any()):
        device, step = (int(i) for i in broken.nonzero()[0])
        raise LearningError(
            f"loss of device {device} in round {round_index}, step {step + 1}",
            "a finite loss and gradient",
            f"{float(result.loss[device, step])}, {float(result.gradient_norm[device, step])}",
            "lower learning_rate or clip_norm",
        )


def _check_shape(name: str, array: NDArray[np.generic], expected: tuple[int, ...]) -> None:
    if array.shape != expected:
        raise LearningError(name, f"shape {expected}", str(array.shape), "match the devices")
