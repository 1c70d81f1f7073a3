"""The environments: what their checkers say, and what a step comes to beside a plain run."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")
pytest.importorskip("pettingzoo")

from gymnasium.utils.env_checker import check_env  # noqa: E402
from pettingzoo.test import parallel_api_test  # noqa: E402

from cosim.config.sources import configure  # noqa: E402
from cosim.env import OBSERVED, RANGE_DB, CosimEnv, DevicesEnv, Episode  # noqa: E402

SMALL = {
    "network.kind": "analytic",
    "network.num_devices": 4,
    "learning.dataset": "made",
    "learning.rounds": 3,
    "learning.batch_size": 8,
    "iteration.max_iterations": 2,
}


@pytest.fixture
def env() -> Iterator[CosimEnv]:
    made = CosimEnv("mesh80211", SMALL, joule_price=2.0)
    yield made
    made.close()


def test_gymnasium_finds_nothing_wrong_with_the_environment(env: CosimEnv) -> None:
    check_env(env, skip_render_check=True)


def test_pettingzoo_finds_nothing_wrong_with_that_of_an_agent_a_device() -> None:
    env = DevicesEnv("mesh80211", SMALL)
    parallel_api_test(env, num_cycles=4)
    env.close()


def test_rewards_are_what_accuracy_gained_less_the_price_of_the_joules(env: CosimEnv) -> None:
    observation, _ = env.reset(seed=5)
    assert observation.tolist() == [0, 1, 0, 0, 0, 1]
    accuracy, batteries_j = 0.0, 4 * 125.0
    for index in range(3):
        observation, reward, terminated, truncated, info = env.step(np.array([0.5, 0.5]))
        assert reward == pytest.approx(
            info["accuracy"] - accuracy - 2.0 * info["joules"] / batteries_j, abs=1e-6
        )
        accuracy = info["accuracy"]
        seen = dict(zip(OBSERVED, observation.tolist(), strict=True))
        assert seen["rounds done, of all"] == pytest.approx((index + 1) / 3)
        assert seen["accuracy"] == pytest.approx(accuracy)
        assert (terminated, truncated) == (index == 2, False)


def test_an_agent_a_device_gets_what_all_together_get_with_the_same_actions() -> None:
    alone, all_together = CosimEnv("mesh80211", SMALL), DevicesEnv("mesh80211", SMALL)
    alone.reset(seed=3)
    all_together.reset(seed=3)
    for action in ([1.0, 1.0], [0.3, 0.2], [0.0, 0.9]):
        seen, reward, *_ = alone.step(np.array(action))
        agents = list(all_together.agents)
        each, rewards, *_ = all_together.step(dict.fromkeys(agents, np.array(action)))
        assert reward == pytest.approx(np.mean([rewards[agent] for agent in agents]), abs=1e-6)
        np.testing.assert_allclose(
            seen, np.mean([each[agent] for agent in agents], axis=0), atol=1e-6
        )
    assert all_together.agents == []
    alone.close()
    all_together.close()


def test_an_action_is_so_many_neighbours_and_so_much_power(tmp_path: Path) -> None:
    episode = Episode(configure("mesh80211", SMALL))
    records = []
    watched = episode._records
    episode._records = (records.append(each) or each for each in watched)
    for share, level in ((1.0, 1.0), (0.5, 0.5), (0.0, 0.0)):
        episode.step(np.tile([share, level], (4, 1)))
    episode.close()
    # On the 2 x 2 grid each has two neighbours: both, one, and still one.
    powers_dbm = (16.0, 16.0 - RANGE_DB / 2, 4.0)
    for record, count, dbm in zip(records, (8, 4, 4), powers_dbm, strict=True):
        pairs = set(zip(record.traffic.src.tolist(), record.traffic.dst.tolist(), strict=True))
        assert len(pairs) == count
        transmit = record.traffic.transmit
        power_dbm = 16.0 if transmit is None else transmit.power_dbm
        np.testing.assert_allclose(power_dbm, dbm)
