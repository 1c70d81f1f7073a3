"""Who holds data, who acts when and with whom, and how they weigh what arrived.

A method names its topology; whatever asks, asks for what the topology does, not for its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learning import star
from learning.data.dealing.partition import partition_recordings
from learning.exchange.mixing import metropolis_hastings

if TYPE_CHECKING:
    from learning.data.samples import MultiModalData
    from learning.settings import LearningSetup

Devices = NDArray[np.bool_]  # (n,)
Owners = Callable[["MultiModalData", "LearningSetup"], NDArray[np.int64]]
Roles = Callable[["LearningSetup", float, int], tuple[Devices, Devices]]
# (samples (n,), arrived (n, n, p), advertised degree (n, p), receives (n, p), said degree)
Weigh = Callable[
    [NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64], Devices, NDArray[np.int64] | None],
    NDArray[np.float64],
]


def _everyone(num_devices: int) -> Devices:
    return np.ones(num_devices, dtype=np.bool_)


def _first_alone(num_devices: int) -> Devices:
    alone = np.zeros(num_devices, dtype=np.bool_)
    alone[0] = True
    return alone


def _pooled_owners(data: MultiModalData, setup: LearningSetup) -> NDArray[np.int64]:
    return np.minimum(partition_recordings(data, setup), 0)


def _star_owners(data: MultiModalData, setup: LearningSetup) -> NDArray[np.int64]:
    fewer = setup.model_copy(update={"num_devices": setup.num_devices - 1})
    others = partition_recordings(data, fewer)
    return np.where(others >= 0, others + 1, others)


def _all_act(setup: LearningSetup, share: float, index: int) -> tuple[Devices, Devices]:
    everyone = _everyone(setup.num_devices)
    return everyone, everyone


def _each_round(num_devices: int, round_index: int, rounds: int, share: float) -> float:
    return float(rounds - round_index)


@dataclass(frozen=True)
class Topology:
    """One way to be together.

    owners: who has a sample, (N,), -1 for nobody. holds_data: which of n devices do; all others
    train nothing. roles: (setup, share of clients, round) -> who trains, who sends, (n,) each.
    trainings_left: (n, round, rounds, share) -> how often a device trains from there on, expected.
    weigh: what arrived -> weights (n, n, p) [receiver, sender, p]. links: who exchanges with whom,
    (n, n); none: by distance. check: raises LearningError for what cannot be in it.
    has_server: device 0 keeps all parts and trains none. pools_data: a device has what n devices
    would have, and takes batches n times as large. rounds_per_exchange: until all have heard.
    """

    owners: Owners = partition_recordings
    holds_data: Callable[[int], Devices] = _everyone
    roles: Roles = _all_act
    trainings_left: Callable[[int, int, int, float], float] = _each_round
    weigh: Weigh = lambda samples, *what: metropolis_hastings(*what)
    links: Callable[[int], NDArray[np.bool_]] | None = None
    check: Callable[[LearningSetup], None] = lambda setup: None
    has_server: bool = False
    pools_data: bool = False
    rounds_per_exchange: int = 1

    def batch_size(self, setup: LearningSetup) -> int:
        """Count the samples of a modality in one local step of a device."""
        return setup.batch_size * (setup.num_devices if self.pools_data else 1)


TOPOLOGIES = {
    "peers": Topology(),
    "none": Topology(),
    "star": Topology(
        owners=_star_owners,
        holds_data=lambda n: ~_first_alone(n),
        roles=star.roles,
        trainings_left=star.trainings_left,
        weigh=lambda samples, arrived, degree, receives, said: star.star_weights(
            arrived, samples, receives
        ),
        links=star.links,
        check=star.check_setup,
        has_server=True,
        rounds_per_exchange=2,
    ),
    "pooled": Topology(owners=_pooled_owners, holds_data=_first_alone, pools_data=True),
}
