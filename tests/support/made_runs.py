"""Whole runs over the ideal network, some of whose devices die: made once, looked at by many."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cosim.config.assemble import learning_setup
from cosim.config.model import RunConfig
from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from cosim.loop import RoundRecord, run_rounds
from cosim.planning.compute import PROFILES
from learning.data.catalogue import load as load_data
from learning.learner import Learner
from learning.messages import Delivery
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.ideal import IdealNetwork
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic

DEVICES = 4
PI = PROFILES["raspberry_pi_4"]


def make_config(*flags: str) -> RunConfig:
    small = ("--learning.rounds=3", "--learning.batch_size=8", "--learning.feature_dim=8")
    fixed = (f"--network.num_devices={DEVICES}", "--network.kind=ideal", "--learning.dataset=made")
    plans = ("--iteration.max_iterations=3", "--energy.reserve_j=0")
    return load([*fixed, *small, *plans, *flags], None, None)


class WatchedLearner(Learner):
    """A learner that keeps the weights of each round, and its state behind it."""

    def mix(self, delivery: Delivery, alive: np.ndarray) -> np.ndarray:
        weight = super().mix(delivery, alive)
        self.weights = [*getattr(self, "weights", []), weight]
        self.states = [*getattr(self, "states", []), self.state()]
        return weight


class ThirstyNetwork(IdealNetwork):
    """The ideal network, but one device's computing draws far more than its profile says."""

    def __init__(self, scenario: NetworkScenario, device: int, factor: float) -> None:
        super().__init__(scenario)
        self._factor = np.where(np.arange(scenario.num_devices) == device, factor, 1.0)

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        return super().run_round(replace(traffic, compute_j=traffic.compute_j * self._factor))


class LateDeathNetwork(IdealNetwork):
    """The ideal network, but device 0 dies at the end of the first round, with its mail read."""

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        report = super().run_round(traffic)
        died_at_s = report.energy.died_at_s.copy()
        died_at_s[0] = traffic.period_s
        return replace(report, energy=replace(report.energy, died_at_s=died_at_s))


class RevivingNetwork(IdealNetwork):
    """The ideal network, but device 0 dies in the first round's computing and comes back in it.

    Its last death comes after that time: it comes back twice.
    """

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        report = super().run_round(traffic)
        first = np.arange(len(traffic.compute_s)) == 0
        changes = {
            "died_at_s": np.where(first, 0.8 * traffic.period_s, np.nan),
            "revived_at_s": np.where(first, 0.9 * traffic.period_s, np.nan),
        }
        if traffic.round_index == 0:
            changes["compute_j"] = report.energy.compute_j * np.where(first, 0.5, 1.0)
        return replace(report, energy=replace(report.energy, **changes))


@dataclass
class Run:
    config: RunConfig
    learner: WatchedLearner
    records: list[RoundRecord]

    @property
    def weights(self) -> list[np.ndarray]:
        return self.learner.weights

    @property
    def states(self) -> list[dict[str, Tensor]]:
        return self.learner.states


def go(
    *flags: str, thirsty: int | None = None, network_type: type[IdealNetwork] = IdealNetwork
) -> Run:
    torch.set_num_threads(1)
    config = make_config(*flags)
    scenario = make_scenario(config)
    setup = learning_setup(config)
    learner = WatchedLearner(setup, load_data(setup))
    network = network_type(scenario)
    if thirsty is not None:
        network = ThirstyNetwork(scenario, thirsty, 40.0)
    return Run(config, learner, list(run_rounds(config, scenario, learner, network)))


# Three iterations of both modalities take 0.022 J: 0.03 J for three rounds is tight.
FLAGS: dict[str, tuple[str, ...]] = {
    "rich": (),
    "tight": ("--energy.battery_j=0.03", "--learning.modality_pattern=thirds"),
    "harvest": ("--energy.battery_j=0.03", "--energy.harvest_power_w=0.02"),
    "death": ("--energy.battery_j=1.2", "--learning.rounds=4"),
    "local": ("--learning.method=local",),
    "int8": ("--learning.payload_codec=int8",),
    "push_sum": ("--learning.mixing=push_sum",),
}
THIRSTY = 2
