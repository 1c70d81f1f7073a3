"""From the configuration to what runs: the learner with its data, and the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cosim.config.given_traffic import given_traffic
from cosim.config.model import RunConfig
from cosim.cores import threads
from learning.data.catalogue import load
from learning.data.samples import MultiModalData
from learning.learner import Learner
from learning.no_learning import NoLearning
from learning.settings import LearningSettings, LearningSetup
from learning.side import LearningSide
from ns3_scenarios.analytic import AnalyticNetwork
from ns3_scenarios.description.network_kind import NETWORK_KINDS
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.ideal import IdealNetwork
from ns3_scenarios.network import Network
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.segments import SegmentedNetwork, no_round
from ns3_scenarios.surrogate import fitted
from ns3_scenarios.surrogate.network import SurrogateNetwork
from ns3_scenarios.trace import TraceNetwork
from ns3_scenarios.worker import Ns3Network

# Fewer a thread gain nothing: threads wait for each other between short operations.
DEVICES_A_WORKER = 25


def make_learning_side(config: RunConfig) -> tuple[MultiModalData | None, LearningSide]:
    """Return what a run learns from, and who learns; without a method nothing, and who sends."""
    if config.learning.learns:
        return make_learner(config)
    traffic = given_traffic(config)
    return None, NoLearning(traffic.link_bytes, traffic.most_bytes)


def make_learner(config: RunConfig) -> tuple[MultiModalData, Learner]:
    """Load the data and make the learner that the configuration names."""
    setup = learning_setup(config)
    data = load(setup)
    return data, Learner(setup, data)


def check_load(config: RunConfig, scenario: NetworkScenario, learner: LearningSide) -> None:
    """Refuse messages that are longer than those that a fitted network was fitted to."""
    if NETWORK_KINDS[config.network.kind].is_fitted:
        longest = [each.sum(axis=1).max() for each in learner.part_bytes.values()]
        fitted.check_load(scenario, float(max(longest)))


def learning_setup(config: RunConfig) -> LearningSetup:
    """Turn the configuration into the learning side's own."""
    given = config.learning.model_dump(include=set(LearningSettings.model_fields))
    n = config.network.num_devices
    given["workers"] = config.learning.workers or max(1, min(threads(), n // DEVICES_A_WORKER))
    return LearningSetup(**given, num_devices=n, seed=config.seed)


def open_network(
    config: RunConfig,
    scenario: NetworkScenario,
    log_file: Path,
    num_known: int = 0,
    known: Callable[[int], RoundReport] = no_round,
) -> Network:
    """Start the network that the configuration names; it gets ready while the caller goes on.

    log_file: for what the ns-3 child prints. known(round_index): reports of the first num_known
    rounds, for a network in segments (see there).
    """
    makers: dict[str, Callable[[], Network]] = {
        "ns3": lambda: _packets(config, scenario, log_file, num_known, known),
        "analytic": lambda: AnalyticNetwork(scenario),
        "surrogate": lambda: SurrogateNetwork(scenario),
        "trace": lambda: TraceNetwork(scenario),
        "ideal": lambda: IdealNetwork(scenario),
    }
    return makers[config.network.kind]()


def _packets(
    config: RunConfig,
    scenario: NetworkScenario,
    log_file: Path,
    num_known: int,
    known: Callable[[int], RoundReport],
) -> Network:
    def begin(each: NetworkScenario) -> Network:
        return Ns3Network(each, log_file, config.network.wall_limit_s)

    length, rounds = config.network.segment_rounds, config.learning.rounds
    if length is None:
        return begin(scenario)
    return SegmentedNetwork(begin, scenario, length, rounds, num_known, known)
