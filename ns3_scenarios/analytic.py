"""The analytic network: every link at its Shannon capacity. What papers assume, not ns-3."""

from dataclasses import dataclass

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.batteries import Batteries
from ns3_scenarios.causes import causes_of_airtime
from ns3_scenarios.description.channel import link_loss_db
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.mobility import contact_s
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import OUTCOMES, FlowReport, LinkReport, RoundReport, num_chunks
from ns3_scenarios.traffic import RoundTraffic

TX, RX, IDLE = (RADIO_STATES.index(name) for name in ("tx", "rx", "idle"))


def link_snr_db(scenario: NetworkScenario) -> FloatArray:
    """Return SNR_ij = P_tx + 2 G - L_ij - N of every pair, (n, n) [dB]; -inf on the diagonal.

    Transmit power, antenna gain at both ends and noise k T B F are the radio's, the loss with its
    shadowing the channel's. Left out: interference and fast fading.
    """
    radio = scenario.radio
    received_dbm = (
        radio.tx_power_dbm
        + 2 * radio.antenna_gain_dbi
        - link_loss_db(scenario.channel, scenario.position_m)
    )
    snr_db = received_dbm - radio.noise_power_dbm
    np.fill_diagonal(snr_db, -np.inf)
    return np.asarray(snr_db)


def capacity_bps(scenario: NetworkScenario) -> FloatArray:
    """Return the Shannon capacity C_ij = B log2(1 + SNR_ij), (n, n) [bit/s]; 0 on the diagonal.

    Source: Shannon, A Mathematical Theory of Communication, 1948, theorem 17.
    """
    return _capacity_bps(scenario, link_snr_db(scenario))


def _capacity_bps(scenario: NetworkScenario, snr_db: FloatArray) -> FloatArray:
    snr = 10 ** (snr_db / 10)
    return np.asarray(scenario.radio.bandwidth_hz * np.log1p(snr) / np.log(2))


@dataclass(frozen=True)
class _Schedule:
    """When each message is on the air if nobody dies, (f) [s from the round's start]."""

    src: IntArray
    dst: IntArray
    begin_s: FloatArray
    end_s: FloatArray

    def radio_state(self, at_s: float, alive: BoolArray) -> IntArray:
        """Return each device's radio state from at_s on, (n): sending hides receiving."""
        on_air = (self.begin_s <= at_s) & (at_s < self.end_s) & alive[self.src]
        state = np.full(len(alive), IDLE)
        state[self.dst[on_air]] = RX
        state[self.src[on_air]] = TX
        return state

    def is_settled(self, at_s: float, alive: BoolArray) -> bool:
        """Say whether every message has arrived by at_s, or has an end that died."""
        return bool(np.all((self.end_s <= at_s) | ~alive[self.src] | ~alive[self.dst]))


