"""Learn to how many neighbours to send, and how loud: two numbers, by PPO, in some minutes.

pip install -e '.[rl]'
python docs/learn_action.py FOLDER [--steps 3600] [--seed 1]

Six devices over the analytic network, whose links are too slow for everything to arrive in time:
who sends to all, delivers to few. Writes episodes.csv, a row an episode, and reward.png.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor

from cosim.env import CosimEnv

SLOW_LINKS = {
    "network.kind": "analytic",
    "network.num_devices": 6,
    "network.spacing_m": 60.0,
    "network.neighbour_distance_m": 90.0,
    "network.shadowing_sigma_db": 0.0,
    "network.path_loss_exponent": 3.3,
    "network.tx_power_dbm": 6.0,
    "network.round_period_s": 1.0,
    "energy.radio_profile": "esp32_s2",
    "energy.battery_j": 60.0,
    "learning.dataset": "made",
    "learning.dirichlet_alpha": 0.1,
    "learning.feature_dim": 128,
    "learning.batch_size": 16,
    "learning.rounds": 12,
    "iteration.max_iterations": 4,
}
BEFORE = 20  # episodes of each mean


def main() -> None:
    """Train, and keep what every episode came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=3600, help="rounds, of 12 an episode")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    env = Monitor(
        CosimEnv("mesh80211", SLOW_LINKS, joule_price=2.0), info_keywords=("accuracy", "joules")
    )
    model = PPO("MlpPolicy", env, n_steps=120, batch_size=60, learning_rate=1e-3, seed=given.seed)
    model.learn(given.steps)
    episodes = pd.DataFrame(
        {
            "reward": env.get_episode_rewards(),
            "seconds": env.get_episode_times(),
        }
    )
    episodes.to_csv(given.folder / "episodes.csv", index_label="episode")
    observation, _ = env.reset(seed=0)
    print("share of neighbours, power:", model.predict(observation, deterministic=True)[0])
    env.close()
    _, ax = plt.subplots(figsize=(3.5, 2.4), layout="constrained")
    ax.plot(episodes["reward"], ".", color="0.7", markersize=2)
    ax.plot(episodes["reward"].rolling(BEFORE).mean(), color="#0072B2")
    ax.set_xlabel("Episode")
    ax.set_ylabel("Reward")
    plt.savefig(given.folder / "reward.png", dpi=200)


if __name__ == "__main__":
    main()
