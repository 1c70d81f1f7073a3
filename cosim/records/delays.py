"""Delays of messages that count what never arrived."""

import math

import numpy as np
import pandas as pd

# Columns of rounds: share of the messages on offer that were whole within this delay.
DELAYS = {"median": 0.5, "p90": 0.9}


def delay_s(flows: pd.DataFrame, share: float) -> float:
    """Return the least delay that this share of all messages on offer did not exceed [s].

    A message that did not arrive took infinitely long; nan where none was on offer.
    """
    all_s = flows["delay_s"].where(flows["outcome"] == "delivered", np.inf).to_numpy(np.float64)
    return float(np.quantile(all_s, share, method="inverted_cdf")) if len(all_s) else math.nan
