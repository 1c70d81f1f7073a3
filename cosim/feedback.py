"""What is known of a round before it: the one backward arrow, and what devices decide by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.config.model import RunConfig
from cosim.planning.costs import LastRound, unmeasured
from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.network_kind import NETWORK_KINDS
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.traffic import Transmit

# Rounds without a sign of life after which a device takes a neighbour for gone.
SILENT_ROUNDS = 3
# Weight of the last round in the forecast of harvest, a moving average as that of Kansal, Hsu,
# Zahedi, Srivastava, ACM TECS 6(4), 2007, who keep one for each slot of a day; one half is ours.
HARVEST_WEIGHT = 0.5


@dataclass(frozen=True)
class Neighbourhood:
    """The planned neighbours, and what each device has heard of them.

    planned (n, n): who exchanges with whom by deployment; silent_rounds (n, n) [device, other]:
    rounds since the device last had a sign of life from the other. A sign is a packet: data that
    arrived, or an acknowledgement of own data.
    """

    planned: BoolArray
    silent_rounds: IntArray

    @property
    def believed(self) -> BoolArray:
        """Neighbours that a device takes for alive, (n, n) [device, other]."""
        return self.planned & (self.silent_rounds < SILENT_ROUNDS)


@dataclass(frozen=True)
class Unfinished:
    """Messages of the last round whose rest is sent in the next, in place of new ones.

    missing_bytes (n, n, p) [sender, receiver, part]: of which their senders know that some arrived,
    and not that the rest did; 0 for all others. advertised_degree (n, p): as they say.
    wanted (n, n, p): receivers that lack a rest, and have what came before, not having been dead.
    """

    missing_bytes: IntArray
    advertised_degree: IntArray
    wanted: BoolArray


@dataclass(frozen=True)
class Decided:
    """What devices decided for a round beside what the iteration optimizer does.

    sends (n, n, p) [sender, receiver, part]: what goes to those who are believed alive; transmit:
    powers; iterations (n, m), -1 where the optimizer decides; asleep (n): radios off the air;
    codecs (n): by which each sends.
    """

    sends: BoolArray
    transmit: Transmit
    iterations: IntArray
    asleep: BoolArray
    codecs: tuple[str, ...]


@dataclass(frozen=True)
class Feedback:
    """The one backward arrow: what the next plan may know.

    last: what forecasts of the radio go by; harvest_j (n): forecast of what a round will bring, by
    what its rounds brought so far; rested_rounds (n): since the last one in which a device trained,
    0 for the one just over, inf if there was none. unfinished: with learning.late_weight, after the
    first round. codecs (n): by which each sent, as its messages say; none before the first round.
    """

    last: LastRound
    remaining_energy_j: FloatArray
    harvest_j: FloatArray
    rested_rounds: FloatArray
    alive: BoolArray
    neighbourhood: Neighbourhood
    unfinished: Unfinished | None = None
    codecs: tuple[str, ...] | None = None


def initial_feedback(config: RunConfig, scenario: NetworkScenario) -> Feedback:
    """Say what is known before the first round: the batteries, and the plan of the deployment.

    The round before the first counts as one in which the radio was idle for the whole period, and
    the harvest of this instant as that of all of it.
    """
    n = scenario.num_devices
    idle_w = scenario.draws.state_power_w[:, RADIO_STATES.index("idle")]
    if not NETWORK_KINDS[config.network.kind].has_radios:
        idle_w = np.zeros(n)
    nothing = np.zeros((n, n), dtype=np.int64)
    return Feedback(
        last=LastRound(
            communication_j=idle_w * config.network.round_period_s,
            cost=unmeasured(n),
            sent_bytes=nothing,
            received_bytes=nothing,
            offered_bytes=nothing,
            expected_bytes=nothing,
            forwarding_j=np.zeros(n),
            overheard_j=np.zeros(n),
            usual_dbm=scenario.draws.tx_power_dbm,
            tx_power_dbm=scenario.draws.tx_power_dbm,
            sending_j=np.zeros(n),
            rate_bps=np.full((n, n), np.nan),
            path_snr_db=np.full((n, n), np.nan),
            was_away=np.zeros(n, dtype=np.bool_),
            back_j=np.zeros(n),
        ),
        remaining_energy_j=scenario.initial_energy_j.copy(),
        harvest_j=scenario.harvest_power_w * config.network.round_period_s,
        rested_rounds=np.full(n, np.inf),
        alive=np.ones(n, dtype=np.bool_),
        neighbourhood=Neighbourhood(scenario.neighbours, np.zeros((n, n), dtype=np.int64)),
    )
