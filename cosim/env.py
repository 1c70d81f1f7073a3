"""The co-simulation as environments for reinforcement learning, of Gymnasium and of PettingZoo.

A step is a round. An action is two numbers from 0 to 1 for a device: the share of its neighbours
that are sent anything, those where a joule carries most bytes first (at least one), and its
transmit power, from RANGE_DB below the usual power to that. An observation is OBSERVED, each from
0 to 1. Left out: iterations, which the iteration optimizer chooses by what the radio leaves.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cosim.config.assemble import make_learner, open_network
from cosim.config.model import RunConfig
from cosim.config.sources import configure
from cosim.config.to_scenario import make_scenario
from cosim.loop import RoundRecord, run_rounds
from cosim.policies.neighbours import by_cost, send_to
from cosim.policies.policy import Decision, Policy, View
from ns3_scenarios.arrays import FloatArray

try:
    import gymnasium
    from gymnasium.spaces import Box
    from pettingzoo import ParallelEnv
except ImportError as error:
    raise ImportError(f"cosim.env: {error}; install the packages of dmml-cosim[rl]") from None

RANGE_DB = 12.0
ACTED = ("share of neighbours", "transmit power within its range")
OBSERVED = (
    "rounds done, of all",
    "battery, of what it held at the start",
    "accuracy",
    "bytes of its messages that arrived, of those on offer in the last round",
    "radio, of all joules that it drew in the last round",
    "alive",
)


class Episode:
    """A run under way, a round at a time; n devices. PyTorch keeps to one thread, as runs do."""

    def __init__(self, config: RunConfig) -> None:
        torch.set_num_threads(1)
        scenario, (_, learner) = make_scenario(config), make_learner(config)
        self.num_devices = config.network.num_devices
        self.actions = np.ones((self.num_devices, len(ACTED)))
        self._rounds = config.learning.rounds
        self._start_j = scenario.initial_energy_j
        self._folder = tempfile.TemporaryDirectory()
        log_path = Path(self._folder.name) / "ns3.log"
        self._network = open_network(config, scenario, log_path)
        self._records: Iterator[RoundRecord] = run_rounds(
            *(config, scenario, learner, self._network),
            policy=Policy(self._decide, "that of an environment"),
            ahead=False,
        )
        self.observation = np.zeros((self.num_devices, len(OBSERVED)))
        self.observation[:, [1, 5]] = 1.0
        self.spent_j = np.zeros(self.num_devices)
        self.done = False

    def step(self, actions: FloatArray) -> FloatArray:
        """Play a round with actions (n, 2); return what each device's accuracy gained, (n)."""
        self.actions = np.clip(actions, 0.0, 1.0)
        record = next(self._records)
        before = self.observation[:, 2].copy()
        self.observation = self._observe(record)
        energy = record.report.energy
        self.spent_j = energy.state_j.sum(axis=1) + energy.compute_j + energy.board_j
        self.done = record.round_index + 1 == self._rounds
        gained: FloatArray = self.observation[:, 2] - before
        return gained

    @property
    def spent_share(self) -> FloatArray:
        """What each device drew in the last round, of its battery at the start, (n)."""
        return self.spent_j / self._start_j

    def close(self) -> None:
        """End the network."""
        self._network.close()
        self._folder.cleanup()

    def _decide(self, view: View) -> Decision:
        share, level = self.actions[view.device]
        count = max(1, math.ceil(share * len(view.neighbours)))
        sends = send_to(view, by_cost(view)[:count]).sends
        power_dbm = view.most_dbm - RANGE_DB * (1.0 - level)
        return Decision(sends=sends, tx_power_dbm=float(max(power_dbm, view.least_dbm)))

    def _observe(self, record: RoundRecord) -> FloatArray:
        """Return OBSERVED of each device, (n, 6)."""
        n, energy, traffic = self.num_devices, record.report.energy, record.traffic
        offered = np.bincount(traffic.src, traffic.payload_bytes, n)
        arrived = np.bincount(traffic.src, record.report.flows.delivered_bytes, n)
        radio_j = energy.state_j.sum(axis=1)
        all_j = radio_j + energy.compute_j + energy.board_j
        columns = (
            np.full(n, (record.round_index + 1) / self._rounds),
            energy.remaining_energy_j / self._start_j,
            record.evaluation.accuracy,
            np.divide(arrived, offered, out=np.zeros(n), where=offered > 0),
            np.divide(radio_j, all_j, out=np.zeros(n), where=all_j > 0),
            energy.alive.astype(np.float64),
        )
        seen: FloatArray = np.clip(np.nan_to_num(np.column_stack(columns)), 0.0, 1.0)
        return seen


def _space(size: int) -> Box:
    return Box(0.0, 1.0, (size,), np.float32)


