"""A synthetic data set for tests: the shape of the real ones, small, and never chosen silently."""

from __future__ import annotations

import numpy as np

from learning.data.samples import TEST, TRAIN, MultiModalData

_LENGTH = 128


def make_data(
    seed: int = 0, num_subjects: int = 6, num_classes: int = 5, windows_per_recording: int = 6
) -> MultiModalData:
    """Make windows in which the two modalities know different things about the class.

    A recording is x_ch(t) = a_ch sin(2 pi f t + phase_ch) + noise, with the frequency f chosen by
    the class: acc tells class // 2, gyro tells (class + 1) // 2, so only both together tell all.
    Every subject records every class twice; amplitude varies with the person. The last third of
    the subjects is the test. Shapes: acc and gyro (N, 3, 128), N = subjects x classes x 2 x
    windows. Left out: overlap between windows, drift, anything physical.
    """
    rng = np.random.default_rng([seed, 0x4D616465])
    subject, label = (
        grid.ravel() for grid in np.indices((num_subjects, num_classes)).repeat(2, axis=-1)
    )
    num_recordings = len(label)
    recording = np.repeat(np.arange(num_recordings), windows_per_recording)
    amplitude = rng.uniform(0.7, 1.4, (num_subjects, 1, 1))[subject[recording]]
    modalities = {}
    for name, key in (("acc", label // 2), ("gyro", (label + 1) // 2)):
        # [N, 3, 1] cycles per window: 3, 7, 11, ...
        cycles = (3.0 + 4.0 * key)[recording][:, None, None]
        phase = rng.uniform(0.0, 2.0 * np.pi, (len(recording), 3, 1))
        wave = np.sin(2.0 * np.pi * cycles * np.arange(_LENGTH) / _LENGTH + phase)
        noise = rng.normal(0.0, 0.5, (len(recording), 3, _LENGTH))
        modalities[name] = (amplitude * wave + noise).astype(np.float32)
    is_test = subject[recording] >= num_subjects - num_subjects // 3
    return MultiModalData(
        name="made",
        modalities=modalities,
        label=label[recording].astype(np.int64),
        subject=subject[recording].astype(np.int64) + 1,
        recording=recording.astype(np.int64),
        split=np.where(is_test, TEST, TRAIN).astype(np.int8),
        class_names=tuple(f"class_{c}" for c in range(num_classes)),
    )
