"""What a plan believes that the coming round costs its radio; the network plays what is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cosim.planning.costs import LastRound, forecast_j
from ns3_scenarios.analytic import capacity_bps
from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.description.energy import RADIO_STATES, above_idle_w
from ns3_scenarios.description.scenario import NetworkScenario


@dataclass(frozen=True)
class Coming:
    """A round to come, as a forecast may know it.

    last: the round before. Bytes (n, n) [src, dst]: offered_bytes, what src is going to offer dst;
    expected_bytes, what dst expects of src. transmit_w (n): what a radio is going to draw while it
    sends, and drew in the last round, transmitted_w (n); asleep (n): who is going to sleep.
    """

    last: LastRound
    offered_bytes: IntArray
    expected_bytes: IntArray
    period_s: float
    transmit_w: FloatArray
    transmitted_w: FloatArray
    asleep: BoolArray


@dataclass(frozen=True)
class Belief:
    """One way to foresee the joules of each radio, (n) [J]; text: one sentence for the help.

    is_formula: it works losses out, by log_distance, the one path loss that has a formula here.
    """

    foresee: Callable[[NetworkScenario, Coming], FloatArray]
    text: str
    is_formula: bool = False


def _packet(scenario: NetworkScenario, coming: Coming) -> FloatArray:
    powers_w = coming.transmitted_w, coming.transmit_w
    awake_j = forecast_j(coming.last, coming.offered_bytes, coming.expected_bytes, *powers_w)
    return np.where(coming.asleep, _state_j(scenario, coming, "sleep"), awake_j)


def _state_j(scenario: NetworkScenario, coming: Coming, state: str) -> FloatArray:
    state_w: FloatArray = scenario.draws.state_power_w[:, RADIO_STATES.index(state)]
    return state_w * coming.period_s


def _analytic(scenario: NetworkScenario, coming: Coming) -> FloatArray:
    """P_idle T + sum_j 8 b_kj / C_kj (P_tx - P_idle) + sum_i 8 b_ik / C_ik (P_rx - P_idle).

    C: Shannon's capacity, at the usual power, of the places at the start; no message takes longer
    than the round. Left out: contention, headers,
    acknowledgements, retransmissions, relays, what is overheard, fading, movement.
    """
    rate_bps = capacity_bps(scenario)
    above_w = above_idle_w(scenario.draws.state_power_w)
    idle_w = scenario.draws.state_power_w[:, RADIO_STATES.index("idle")]
    tx_w, rx_w = coming.transmit_w - idle_w, above_w[:, RADIO_STATES.index("rx")]

    def on_air_s(size_bytes: IntArray) -> FloatArray:
        seconds: FloatArray = np.zeros_like(rate_bps)
        np.divide(8.0 * size_bytes, rate_bps, out=seconds, where=rate_bps > 0)
        return np.minimum(seconds, coming.period_s)

    sent_s = on_air_s(coming.offered_bytes).sum(axis=1)
    heard_s = on_air_s(coming.expected_bytes).sum(axis=0)
    awake_j = idle_w * coming.period_s + tx_w * sent_s + rx_w * heard_s
    return np.where(coming.asleep, _state_j(scenario, coming, "sleep"), awake_j)


def _ideal(scenario: NetworkScenario, coming: Coming) -> FloatArray:
    return np.zeros(scenario.num_devices)


BELIEFS = {
    "packet": Belief(_packet, "what packets cost in the rounds before (cosim/planning/costs.py)"),
    "analytic": Belief(
        _analytic, "Shannon's capacity without contention, and an idle radio", is_formula=True
    ),
    "ideal": Belief(_ideal, "that a radio is free"),
}
