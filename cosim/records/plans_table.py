"""What each round's plan expected of the rounds to come, as rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cosim.planning.horizon import Horizon
from ns3_scenarios.arrays import BoolArray

# How far the table sees ahead: whole horizons would grow with the square of the rounds.
ROUNDS_SHOWN = 24


def plans_table(horizon: Horizon, alive: BoolArray, round_number: int) -> pd.DataFrame:
    """Return a row per living device and each of the next periods, the coming round's first."""
    shown = min(horizon.budget_j.shape[1], ROUNDS_SHOWN)
    device, period = np.nonzero(np.repeat(alive[:, np.newaxis], shown, axis=1))
    return pd.DataFrame(
        {
            "round": np.full(len(device), round_number),
            "device": device,
            "planned_round": round_number + horizon.begins[period],
            "trains": horizon.trains[device, period],
            "planned_budget_j": horizon.budget_j[device, period],
            "planned_harvest_j": horizon.harvest_j[device, period],
            "planned_battery_j": horizon.battery_j[device, period],
        }
    )
