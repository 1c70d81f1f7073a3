"""The configuration that tests of the border between the two sides begin with."""

from functools import cache

from cosim.config.model import RunConfig
from cosim.config.sources import load


@cache
def make_config(*flags: str, devices: int = 3) -> RunConfig:
    return load([f"--network.num_devices={devices}", *flags], None, None)
