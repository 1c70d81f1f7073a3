"""What a device is shown, made by hand, and what it chose."""

from typing import Any

import numpy as np

from cosim.planning.budget import Cost
from cosim.policies.policy import Decision, View


def view(**changes: Any) -> View:
    """Device 0 with three neighbours that want both of its parts."""
    shown: dict[str, Any] = {
        "device": 0,
        "round": 3,
        "rounds": 9,
        "remaining_energy_j": 10.0,
        "radio_j": 2.0,
        "parts": ("a", "b"),
        "part_bytes": np.array([10, 20]),
        "available": np.array([True, True]),
        "speed": np.array([0.1, 0.2]),
        "contribution": np.array([0.1, 0.2]),
        "tx_power_dbm": 16.0,
        "least_dbm": -30.0,
        "most_dbm": 16.0,
        "may_sleep": False,
        "may_choose": True,
        "max_iterations": 2,
        "work_j": Cost(np.array([[0.3, 0.1]]), np.array([0.05]), np.array([0.2])),
        "work_s": Cost(np.array([[0.2, 0.1]]), np.array([0.0]), np.array([0.1])),
        "compute_limit_s": 2.0,
        "codecs": ("float32", "float16", "int8"),
        "codec_bytes": np.array([[10, 20], [6, 12], [4, 8]]),
        "neighbours": np.array([1, 4, 6]),
        "wanted": np.ones((3, 2), dtype=np.bool_),
        "sender_j_per_byte": np.array([3e-7, 1e-7, 2e-7]),
        "acked_share": np.array([1.0, 1.0, 0.4]),
        "rate_bps": np.array([50e6, 40e6, 30e6]),
        "receiver_j_per_byte": np.full(3, 1e-7),
        "age_rounds": np.array([0, 0, 0]),
        "path_snr_db": np.array([20.0, 15.0, 10.0]),
        "rng": np.random.default_rng(1),
        "memory": {},
        "options": {"share": 0.5, "keep": 0.9, "range_db": 6.0},
    }
    return View(**shown | changes)


def chosen(decision: Decision) -> list[int]:
    assert decision.sends is not None
    return np.flatnonzero(decision.sends.all(axis=1)).tolist()
