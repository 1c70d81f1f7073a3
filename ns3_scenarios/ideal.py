"""The ideal network: lossless, instant, free. A control, never a stand-in for ns-3."""

import numpy as np

from ns3_scenarios.batteries import OFF, Batteries
from ns3_scenarios.causes import causes_of_airtime
from ns3_scenarios.description.mobility import contact_s
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import OUTCOMES, FlowReport, LinkReport, RoundReport, num_chunks
from ns3_scenarios.traffic import RoundTraffic


class IdealNetwork:
    """Delivers every message of a living device at once; its radio draws nothing.

    Computing, harvest and battery capacity hold as on ns-3: a battery that cannot pay for the
    computing runs empty in it, and its device sends nothing any more. The radio counts as off.
    """

    def __init__(self, scenario: NetworkScenario) -> None:
        self._scenario = scenario
        self._batteries = Batteries(scenario)

    def wait_ready(self) -> None:
        """Do nothing: it stands when made."""

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        """Deliver all that is ready while both its ends live."""
        n = len(traffic.compute_s)
        ready_s = traffic.compute_s[traffic.src]
        duration_s = traffic.period_s
        if traffic.stop_when_settled:
            duration_s = float(traffic.compute_s.max(initial=0.0))
        traffic.refuse_sleep()
        self._batteries.begin_round(traffic)
        self._compute(traffic, duration_s)
        lived_s = self._batteries.lived_s
        # Both ends must live at the instant in which a message is sent and received.
        whole = (ready_s <= lived_s[traffic.src]) & (ready_s <= lived_s[traffic.dst])
        sent = np.where(whole, traffic.payload_bytes, 0)
        energy, nothing_s = self._batteries.end_round(), np.zeros((n, n))
        chunk_bytes = self._scenario.transport.segment_bytes
        finish_s = np.where(whole, ready_s, np.inf)
        return RoundReport(
            round_index=traffic.round_index,
            start_s=self._batteries.start_s,
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
                sinr_db=np.full((n, n), np.nan),
                snr_db=np.full((n, n), np.nan),
                loss_ratio=np.full((n, n), np.nan),
                frames=np.zeros((n, n), dtype=np.int64),
                airtime_s=np.zeros((n, n)),
                received_bytes=np.zeros((n, n), dtype=np.int64),
                is_peer=~np.eye(n, dtype=np.bool_),
                next_hop=np.where(np.eye(n, dtype=np.bool_), -1, np.arange(n)),
                contact_s=contact_s(
                    self._scenario.position_m,
                    self._scenario.settings.neighbour_distance_m,
                    duration_s,
                ),
            ),
            energy=energy,
            causes=causes_of_airtime(self._batteries.state_power_w, energy, nothing_s, nothing_s),
            chunk_bytes=chunk_bytes,
            chunk_arrived=np.repeat(whole, num_chunks(traffic.payload_bytes, chunk_bytes)),
            stale_datagrams=np.zeros(n, dtype=np.int64),
            position_m=self._scenario.position_m,
            num_events=0,
        )

    def _compute(self, traffic: RoundTraffic, duration_s: float) -> None:
        """Let all devices compute, and then wait for the end of the round."""
        batteries = self._batteries
        radio_off = np.full(len(traffic.compute_s), OFF)
        for stop_s in np.unique(np.minimum([*traffic.compute_s, duration_s], duration_s)):
            while batteries.elapsed_s < stop_s:
                busy = batteries.elapsed_s < traffic.compute_s
                compute_w = np.where(busy, traffic.compute_w, 0.0)
                batteries.live_until(float(stop_s), radio_off, compute_w)

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    def kill(self) -> None:
        """Do nothing: it holds nothing."""
