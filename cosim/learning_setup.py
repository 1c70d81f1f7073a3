"""The configuration's part for the learning side, as that side takes it."""

from __future__ import annotations

from dataclasses import fields

from cosim.config import RunConfig
from learning.data.setup import DataSetup
from learning.exchange_setup import ExchangeSetup
from learning.setup import LearningSetup


def learning_setup(config: RunConfig) -> LearningSetup:
    """Turn the configuration into the learning side's own."""
    given = config.learning.model_dump(exclude={"rounds", "evaluate_every", "arithmetic"})
    given |= {"num_devices": config.network.num_devices, "seed": config.seed}
    data, exchange = (
        {field.name: given.pop(field.name) for field in fields(kind)}
        for kind in (DataSetup, ExchangeSetup)
    )
    return LearningSetup(data=DataSetup(**data), exchange=ExchangeSetup(**exchange), **given)
