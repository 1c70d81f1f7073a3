"""A network that begins anew every so many rounds, from where the last segment stood.

A run of packets cannot be stored, so that who goes on with a run that was cut short has to repeat
it. In segments, only the one under way is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.channel import log_normal_shadowing_db
from ns3_scenarios.description.harvest import Harvest
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.description.shadowing import network_shadowing_db
from ns3_scenarios.network import Network
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic

# ns-3 takes a run number of 64 bits; seeds are below 2^31.
RUNS_OF_A_SEGMENT = 2**32


def no_round(round_index: int) -> RoundReport:
    """Return the report of a round where none is known."""
    raise LookupError(f"round {round_index + 1} is not known")


class SegmentedNetwork:
    """Owns the network of the segment under way: new for each `length` rounds of `rounds` in all.

    Carried over: batteries, who is dead, positions, the clock, and harvest over time. New in each:
    random numbers, MAC and transport with what was left in their queues, peers and paths (found
    anew before the segment's first round, without charge), and fading; who moves has another
    direction, speed, line of sight and shadowing (but of one field, which stays), and moves on
    meanwhile, for boot_s.

    begin(scenario) gives a network; first: that with which this process began. known(round_index):
    the report of one of the first num_known rounds, which were run before; those of a segment that
    is over are not run again.
    """

    def __init__(
        self,
        begin: Callable[[NetworkScenario], Network],
        scenario: NetworkScenario,
        length: int,
        rounds: int,
        num_known: int = 0,
        known: Callable[[int], RoundReport] = no_round,
    ) -> None:
        self._begin, self._scenario = begin, scenario
        self._length, self._rounds = length, rounds
        self._known, self.first_round = known, num_known - num_known % length
        self._died_at_s = np.full(scenario.num_devices, np.nan)
        self._first_start_s = self._end_s = self._shift_s = 0.0
        self.first: Network | None = begin(scenario) if self.first_round == 0 else None
        self._network = self.first

    def wait_ready(self) -> None:
        """Return when the network of the segment stands."""
        if self._network is not None:
            self._network.wait_ready()

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        """Carry one round's traffic; a segment's last round ends its network."""
        index = traffic.round_index
        if self._network is None:
            report = self._known(index)
        else:
            report = self._on_one_clock(self._network.run_round(traffic), index)
        if index == 0:
            self._first_start_s = report.start_s
        self._died_at_s = report.energy.died_at_s
        self._end_s = report.start_s + report.duration_s
        if index + 1 >= self.first_round and (index + 1) % self._length == 0:
            self.close()
            if index + 1 < self._rounds:  # so that it gets ready while the learning goes on
                self._network = self._begin(self._carried_over(report, index + 1))
                self.first = self.first or self._network
        return report

    def close(self) -> None:
        """End the network of the segment."""
        if self._network is not None:
            self._network.close()

    def kill(self) -> None:
        """End it at once."""
        if self._network is not None:
            self._network.kill()

    def _carried_over(self, last: RoundReport, round_index: int) -> NetworkScenario:
        """Return the scenario of the segment that begins with a round."""
        scenario, alive = self._scenario, last.energy.alive
        harvest = later(scenario.harvest, self._end_s - self._first_start_s)
        harvest = Harvest(harvest.times_s, np.where(alive, harvest.power_w, 0.0))
        run = scenario.rng_run + RUNS_OF_A_SEGMENT * (round_index // self._length)
        position_m, channel = last.position_m.copy(), scenario.channel
        if scenario.mobility.moves:
            low_high = np.reshape(scenario.mobility.area_m, (2, 2))
            position_m[:, :2] = position_m[:, :2].clip(*low_high.T)  # at an edge, by rounding
            if channel.shadowing_field is not None:
                shadowing_db = network_shadowing_db(channel.shadowing_field, position_m)
            else:
                sigma_db, rng = channel.shadowing_sigma_db, np.random.default_rng(run)
                shadowing_db = log_normal_shadowing_db(scenario.num_devices, sigma_db, rng)
            channel = channel.model_copy(update={"shadowing_db": shadowing_db})
        return replace(
            scenario,
            position_m=position_m,
            channel=channel,
            neighbours=scenario.neighbours & alive & alive[:, np.newaxis],
            initial_energy_j=np.where(alive, np.maximum(last.energy.remaining_energy_j, 0.0), 0.0),
            harvest_power_w=harvest.power_w[0],
            harvest_trace=harvest,
            rng_run=run,
        )

    def _on_one_clock(self, report: RoundReport, round_index: int) -> RoundReport:
        """Let the clock go on from the segment before; who died there, did so then."""
        energy = report.energy
        if round_index % self._length == 0 and round_index > 0:
            self._shift_s = self._end_s - report.start_s
        died_at_s = np.where(
            np.isnan(self._died_at_s), energy.died_at_s + self._shift_s, self._died_at_s
        )
        return replace(
            report,
            start_s=report.start_s + self._shift_s,
            energy=replace(energy, died_at_s=died_at_s),
        )


def later(harvest: Harvest, elapsed_s: float) -> Harvest:
    """Return the same harvest with its clock set to 0 so many seconds in."""
    past = int(np.searchsorted(harvest.times_s, elapsed_s, side="right"))
    times_s: FloatArray = np.append(0.0, harvest.times_s[past:] - elapsed_s)
    return Harvest(times_s, harvest.power_w[past - 1 :])
