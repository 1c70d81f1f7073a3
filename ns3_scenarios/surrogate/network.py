"""The surrogate network: exchanges of frames in place of packets, fitted to runs of packets."""

from __future__ import annotations

import itertools
import zlib

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.batteries import Batteries
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.mobility import contact_s
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import LinkReport, RoundReport
from ns3_scenarios.surrogate import fitted
from ns3_scenarios.surrogate.air import HEADER_BYTES, MESH_BYTES, air_of
from ns3_scenarios.surrogate.fitted import Fit
from ns3_scenarios.surrogate.medium import Medium
from ns3_scenarios.surrogate.paths import before, detour, link_metric, path
from ns3_scenarios.surrogate.round import Round, Rules
from ns3_scenarios.surrogate.tell import read_causes, read_flows
from ns3_scenarios.surrogate.transfers import Transfer
from ns3_scenarios.traffic import RoundTraffic

TX, RX, IDLE, CCA_BUSY, OFF = (
    RADIO_STATES.index(name) for name in ("tx", "rx", "idle", "cca_busy", "off")
)
# Batteries are looked at so often at least; where one may run empty, the more often.
STEP_S, LEAST_STEP_S = 0.1, 1e-3
Pair = tuple[int, int]
Way = tuple[int, ...]


class SurrogateNetwork:
    """Plays exchanges of frames: backoff, RTS, CTS, data, acknowledgement, over hops, with answers.

    Powers, who hears whom, rates and airtimes follow from link budgets and the standard; medium
    access, hidden senders, retries, windows and time-outs are played (`medium`, `round`); what they
    leave open are coefficients, fitted to runs of packets of 9 to 49 devices (`fitted`), which also
    says of which networks: others are refused. In a mesh some paths, drawn anew each round, go
    without the first link of the cheapest: packets lose links to beacons and requests that collide.

    Radios send, receive or find the medium busy by what they hear. Batteries are looked at every
    1 to 100 ms, so that a device that runs empty may be noticed to be dead up to 1 ms late.
    Frames that a round leaves in the queues go on the air in the next one, as in ns-3.

    Left out: each frame's own noise, path discovery, beacons, EIFS, interference by CTS and
    acknowledgements. Draws come from a stream of the scenario's run number.
    """

    def __init__(self, scenario: NetworkScenario, fit: Fit | None = None) -> None:
        """Make it ready; fit: none for that of the scenario, which refuses other networks."""
        self._scenario = scenario
        of = fitted.check(scenario) if fit is None else fit
        self._air = air_of(scenario)
        transport = scenario.transport
        self._rules = Rules(
            transport.segment_bytes,
            transport.max_window_segments,
            transport.peers_at_once,
            of.coefficients.answer_every,
        )
        self._batteries = Batteries(scenario)
        rng = np.random.default_rng([scenario.rng_run, zlib.crc32(b"surrogate")])
        self._forwards = fitted.is_forwarding(scenario.name)
        header_bytes = HEADER_BYTES + MESH_BYTES * self._forwards
        self._medium = Medium(self._air, of.coefficients, header_bytes, rng)
        self._metric = link_metric(self._air, scenario.radio.bandwidth_hz)
        self._before = before(self._metric) if self._forwards else None
        self._detour_share = of.coefficients.detour_share
        self.ways: dict[Pair, Way] = {}  # of this round
        self._usual: dict[Pair, Way] = {}
        self._detours: dict[Pair, Way] = {}
        self._known: dict[Pair, Transfer] = {}

    def wait_ready(self) -> None:
        """Do nothing: it stands when made."""

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        """Send what is ready until the round ends or its devices die."""
        traffic.refuse_sleep()
        medium, scenario = self._medium, self._scenario
        self._batteries.begin_round(traffic)
        medium.begin_books()
        pairs = zip(traffic.src.tolist(), traffic.dst.tolist(), strict=True)
        self.ways = {pair: self._way(*pair) for pair in dict.fromkeys(pairs)}
        current = Round(
            medium,
            traffic,
            self.ways,
            self._known,
            self._rules,
        )
        for device in np.flatnonzero(~self._batteries.alive):
            current.kill(int(device))
        self._live_through(traffic, current)
        current.end()
        energy = self._batteries.end_round()
        duration_s = self._batteries.elapsed_s
        flows, arrived = read_flows(traffic, current, energy, self._batteries.start_s, scenario)
        return RoundReport(
            round_index=traffic.round_index,
            start_s=self._batteries.start_s,
            duration_s=duration_s,
            flows=flows,
            links=self._links(duration_s),
            energy=energy,
            causes=read_causes(traffic, current, energy, self._batteries.state_power_w),
            chunk_bytes=scenario.transport.segment_bytes,
            chunk_arrived=arrived,
            stale_datagrams=current.stale,
            position_m=scenario.position_m,
            num_events=0,
        )

    def _way(self, src: int, dst: int) -> Way:
        """Return over whom a device's messages for another go in this round."""
        if self._before is None:
            return src, dst
        pair = src, dst
        if pair not in self._usual:
            self._usual[pair] = path(self._before[src], src, dst) or pair
        if self._medium.uniform() >= self._detour_share:
            return self._usual[pair]
        if pair not in self._detours:
            self._detours[pair] = detour(self._metric, self._usual[pair])
        return self._detours[pair]

    def _live_through(self, traffic: RoundTraffic, current: Round) -> None:
        """Drain the batteries step by step, each by what the radios did in it."""
        batteries, medium = self._batteries, self._medium
        computed_s = np.unique(traffic.compute_s)
        while batteries.elapsed_s < traffic.period_s:
            now_s, alive = batteries.elapsed_s, batteries.alive
            computing = bool((alive & (traffic.compute_s > now_s)).any())
            if traffic.stop_when_settled and current.open == 0 and not computing:
                return
            current.ends_when_settled = traffic.stop_when_settled and not computing
            ahead_s = computed_s[computed_s > now_s]
            stop_s = min(now_s + self._step_s(traffic), traffic.period_s, *ahead_s[:1])
            before_s = medium.radios.states_s()
            medium.is_over = False
            medium.run(current.start_s + stop_s)
            if medium.is_over:
                stop_s = medium.now_s - current.start_s
            self._drain(traffic, current, stop_s, medium.radios.states_s() - before_s)

    def _step_s(self, traffic: RoundTraffic) -> float:
        """Return how long no battery can run empty, within limits."""
        power_w = self._batteries.state_power_w.max(axis=1) + self._scenario.draws.board_idle_w
        power_w = power_w + traffic.compute_w
        lasts_s = np.divide(
            self._batteries.remaining_j,
            power_w,
            out=np.full(len(power_w), np.inf),
            where=power_w > 0,
        )
        return float(
            np.clip(lasts_s[self._batteries.alive].min(initial=np.inf), LEAST_STEP_S, STEP_S)
        )

    def _drain(
        self, traffic: RoundTraffic, current: Round, stop_s: float, spent_s: FloatArray
    ) -> None:
        batteries = self._batteries
        begin_s = batteries.elapsed_s
        span_s = stop_s - begin_s
        if span_s <= 0:
            return
        share = np.zeros_like(batteries.state_power_w)
        share[:, [TX, RX, CCA_BUSY]] = spent_s.T / span_s
        share = share.clip(0.0, 1.0)
        share[:, IDLE] = np.maximum(1.0 - share.sum(axis=1), 0.0)
        share /= share.sum(axis=1, keepdims=True)
        compute_w = np.where(traffic.compute_s > begin_s, traffic.compute_w, 0.0)
        was_alive = batteries.alive
        while batteries.elapsed_s < stop_s:
            batteries.live_as(stop_s, share, compute_w)
        for device in np.flatnonzero(was_alive & ~batteries.alive):
            current.kill(int(device))

    def _links(self, duration_s: float) -> LinkReport:
        scenario, medium, air = self._scenario, self._medium, self._air
        n = scenario.num_devices
        frames, lost, airtime_s, rate_sum, received = np.zeros((5, n, n))
        for pair, books in medium.links.items():
            for table, value in zip(
                (frames, lost, airtime_s, rate_sum, received), books, strict=True
            ):
                table[pair] = value
        with np.errstate(invalid="ignore", divide="ignore"):
            snr_db = 10 * np.log10(air.snr)
            rate_bps, loss_ratio = rate_sum / frames, lost / frames
        sinr_db = np.full((n, n), np.nan)
        for pair, sinr in medium.sinr.items():
            sinr_db[pair] = 10 * np.log10(sinr)
        next_hop = np.full((n, n), -1)
        if self._forwards:
            # Of a device that several ways to one other go through, the usual one is told.
            ways = sorted(self.ways.items(), key=lambda each: each[1] == self._usual[each[0]])
            for (_, dst), way in ways:
                for here, there in itertools.pairwise(way):
                    next_hop[here, dst] = there
        return LinkReport(
            rate_bps=rate_bps,
            sinr_db=sinr_db,
            snr_db=np.where(np.isfinite(snr_db), snr_db, np.nan),
            loss_ratio=loss_ratio,
            frames=frames.astype(np.int64),
            airtime_s=airtime_s,
            received_bytes=received.astype(np.int64),
            is_peer=air.hears & self._forwards,
            next_hop=next_hop,
            contact_s=contact_s(
                scenario.position_m, scenario.settings.neighbour_distance_m, duration_s
            ),
        )

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    def kill(self) -> None:
        """Do nothing: it holds nothing."""
