"""Spoken and written digits, paired by class, read from a path."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from learning.data.samples import TEST, TRAIN, MultiModalData
from learning.data.sets.files import read_npz

AUDIO_CENTRE, AUDIO_UNIT = -3.0, 4.0
PIXEL_UNIT = 255.0
_SHAPES = {"audio": (32, 32), "image": (28, 28), "label": (), "subject": (), "is_train": ()}
_REMEDY = (
    "give the npz with log-mel spectrograms and images; the recordings (Free Spoken Digit Dataset)"
    " and MNIST are not converted here, but own data can be: --learning.dataset FILE.py"
)


def load_av_digits(path: Path) -> MultiModalData:
    """Load 3000 pairs of a spoken and a handwritten digit: 10 classes, 6 speakers.

    Modalities: audio (N, 1, 32, 32), log-mel spectrogram [(x + 3) / 4: round numbers near mean and
    spread]; image (N, 1, 28, 28) [0..1]. A pair shares its class, not a person: what one modality
    says of style tells nothing of the other. The test is the first ten of the fifty recordings of
    each speaker and digit, so of known speakers (the official test is the first five). Each pair
    is a recording of its own.
    The path is an npz with arrays audio, image, label, subject, is_train.
    Sources: Free Spoken Digit Dataset (CC BY-SA 4.0), MNIST test images (LeCun et al., 1998).
    Raises LearningError when an array is missing or misshapen.
    """
    arrays = read_npz(path, _SHAPES, _REMEDY)
    audio = (arrays["audio"][:, None].astype(np.float32) - AUDIO_CENTRE) / AUDIO_UNIT
    image = arrays["image"][:, None].astype(np.float32) / PIXEL_UNIT
    label = arrays["label"].astype(np.int64)
    return MultiModalData(
        name="av_digits",
        modalities={"audio": audio.astype(np.float32), "image": image.astype(np.float32)},
        label=label,
        subject=arrays["subject"].astype(np.int64),
        recording=np.arange(len(label)),
        split=np.where(arrays["is_train"], TRAIN, TEST).astype(np.int8),
        class_names=tuple(str(digit) for digit in range(10)),
    )
