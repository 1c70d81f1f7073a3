"""Batteries of networks that are formulas; ns-3's are metered in native/radio_battery.h."""

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import EnergyReport
from ns3_scenarios.traffic import RoundTraffic

OFF = RADIO_STATES.index("off")
_IS_OFF = np.arange(len(RADIO_STATES)) == OFF


class Batteries:
    """The batteries of n devices, and the books of the round under way.

    dE/dt = harvest(t) - P(radio state) - P(computing) - P(board), from 0 to the capacity; what no
    longer fits overflows. A device that is empty and draws more than it harvests dies: its radio
    and board are off from then on, and it neither computes nor harvests any more. Left out: losses
    and ageing of the battery, and revival.
    """

    def __init__(self, scenario: NetworkScenario) -> None:
        self._usual_w = scenario.draws.state_power_w
        self._board_idle_w = scenario.draws.board_idle_w
        self._harvest, self._step = scenario.harvest, 0
        self._capacity_j = scenario.battery_capacity_j
        self._remaining_j = scenario.initial_energy_j.copy()
        self._died_at_s = np.full(scenario.num_devices, np.nan)
        self._now_s = 0.0

    def begin_round(self, traffic: RoundTraffic) -> None:
        """Open new books; radios draw from now on what the traffic lets them."""
        self.state_power_w = traffic.state_power_w(self._usual_w)
        n = len(self._remaining_j)
        self.start_s = self._now_s
        self.elapsed_s = 0.0
        # When a device died, counted from the round's start: inf alive, -inf dead before.
        self.lived_s = np.where(self.alive, np.inf, -np.inf)
        self._start_j = self._remaining_j.copy()
        self._state_s = np.zeros((n, len(RADIO_STATES)))
        self._compute_j, self._board_j = np.zeros((2, n))
        self._harvested_j, self._overflow_j = np.zeros((2, n))

    @property
    def remaining_j(self) -> FloatArray:
        """What is left at this instant, (n) [J]."""
        return self._remaining_j.copy()

    @property
    def alive(self) -> BoolArray:
        """Who lives at this instant, (n)."""
        return np.asarray(np.isnan(self._died_at_s))

    def live_until(self, end_s: float, state: IntArray, compute_w: FloatArray) -> None:
        """Draw constant power until end_s of the round, a battery is empty or the harvest changes.

        state (n): index into RADIO_STATES; compute_w (n) [W]; of the dead neither counts. Moves
        elapsed_s on, not at all where a device dies at this instant: call it until it is there.
        """
        share = np.zeros_like(self._usual_w)
        share[np.arange(len(state)), state] = 1.0
        self.live_as(end_s, share, compute_w)

    def live_as(self, end_s: float, share: FloatArray, compute_w: FloatArray) -> None:
        """Do as `live_until` with radios that are in each state for a share of the time.

        share (n, states): each row adds up to 1.
        """
        changes_s = self._harvest.times_s[self._step + 1 :] - self.start_s
        if len(changes_s) and changes_s[0] <= self.elapsed_s:
            self._step += int((changes_s <= self.elapsed_s).sum())
            changes_s = changes_s[changes_s > self.elapsed_s]
        end_s = min(end_s, float(changes_s.min(initial=np.inf)))
        alive = self.alive
        share = np.where(alive[:, np.newaxis], share, _IS_OFF)
        compute_w = np.where(alive, compute_w, 0.0)
        harvest_w = np.where(alive, self._harvest.power_w[self._step], 0.0)
        board_w = np.where(alive, self._board_idle_w, 0.0)
        net_w = (share * self.state_power_w).sum(axis=1) + compute_w + board_w - harvest_w
        lasts_s = np.divide(
            self._remaining_j, net_w, out=np.full(len(net_w), np.inf), where=net_w > 0
        )
        dies = alive & (lasts_s == 0)
        if dies.any():
            self._died_at_s[dies] = self.start_s + self.elapsed_s
            self.lived_s[dies] = self.elapsed_s
            return
        left_s = end_s - self.elapsed_s
        span_s = min(left_s, float(lasts_s.min()))
        self._state_s += share * span_s
        self._compute_j += compute_w * span_s
        self._board_j += board_w * span_s
        self._harvested_j += harvest_w * span_s
        # The power is constant, so the battery moves one way only: it overflows at the end or not.
        reached_j = self._remaining_j - net_w * span_s
        overflow_j = np.maximum(reached_j - self._capacity_j, 0.0)
        self._overflow_j += overflow_j
        # Exactly empty, whatever rounding leaves.
        self._remaining_j = np.where(
            lasts_s <= span_s, 0.0, np.maximum(reached_j - overflow_j, 0.0)
        )
        self.elapsed_s = end_s if span_s == left_s else self.elapsed_s + span_s

    def end_round(self) -> EnergyReport:
        """Close the books of a round that lasted elapsed_s."""
        self._now_s += self.elapsed_s
        return EnergyReport(
            state_s=self._state_s,
            state_j=self._state_s * self.state_power_w,
            compute_j=self._compute_j,
            board_j=self._board_j,
            harvested_j=self._harvested_j,
            overflow_j=self._overflow_j,
            start_energy_j=self._start_j,
            remaining_energy_j=self._remaining_j.copy(),
            died_at_s=self._died_at_s.copy(),
            revived_at_s=np.full_like(self._died_at_s, np.nan),
        )
