"""The ideal network: lossless, instant, free. A control, never a stand-in for ns-3."""

import numpy as np

from ns3_scenarios.mobility import contact_s
from ns3_scenarios.reports import OUTCOMES, EnergyReport, FlowReport, LinkReport, RoundReport
from ns3_scenarios.scenario import RADIO_STATES, NetworkScenario
from ns3_scenarios.traffic import RoundTraffic


class IdealNetwork:
    """Delivers every message of a living device at once; its radio draws nothing.

    Computing, harvest and battery capacity hold as on ns-3: a battery that cannot pay for the
    computing runs empty in it, and its device sends nothing any more.
    """

    def __init__(self, scenario: NetworkScenario) -> None:
        self._scenario = scenario
        self._now_s = 0.0
        self._remaining_j = scenario.initial_energy_j.copy()
        self._died_at_s = np.full(scenario.num_devices, np.nan)

    def wait_ready(self) -> None:
        """Do nothing: it stands when made."""

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        """Deliver all that is ready while both its ends live."""
        start_s, n = self._now_s, self._scenario.num_devices
        ready_s = traffic.compute_s[traffic.src]
        duration_s = traffic.period_s
        if traffic.stop_when_settled:
            duration_s = float(traffic.compute_s.max(initial=0.0))
        energy = self._drain(traffic, duration_s)
        # Both ends must live at the instant in which a message is sent and received.
        lived_s = np.where(np.isnan(self._died_at_s), np.inf, self._died_at_s - start_s)
        whole = (ready_s <= lived_s[traffic.src]) & (ready_s <= lived_s[traffic.dst])
        sent = np.where(whole, traffic.payload_bytes, 0)
        finish_s = np.where(whole, ready_s, np.inf)
        self._now_s += duration_s
        return RoundReport(
            round_index=traffic.round_index,
            start_s=start_s,
            duration_s=duration_s,
            flows=FlowReport(
                outcome=np.where(whole, OUTCOMES.index("delivered"), OUTCOMES.index("dead")),
                handed_bytes=sent,
                unsent_bytes=traffic.payload_bytes - sent,
                delivered_bytes=sent,
                acked_bytes=sent,
                ready_s=ready_s,
                finish_s=finish_s,
                delay_s=finish_s - ready_s,
                retransmissions=np.zeros_like(sent),
            ),
            links=LinkReport(
                rate_bps=np.full((n, n), np.nan),
                snr_db=np.full((n, n), np.nan),
                loss_ratio=np.full((n, n), np.nan),
                frames=np.zeros((n, n), dtype=np.int64),
                airtime_s=np.zeros((n, n)),
                received_bytes=np.zeros((n, n), dtype=np.int64),
                is_peer=~np.eye(n, dtype=np.bool_),
                next_hop=np.where(np.eye(n, dtype=np.bool_), -1, np.arange(n)),
                contact_s=contact_s(
                    self._scenario.position_m, self._scenario.contact_distance_m, duration_s
                ),
            ),
            energy=energy,
            stale_datagrams=np.zeros(n, dtype=np.int64),
            position_m=self._scenario.position_m,
            num_events=0,
        )

    def _drain(self, traffic: RoundTraffic, duration_s: float) -> EnergyReport:
        """Spend the computing of a round; harvest flows in evenly and overflows at capacity."""
        n, capacity_j = self._scenario.num_devices, self._scenario.battery_capacity_j
        start_j = self._remaining_j.copy()
        alive = np.isnan(self._died_at_s)
        harvest_w = np.where(alive, self._scenario.harvest_power_w, 0.0)
        compute_s = np.where(alive, np.minimum(traffic.compute_s, duration_s), 0.0)
        power_w = np.divide(
            traffic.compute_j,
            traffic.compute_s,
            out=np.zeros(n),
            where=traffic.compute_s > 0,
        )
        net_w = power_w - harvest_w
        lasts_s = np.divide(start_j, net_w, out=np.full(n, np.inf), where=net_w > 0)
        dies = alive & (lasts_s < compute_s)
        compute_s = np.where(dies, lasts_s, compute_s)
        self._died_at_s = np.where(dies, self._now_s + lasts_s, self._died_at_s)
        compute_j = power_w * compute_s
        lived_s = np.where(dies, lasts_s, duration_s)
        harvested_j = harvest_w * lived_s
        # Two pieces, computing and then not; in each the battery moves one way only.
        after_compute_j = start_j + harvest_w * compute_s - compute_j
        overflow_j = np.maximum(after_compute_j - capacity_j, 0.0)
        at_end_j = after_compute_j - overflow_j + harvest_w * (lived_s - compute_s)
        overflow_j += np.maximum(at_end_j - capacity_j, 0.0)
        self._remaining_j = start_j + harvested_j - overflow_j - compute_j
        return EnergyReport(
            state_s=np.zeros((n, len(RADIO_STATES))),
            state_j=np.zeros((n, len(RADIO_STATES))),
            compute_j=compute_j,
            harvested_j=harvested_j,
            overflow_j=overflow_j,
            start_energy_j=start_j,
            remaining_energy_j=self._remaining_j.copy(),
            died_at_s=self._died_at_s.copy(),
        )

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    def kill(self) -> None:
        """Do nothing: it holds nothing."""
