"""The analytic network: every link at its Shannon capacity. What papers assume, not ns-3."""

import numpy as np

from ns3_scenarios.airtime import Carried, Schedule, carry
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.batteries import Batteries
from ns3_scenarios.causes import causes_of_airtime
from ns3_scenarios.description.channel import link_loss_db
from ns3_scenarios.description.mobility import contact_s
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import LinkReport, RoundReport
from ns3_scenarios.traffic import RoundTraffic


def link_snr_db(scenario: NetworkScenario) -> FloatArray:
    """Return SNR_ij = P_tx + 2 G - L_ij - N of every pair, (n, n) [dB]; -inf on the diagonal.

    Transmit power is each device's usual one, antenna gain at both ends and noise k T B F are the
    radio's, the loss with its shadowing the channel's. Left out: interference and fast fading.
    """
    radio = scenario.radio
    received_dbm = (
        scenario.draws.tx_power_dbm[:, np.newaxis]
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
        self._tune(traffic)
        schedule, chunk_bytes = self._schedule(traffic), self._scenario.transport.segment_bytes
        carried = carry(self._batteries, traffic, schedule, chunk_bytes)
        energy = self._batteries.end_round()
        on_air_s = (traffic.per_link(each) for each in (carried.sent_s, carried.heard_s))
        return RoundReport(
            round_index=traffic.round_index,
            start_s=self._batteries.start_s,
            duration_s=carried.duration_s,
            flows=carried.flows,
            links=self._links(traffic, carried),
            energy=energy,
            causes=causes_of_airtime(self._batteries.state_power_w, energy, *on_air_s),
            chunk_bytes=chunk_bytes,
            chunk_arrived=carried.chunk_arrived,
            stale_datagrams=np.zeros(len(traffic.compute_s), dtype=np.int64),
            position_m=self._scenario.position_m,
            num_events=0,
        )

    def _tune(self, traffic: RoundTraffic) -> None:
        """Let radios send with the powers of the round, at the capacities that these give."""
        usual_dbm, transmit = self._scenario.draws.tx_power_dbm, traffic.transmit
        louder_db = 0.0 if transmit is None else (transmit.power_dbm - usual_dbm)[:, np.newaxis]
        self._snr_db = self._usual_snr_db + louder_db
        self._capacity_bps = _capacity_bps(self._scenario, self._snr_db)

    def _schedule(self, traffic: RoundTraffic) -> Schedule:
        """Queue each sender's messages from the end of its computing on, a stretch each."""
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
        return Schedule(
            message=np.arange(len(takes_s)),
            begin_s=begin_s,
            end_s=end_s,
            byte_per_s=rate_bps / 8,
            end_s_of=end_s,
            lag_s=np.zeros_like(end_s),
            up_s=np.where(rate_bps > 0, 0.0, np.inf),
        )

    def _links(self, traffic: RoundTraffic, carried: Carried) -> LinkReport:
        scenario, of_links = self._scenario, traffic.per_link
        airtime_s, heard_airtime_s = of_links(carried.sent_s), of_links(carried.heard_s)
        used = airtime_s > 0
        share_heard = np.divide(
            heard_airtime_s, airtime_s, out=np.full(used.shape, np.nan), where=used
        )
        return LinkReport(
            rate_bps=np.where(used, self._capacity_bps, np.nan),
            sinr_db=np.where(heard_airtime_s > 0, self._snr_db, np.nan),
            snr_db=np.where(np.isfinite(self._snr_db), self._snr_db, np.nan),
            loss_ratio=1 - share_heard,
            frames=of_links(carried.sent_s > 0).astype(np.int64),
            airtime_s=airtime_s,
            received_bytes=of_links(carried.flows.delivered_bytes).astype(np.int64),
            is_peer=self._capacity_bps > 0,
            next_hop=np.where(self._capacity_bps > 0, np.arange(len(self._capacity_bps)), -1),
            contact_s=contact_s(
                scenario.position_m,
                scenario.settings.neighbour_distance_m,
                carried.duration_s,
            ),
        )

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    def kill(self) -> None:
        """Do nothing: it holds nothing."""
