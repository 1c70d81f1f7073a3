"""An own data set: machines watched by a vibration sensor and a thermometer.

    python cosim/run.py --learning.dataset learning/examples/own_data.py

load() returns arrays; how they come to be is up to you. Here: four states of a machine, which one
sensor alone cannot all tell apart.
"""

import numpy as np


def load() -> dict[str, object]:
    """Return 2400 samples of 12 machines; the last three machines are for testing."""
    rng = np.random.default_rng(7)
    machine = np.repeat(np.arange(12), 200)
    # Ten samples in a row are one recording of one state.
    recording = np.arange(2400) // 10
    state = rng.integers(0, 4, 240)[recording]
    time_s = np.arange(64) / 64
    shaking_hz = np.where(state % 2 == 0, 5.0, 9.0)[:, None]
    wave = np.sin(2 * np.pi * (shaking_hz * time_s + rng.random((2400, 1))))
    vibration = wave[:, None, :] + rng.normal(0, 0.7, (2400, 1, 64))  # (N, channels, length)
    warmth = np.where(state < 2, -1.0, 1.0)[:, None] + rng.normal(0, 0.8, (2400, 6))
    return {
        "modalities": {"vibration": vibration, "temperature": warmth},
        "label": np.array(["idle", "milling", "cooling", "jammed"])[state],
        "subject": machine,
        "recording": recording,
        "split": np.where(machine < 9, "train", "test"),
    }
