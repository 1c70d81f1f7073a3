"""The learning side of a run: all devices' models, trained, mixed and evaluated round by round."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learning.data.batches import (
    DeviceData,
    GeneratorNoise,
    draw_batch,
    draw_noise,
    gather_device_data,
)
from learning.data.catalogue import MultiModalData
from learning.data.dealing.holders import usable_modalities
from learning.data.normalise import own_sums, scale_of_sums, scale_part
from learning.data.samples import SPLIT_NAMES
from learning.device import check_device, computing_on, data_on, name_of, round_on, stack_on
from learning.errors import LearningError
from learning.exchange.catalogue import EXCHANGES
from learning.exchange.push_sum import LINKS
from learning.messages import Delivery, Payload, TrainResult, check_delivery, check_shape
from learning.method import MixedRound, Round, Rules, keep_where, specific_dim
from learning.methods.catalogue import find_method, resolve_options
from learning.model.encoders import Stack
from learning.model.evaluate import Evaluation, evaluate_stack, no_evaluation
from learning.model.stack import (
    check_like,
    digest_of,
    encoder_part,
    init_parameters,
    make_model,
    part_of,
)
from learning.parts import parts_owned
from learning.settings import LearningSetup
from learning.topology import TOPOLOGIES
from learning.training.groups import train_in_groups
from learning.training.local_training import LocalResult, check_finite, mean_loss, train_locally
from learning.training.pace import Pace, unmeasured, variations
from learning.training.work_cost import WorkCost, work_cost


class Learner:
    """Owns the models of n devices; every result is decided by the setup, data and arguments.

    modality_names: m names; available (n, m) bool; samples_per_device (n,): training windows;
    class_counts (n, C): those windows by class; holder (N,): who has a sample, -1 for nobody;
    part_bytes: codec -> (n, p), by each codec by which a device may send in any round.
    Raises LearningError when the data cannot be dealt to the devices.
    """

    def __init__(self, setup: LearningSetup, data: MultiModalData) -> None:
        check_device(setup.device)
        self._setup, n = setup, setup.num_devices
        self._method = find_method(setup.method)
        self._options = resolve_options(setup.method, self._method, setup.method_options)
        self.modality_names = tuple(data.modalities)
        self._topology = TOPOLOGIES[self._method.topology]
        self._topology.check(setup)
        self.available = usable_modalities(
            setup, self._topology, self._method.uses_one_modality, self.modality_names
        )
        self.holder = self._topology.owners(data, setup)
        self._data = gather_device_data(data, self.holder, n, setup.normalisation)
        self._gossips_scale = setup.normalisation == "gossip"
        self.samples_per_device = self._data.count
        self.class_counts = self._data.class_counts
        num_specific = specific_dim(setup, self._method)
        self._model = make_model(
            {m: x.shape[1:] for m, x in data.modalities.items()},
            data.num_classes,
            2 * setup.feature_dim - num_specific,
            num_specific,
            setup.seed,
            None if setup.model == "default" else setup.model,
            self._batch_size,
        )
        test = data.split == SPLIT_NAMES[setup.evaluate_on]
        test_inputs = {m: torch.from_numpy(x[test]) for m, x in data.modalities.items()}
        self._test_inputs = stack_on(setup.device, test_inputs)
        self._test_label = torch.from_numpy(data.label[test]).to(setup.device)
        counts = torch.from_numpy(self.class_counts).float()
        self._class_prior = counts / counts.sum(1, keepdim=True).clamp(min=1)

        # Everything that the next round depends on, by name, (n, ...).
        self._state = init_parameters(self._model, n) | self._method.extra_state(setup, self._model)
        if self._gossips_scale:
            for m, scale in self._data.scale.items():
                self._state |= own_sums(m, scale, self._data.count)
        self._data = data_on(setup.device, self._data)
        travelling = {
            name: value for name, value in self._state.items() if part_of(name) in self._parts
        }
        weigh = partial(self._topology.weigh, self.samples_per_device)
        self._exchange = EXCHANGES[setup.mixing](setup, travelling, weigh)
        self.part_bytes = {codec: self._measure(codec) for codec in setup.codecs}
        may_split = setup.device == "cpu" and self._method.in_threads
        may_split &= all(each.in_threads for each in self._model.encoders.values())
        self._workers = setup.workers or 1 if may_split else 1
        self._pace = unmeasured(self.available.shape)
        self._round: tuple[Round, dict[str, Tensor], Tensor] | None = None

    def warnings(self) -> list[str]:
        """Say what will run, but perhaps not as the user thinks."""
        gpu = name_of(self._setup.device)
        own = f"learning.device: {gpu} has bits of its own; other GPUs and processors give others"
        return [own] * bool(gpu) + [
            f"learning.model: the encoder of {m} has a layer that torch cannot run for all devices"
            " at once, so they train one by one, which takes longer"
            for m, encoder in self._model.encoders.items()
            if encoder.one_by_one
        ]

    def work_cost(self) -> WorkCost:
        """FLOP per iteration, step and round, by layer formulas."""
        extra = self._method.flop(self._setup, self._model)
        return work_cost(self._model, extra, self._batch_size, self.available)

    def roles(self, round_index: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Say who trains and who sends in a round, (n,) each."""
        return self._topology.roles(self._setup, self._client_share, round_index)

    def trainings_left(self, round_index: int, rounds: int) -> float:
        """Expect how often a device trains from a round on, of `rounds` in all; >= 1."""
        n = self._setup.num_devices
        return self._topology.trainings_left(n, round_index, rounds, self._client_share)

    def payload(self, codecs: tuple[str, ...] | None = None, round_index: int = 0) -> Payload:
        """Name the parts that devices send, and the length of each serialised buffer [bytes].

        codecs (n): by which each sends; none: by the configured one. Lengths are the same in every
        round: a codec that chooses takes as many elements each time.
        """
        by = codecs or (self._setup.payload_codec,) * self._setup.num_devices
        length = np.stack([self.part_bytes[codec][k] for k, codec in enumerate(by)])
        return Payload(self._parts, length, by)

    def message(
        self,
        device: int,
        part: str,
        round_index: int,
        advertised_degree: int,
        codec: str | None = None,
    ) -> bytes:
        """Serialise one part of one device as it would be sent now, in the format of message.py.

        codec: one of part_bytes; none: the configured one.
        """
        by = codec or self._setup.payload_codec
        return self._exchange.message(self._state, device, part, round_index, advertised_degree, by)

    def train(
        self, round_index: int, iterations: NDArray[np.int64], active: NDArray[np.bool_]
    ) -> TrainResult:
        """Train the active devices: iterations (n, m) int, active (n,) bool; others are frozen.

        Raises LearningError for wrong shapes, iterations of a modality that a device lacks, or a
        loss that is NaN or inf.
        """
        check_shape("iterations", iterations, self.available.shape)
        check_shape("active", active, self.available.shape[:1])
        done = np.where(active[:, None], iterations, 0).astype(np.int64)
        if (done < 0).any() or (done[~self.available] != 0).any():
            raise LearningError(
                f"iterations of round {round_index + 1}",
                ">= 0, and 0 where a device lacks the modality",
                f"{done.min()} to {done[~self.available].max(initial=0)} there",
                "mask the plan with Learner.available",
            )
        begun, tau = self._begin(round_index), torch.from_numpy(done)
        where = self._setup.device
        with computing_on(where):
            there, state = round_on(where, begun), stack_on(where, self._state)
            rules = self._method.begin(there)
            result = self._train_locally(round_index, tau, rules, state)
            if rules.finish is not None:
                state |= rules.finish(tau.any(1).to(where))
            moved = variations(self.modality_names, there.state, state, tau.to(where)).cpu()
        self._state = stack_on("cpu", state)
        self._round = (begun, self._copy(), tau.max(1).values)
        self._pace = self._pace.update(moved, tau, result.contribution)
        return TrainResult(
            loss=mean_loss(result),
            iterations=done,
            parameter_variation=moved.numpy().astype(np.float64),
            contribution=result.contribution.numpy().astype(np.float64),
            flop=self.work_cost().of(done),
        )

    def speed(self, metric: str = "step") -> NDArray[np.float64]:
        """u_km (n, m) by a metric of balance.Pace.speed, NaN where unavailable."""
        speed = self._pace.speed(metric).numpy().astype(np.float64)
        return np.where(self.available, speed, np.nan)

    def contribution(self) -> NDArray[np.float64]:
        """Return what each modality takes off the loss (n, m), a moving average, 0 before any."""
        return self._pace.contribution.numpy().astype(np.float64)

    def mix(self, delivery: Delivery, alive: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Mix what arrived into the models of the living: weights (n, n, p) [receiver, sender, p].

        Raises LearningError for wrong shapes, or a part from a device that does not have it.
        """
        payload = self.payload()
        check_delivery(delivery, payload, alive)
        self._state, weight = self._exchange.mix(
            self._state, payload.parts, payload.part_bytes > 0, delivery, alive
        )
        self._after_mixing(torch.from_numpy(alive))
        return weight

    def _after_mixing(self, alive: Tensor) -> None:
        if self._method.after_mixing is None or self._round is None:
            return
        begun, trained_state, steps = self._round
        mixed = MixedRound(begun.state, trained_state, self._state, alive & (steps > 0), steps)
        self._state = self._state | self._method.after_mixing(begun, mixed)

    def evaluate(self) -> Evaluation:
        """Accuracy and macro F1 of every device on the held-out people."""
        with computing_on(self._setup.device):
            state = stack_on(self._setup.device, self._state)
            return evaluate_stack(
                self._model,
                state,
                self._test_inputs,
                self._test_label,
                self.available,
                self._scaled_data(state).scale,
                self._workers,
            )

    def not_evaluated(self) -> Evaluation:
        """Return what stands in place of an evaluation in rounds without one."""
        return no_evaluation(self.available, self.modality_names)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next round depends on, as copies."""
        return self._copy() | self._pace.named() | self._exchange.state()

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a state: what follows is bit by bit what would have followed there.

        Raises LearningError for a state of another setup.
        """
        check_like(state, self.state(), LINKS)
        self._state = {name: state[name].clone() for name in self._state}
        self._pace = Pace.of(state)
        self._round = None
        self._exchange.load(state)

    def undo(self, state: dict[str, Tensor], devices: NDArray[np.bool_]) -> None:
        """Put back an earlier state for some devices (n,): what they trained since is lost."""
        lost = torch.from_numpy(devices)
        self._state = {n: keep_where(lost, state[n], v) for n, v in self._state.items()}
        pace = self._pace.named()
        self._pace = Pace.of({n: keep_where(lost, state[n], v) for n, v in pace.items()})
        if self._round is not None:
            begun, trained_state, steps = self._round
            self._round = (begun, trained_state, torch.where(lost, 0, steps))

    def parameters_digest(self) -> str:
        """SHA-256 of all parameters and generator sums of all devices, little endian, by name."""
        return digest_of(self._state)

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self._state.items()}

    @property
    def _parts(self) -> tuple[str, ...]:
        """Parts that travel."""
        model = (*(encoder_part(m) for m in self.modality_names), "head")
        model = model if self._method.shares_model else ()
        parts = model + self._method.shared_parts(self._setup, self._model)
        # Who talks to nobody about anything has its own statistics alone.
        scales = self.modality_names if self._gossips_scale and parts else ()
        return parts + tuple(scale_part(m) for m in scales)

    def _begin(self, round_index: int) -> Round:
        """Say what devices know when a round begins."""
        setup, model = self._setup, self._model

        def noise(step: int) -> GeneratorNoise:
            each = setup.generator_samples, model.common_dim, model.specific_dim
            return draw_noise((setup.num_devices, *each), setup.seed, round_index, step)

        return Round(
            setup=setup,
            model=model,
            index=round_index,
            state=self._copy(),
            class_prior=self._class_prior,
            noise=noise,
            options=self._options,
        )

    def _train_locally(
        self, round_index: int, tau: Tensor, rules: Rules, state: Stack
    ) -> LocalResult:
        """Take the steps tau (n, m) of a round; the state is what they come to."""
        setup, data = self._setup, self._scaled_data(state)

        def train(mine: Tensor) -> LocalResult:
            return train_locally(
                self._model,
                state,
                data,
                mine,
                lambda step: draw_batch(data, self._batch_size, setup.seed, round_index, step),
                rules,
                learning_rate=setup.learning_rate,
                clip_norm=setup.clip_norm,
            )

        result = train_in_groups(train, tau, self._workers).cpu()
        check_finite(result, tau, round_index)
        return result

    def _scaled_data(self, state: Stack) -> DeviceData:
        """Return the data with the scaling that devices know by a state."""
        if not self._gossips_scale:
            return self._data
        scale = {m: scale_of_sums(m, state) for m in self.modality_names}
        return replace(self._data, scale=scale)

    @property
    def _client_share(self) -> float:
        return self._options.get("client_share", 1.0)

    @property
    def _batch_size(self) -> int:
        return self._topology.batch_size(self._setup)

    def _measure(self, codec: str) -> NDArray[np.int64]:
        """Return the bytes of all parts of all devices by a codec, (n, p)."""
        parts, has_server = self._parts, self._topology.has_server
        has_part = parts_owned(parts, self.modality_names, self.available, has_server)
        # All devices build the same model, so one device's buffer has every device's length.
        length = [len(self.message(0, part, 0, 0, codec)) for part in parts]
        return np.where(has_part, np.array(length, dtype=np.int64), 0)