class CosimEnv(gymnasium.Env[Any, Any]):
    """One action for all devices, and the means over them as observation (6,).

    reward: what the mean accuracy gained [1] (in the first round all of it), less joule_price times
    the mean of what devices drew, of what their batteries held at the start. An episode has the
    configuration's rounds; it is terminated by the last one. config: as `configure` takes it;
    changes: by dotted names; its policy, if it names one, is not asked.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's own name and form)

    def __init__(
        self,
        config: str | Path | RunConfig = "mesh80211",
        changes: dict[str, Any] | None = None,
        joule_price: float = 0.0,
    ) -> None:
        self._config = configure(config, changes)
        self._joule_price = joule_price
        self.action_space = _space(len(ACTED))
        self.observation_space = _space(len(OBSERVED))
        self._episode: Episode | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Start a run with this seed, or with one drawn after that of the last reset."""
        super().reset(seed=seed)
        self.close()
        self._episode = Episode(_seeded(self._config, seed, self.np_random))
        return self._observation(), {}

    def step(self, action: FloatArray) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        """Play a round; info: accuracy, the mean over devices, and joules of all."""
        episode = _begun(self._episode)
        gained = episode.step(np.tile(action, (episode.num_devices, 1)))
        reward = float(gained.mean() - self._joule_price * episode.spent_share.mean())
        info = {
            "accuracy": float(episode.observation[:, 2].mean()),
            "joules": float(episode.spent_j.sum()),
        }
        return self._observation(), reward, episode.done, False, info

    def close(self) -> None:
        """End the run."""
        if self._episode is not None:
            self._episode.close()
            self._episode = None

    def _observation(self) -> FloatArray:
        mean: Any = _begun(self._episode).observation.mean(axis=0).astype(np.float32)
        return np.asarray(mean)


class DevicesEnv(ParallelEnv):  # type: ignore[misc]
    """An agent a device, "device_0" and so on: its own action, observation (6,) and reward.

    reward: what its accuracy gained [1], less joule_price times what it drew, of what its battery
    held at the start. Dead devices stay agents that decide nothing; all are terminated at the end.
    """

    metadata = {"name": "dmml_cosim_v0", "render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        config: str | Path | RunConfig = "mesh80211",
        changes: dict[str, Any] | None = None,
        joule_price: float = 0.0,
    ) -> None:
        self._config = configure(config, changes)
        self._joule_price = joule_price
        self.possible_agents = [f"device_{k}" for k in range(self._config.network.num_devices)]
        self.agents: list[str] = []
        self._acts = {agent: _space(len(ACTED)) for agent in self.possible_agents}
        self._sees = {agent: _space(len(OBSERVED)) for agent in self.possible_agents}
        self._random = np.random.default_rng()
        self._episode: Episode | None = None

    def observation_space(self, agent: str) -> Box:
        """Return what a device observes."""
        return self._sees[agent]

    def action_space(self, agent: str) -> Box:
        """Return what a device may do."""
        return self._acts[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, FloatArray], dict[str, dict[str, Any]]]:
        """Start a run with this seed, or with one drawn after that of the last reset."""
        if seed is not None:
            self._random = np.random.default_rng(seed)
        self.close()
        self._episode = Episode(_seeded(self._config, seed, self._random))
        self.agents = list(self.possible_agents)
        return self._observations(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, FloatArray]) -> tuple[Any, Any, Any, Any, Any]:
        """Play a round; a device without an action sends everything at the usual power."""
        episode, agents = _begun(self._episode), self.agents
        usual = np.ones(len(ACTED))
        gained = episode.step(np.array([actions.get(each, usual) for each in self.possible_agents]))
        reward = gained - self._joule_price * episode.spent_share
        seen = self._observations()
        if episode.done:
            self.agents = []
        return (
            seen,
            {agent: float(reward[k]) for k, agent in enumerate(agents)},
            dict.fromkeys(agents, episode.done),
            dict.fromkeys(agents, False),
            {agent: {} for agent in agents},
        )

    def close(self) -> None:
        """End the run."""
        if self._episode is not None:
            self._episode.close()
            self._episode = None

    def _observations(self) -> dict[str, FloatArray]:
        seen: Any = _begun(self._episode).observation.astype(np.float32)
        return dict(zip(self.possible_agents, seen, strict=True))


def _seeded(config: RunConfig, seed: int | None, rng: np.random.Generator) -> RunConfig:
    drawn = int(rng.integers(2**31)) if seed is None else seed
    return configure(config, {"seed": drawn % 2**31, "learning.evaluate_every": 1})


def _begun(episode: Episode | None) -> Episode:
    if episode is None:
        raise RuntimeError("cosim.env: expected reset before step")
    return episode
