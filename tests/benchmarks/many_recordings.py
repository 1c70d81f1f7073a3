"""A data set for a thousand devices: 1120 recordings of two small modalities, 20 of them the test.

For --learning.dataset, as the run of 1000 devices in results/reference/surrogate/README.md.
"""

from typing import Any

import numpy as np

CLASSES, FEATURES, TRAIN, TEST, WINDOWS = 5, 24, 1100, 20, 16


def load() -> dict[str, Any]:
    """Return features around a centre of the class, with noise; a modality tells half of it."""
    rng = np.random.default_rng(19)
    recording = np.repeat(np.arange(TRAIN + TEST), WINDOWS)
    label = recording % CLASSES
    modalities = {}
    for name, key in (("acc", label // 2), ("gyro", (label + 1) // 2)):
        centre = rng.normal(0.0, 1.0, (CLASSES, FEATURES))
        noise = rng.normal(0.0, 1.0, (len(label), FEATURES))
        modalities[name] = (centre[key] + noise).astype(np.float32)
    return {
        "modalities": modalities,
        "label": label,
        "subject": recording,
        "recording": recording,
        "split": np.where(recording < TRAIN, "train", "test"),
    }