class AnalyticNetwork:
    """Serves each message at the Shannon capacity of its link, in one hop and without loss.

    A message of b bytes takes 8 b / C_ij seconds (`capacity_bps`). The messages of one sender
    share its radio: one after another in the order of the traffic, each at full power over the
    full band (TDMA within a sender). Different senders do not disturb each other, and a device
    sends and receives at once, from any number of senders (full duplex).

    A byte arrives in the instant in which it leaves, and its sender knows at once and at no cost:
    of a message that is cut off, by the round's end or by a death, the bytes that were on the air
    in full were handed and, while the receiver lived, delivered and acknowledged. Unsent bytes
    are dropped at the round's end. A sender does not know that its receiver is dead: it sends.

    The radio draws what it draws in ns-3: sending (also while it receives), else receiving, else
    idle; each device's state seconds add up to the round. Links report one frame per message on
    the air; loss_ratio is the share of their airtime at which the receiver was dead, else 0. Every
    pair with a capacity above 0 counts as peers.

    Left out: contention, interference, hidden terminals, fading, modulation and coding, headers,
    acknowledgements, retransmissions, forwarding, peering, propagation delay. Source of these
    assumptions: federated learning over wireless links, e.g. Yang et al., Energy Efficient
    Federated Learning Over Wireless Communication Networks, IEEE TWC 20(3), 2021, section II,
    whose senders share the band by frequency where each has all of it here.
    """

    def __init__(self, scenario: NetworkScenario) -> None:
        self._scenario = scenario
        self._batteries = Batteries(scenario)
        self._usual_snr_db = self._snr_db = link_snr_db(scenario)
        self._capacity_bps = capacity_bps(scenario)

    def wait_ready(self) -> None:
        """Do nothing: it stands when made."""

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        """Send what is ready until the round ends or its devices die."""
        traffic.refuse_sleep()
        state_power_w = traffic.state_power_w(self._scenario.state_power_w)
        self._tune(traffic)
        schedule = self._schedule(traffic)
        self._batteries.begin_round(state_power_w)
        self._live_through(traffic, schedule)
        start_s, duration_s = self._batteries.start_s, self._batteries.elapsed_s
        sent_until_s = np.minimum(duration_s, self._batteries.lived_s[traffic.src])
        heard_until_s = np.minimum(sent_until_s, self._batteries.lived_s[traffic.dst])
        flows = self._flows(traffic, schedule, sent_until_s, heard_until_s)
        sent_s = _seconds_on_air(schedule, sent_until_s)
        heard_s = _seconds_on_air(schedule, heard_until_s)
        energy = self._batteries.end_round()
        sent_table_s, heard_table_s = (self._per_link(traffic, each) for each in (sent_s, heard_s))
        return RoundReport(
            round_index=traffic.round_index,
            start_s=start_s,
            duration_s=duration_s,
            flows=flows,
            links=self._links(traffic, flows, sent_s, sent_table_s, heard_table_s),
            energy=energy,
            causes=causes_of_airtime(state_power_w, energy, sent_table_s, heard_table_s),
            chunk_bytes=self._scenario.transport.segment_bytes,
            chunk_arrived=self._chunks(traffic, flows),
            stale_datagrams=np.zeros(len(traffic.compute_s), dtype=np.int64),
            position_m=self._scenario.position_m,
            num_events=0,
        )

    def _tune(self, traffic: RoundTraffic) -> None:
        """Let radios send with the powers of the round, at the capacities that these give."""
        usual_dbm, transmit = self._scenario.radio.tx_power_dbm, traffic.transmit
        louder_db = 0.0 if transmit is None else transmit.power_dbm[:, np.newaxis] - usual_dbm
        self._snr_db = self._usual_snr_db + louder_db
        self._capacity_bps = _capacity_bps(self._scenario, self._snr_db)

    def _schedule(self, traffic: RoundTraffic) -> _Schedule:
        """Queue each sender's messages from the end of its computing on."""
        rate_bps = self._capacity_bps[traffic.src, traffic.dst]
        takes_s = np.divide(
            8.0 * traffic.payload_bytes,
            rate_bps,
            out=np.full(len(rate_bps), np.inf),
            where=rate_bps > 0,
        )
        begin_s, end_s = np.zeros((2, len(takes_s)))
        for device, ready_s in enumerate(traffic.compute_s):
            own = np.flatnonzero(traffic.src == device)
            instants_s = np.cumsum([ready_s, *takes_s[own]])
            begin_s[own], end_s[own] = instants_s[:-1], instants_s[1:]
        return _Schedule(traffic.src, traffic.dst, begin_s, end_s)

    def _live_through(self, traffic: RoundTraffic, schedule: _Schedule) -> None:
        """Drain the batteries from one change of anybody's power to the next, to the end."""
        batteries = self._batteries
        changes_s = np.concatenate([schedule.begin_s, schedule.end_s, traffic.compute_s])
        for stop_s in np.unique(np.minimum([*changes_s, traffic.period_s], traffic.period_s)):
            while batteries.elapsed_s < stop_s:
                now_s, alive = batteries.elapsed_s, batteries.alive
                busy = alive & (now_s < traffic.compute_s)
                may_stop = traffic.stop_when_settled and not busy.any()
                if may_stop and schedule.is_settled(now_s, alive):
                    return
                compute_w = np.where(busy, traffic.compute_w, 0.0)
                batteries.live_until(float(stop_s), schedule.radio_state(now_s, alive), compute_w)

    def _flows(
        self,
        traffic: RoundTraffic,
        schedule: _Schedule,
        sent_until_s: FloatArray,
        heard_until_s: FloatArray,
    ) -> FlowReport:
        sent_bytes = self._whole_bytes(traffic, schedule, sent_until_s)
        heard_bytes = self._whole_bytes(traffic, schedule, heard_until_s)
        died = self._batteries.lived_s < np.inf
        whole = schedule.end_s <= heard_until_s
        deaf = self._capacity_bps[traffic.src, traffic.dst] == 0
        ready_s = traffic.compute_s[traffic.src]
        finish_s = np.where(whole, schedule.end_s, np.inf)
        return FlowReport(
            outcome=np.select(
                [whole, died[traffic.src] | died[traffic.dst], deaf],
                [OUTCOMES.index(name) for name in ("delivered", "dead", "unreachable")],
                OUTCOMES.index("late"),
            ),
            handed_bytes=sent_bytes,
            unsent_bytes=traffic.payload_bytes - sent_bytes,
            delivered_bytes=heard_bytes,
            acked_bytes=heard_bytes,
            ready_s=ready_s,
            finish_s=finish_s,
            delay_s=finish_s - ready_s,
            retransmissions=np.zeros_like(sent_bytes),
        )

    def _whole_bytes(
        self, traffic: RoundTraffic, schedule: _Schedule, until_s: FloatArray
    ) -> IntArray:
        """Count the bytes of each message that were on the air in full by until_s, (f)."""
        byte_per_s = self._capacity_bps[traffic.src, traffic.dst] / 8
        whole = np.floor(_seconds_on_air(schedule, until_s) * byte_per_s).astype(np.int64)
        # Rounding must not complete a message that has not ended.
        cut_off = np.minimum(whole, traffic.payload_bytes - 1)
        return np.where(schedule.end_s <= until_s, traffic.payload_bytes, cut_off)

    def _chunks(self, traffic: RoundTraffic, flows: FlowReport) -> BoolArray:
        """Say which chunks of each message have left in full: the first ones."""
        chunk_bytes = self._scenario.transport.segment_bytes
        count = num_chunks(traffic.payload_bytes, chunk_bytes)
        whole = flows.delivered_bytes == traffic.payload_bytes
        arrived = np.where(whole, count, flows.delivered_bytes // chunk_bytes)
        return np.concatenate(
            [np.arange(of) < got for of, got in zip(count, arrived, strict=True)]
            or [np.zeros(0, dtype=np.bool_)]
        )

    def _per_link(
        self, traffic: RoundTraffic, values: FloatArray | IntArray | BoolArray
    ) -> FloatArray:
        """Add up what messages have (f), by link (n, n)."""
        total = np.zeros_like(self._capacity_bps)
        np.add.at(total, (traffic.src, traffic.dst), values)
        return total

    def _links(
        self,
        traffic: RoundTraffic,
        flows: FlowReport,
        sent_s: FloatArray,
        airtime_s: FloatArray,
        heard_airtime_s: FloatArray,
    ) -> LinkReport:
        scenario = self._scenario
        used = airtime_s > 0
        share_heard = np.divide(
            heard_airtime_s, airtime_s, out=np.full(used.shape, np.nan), where=used
        )
        return LinkReport(
            rate_bps=np.where(used, self._capacity_bps, np.nan),
            sinr_db=np.where(heard_airtime_s > 0, self._snr_db, np.nan),
            snr_db=np.where(np.isfinite(self._snr_db), self._snr_db, np.nan),
            loss_ratio=1 - share_heard,
            frames=self._per_link(traffic, sent_s > 0).astype(np.int64),
            airtime_s=airtime_s,
            received_bytes=self._per_link(traffic, flows.delivered_bytes).astype(np.int64),
            is_peer=self._capacity_bps > 0,
            next_hop=np.where(self._capacity_bps > 0, np.arange(len(self._capacity_bps)), -1),
            contact_s=contact_s(
                scenario.position_m,
                scenario.settings.neighbour_distance_m,
                self._batteries.elapsed_s,
            ),
        )

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    def kill(self) -> None:
        """Do nothing: it holds nothing."""


def _seconds_on_air(schedule: _Schedule, until_s: FloatArray) -> FloatArray:
    """How long each message was on the air by until_s, (f) [s]."""
    on_air_s = np.minimum(schedule.end_s, until_s) - schedule.begin_s
    return np.asarray(np.maximum(on_air_s, 0.0))
