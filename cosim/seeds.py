"""One seed -> named independent streams, so that no part's draws move another's."""

import zlib

import numpy as np

# ns-3 varies the run number under a fixed seed, as its manual advises for independent runs.
NS3_RNG_SEED = 1


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the named stream of a seed; the same pair gives the same draws."""
    return np.random.default_rng([seed, zlib.crc32(name.encode("ascii"))])
