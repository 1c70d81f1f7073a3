"""What a round came to, as the network measured it."""

from dataclasses import dataclass

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray

OUTCOMES = ("delivered", "partial", "lost", "unreachable", "late", "dead")


@dataclass(frozen=True)
class FlowReport:
    """The fate of each message, (f) in the order of the traffic.

    outcome: index into OUTCOMES. delivered: all bytes came in time. late: the round ended first.
    lost, partial: the transport gave up, or has sent all of it once (udp, broadcast), with nothing
    or some of it at the receiver. unreachable: nothing is there, and its sender had time for an
    answer but heard nothing of the receiver in the round. dead: sender or receiver ran empty first.
    offered = handed + unsent; handed_bytes went to the socket (first transmissions), acked_bytes is
    what the sender knows. finish_s counts from the start of the round, inf if not delivered;
    delay_s = finish_s - ready_s, with the up to 20 ms by which each device spreads its start.
    """

    outcome: IntArray
    handed_bytes: IntArray
    unsent_bytes: IntArray
    delivered_bytes: IntArray
    acked_bytes: IntArray
    ready_s: FloatArray
    finish_s: FloatArray
    delay_s: FloatArray
    retransmissions: IntArray


@dataclass(frozen=True)
class LinkReport:
    """Unicast data frames per link, (n, n): row sends, column receives.

    rate_bps: mean PHY rate of sent frames; sinr_db: signal over noise and interference, mean over
    received PPDUs; both nan where none. snr_db: the link's own, received power over noise by path
    loss and shadowing at the row device's last frame to anybody (fading, which differs from frame
    to frame, left out); nan before that, and where the channel is not of this package.
    loss_ratio: share of frames on the air that their addressee did not receive, nan where none.
    frames counts retransmissions; airtime_s is that of the PPDUs; received_bytes are MAC bytes.
    is_peer: the row device's own peering protocol counts the column device as a
    peer; never so in ad hoc, which has none. next_hop: to whom the row device's mesh would send a
    frame for the column device at the end of the round, -1 where it knows no path or there is no
    mesh. contact_s: how long the two were within neighbour_distance_m.
    """

    rate_bps: FloatArray
    sinr_db: FloatArray
    snr_db: FloatArray
    loss_ratio: FloatArray
    frames: IntArray
    airtime_s: FloatArray
    received_bytes: IntArray
    is_peer: BoolArray
    next_hop: IntArray
    contact_s: FloatArray

    @property
    def hops(self) -> IntArray:
        """Hops of the path that follows next_hop, (n, n); -1 where it does not arrive."""
        n = len(self.next_hop)
        at = np.broadcast_to(np.arange(n)[:, None], (n, n)).copy()
        goal = np.broadcast_to(np.arange(n), (n, n))
        hops = np.full((n, n), -1)
        for count in range(1, n):
            at = np.where(at >= 0, self.next_hop[at, goal], -1)
            arrived = at == goal
            hops = np.where(arrived, count, hops)
            at = np.where(arrived, -1, at)
            if not (at >= 0).any():
                break
        return hops


@dataclass(frozen=True)
class EnergyReport:
    """Joules of one round and the batteries at its end.

    state_s, state_j (n, states) in the order of RADIO_STATES; compute_j, board_j, harvested_j,
    overflow_j, remaining_energy_j (n); died_at_s and revived_at_s (n): when a device last ran empty
    and last came back, on the simulation's clock, nan if it never did.
    start + harvested - overflow - sum(state_j) - compute - board = remaining, which is some
    microjoules below 0 for a device that died.
    """

    state_s: FloatArray
    state_j: FloatArray
    compute_j: FloatArray
    board_j: FloatArray
    harvested_j: FloatArray
    overflow_j: FloatArray
    start_energy_j: FloatArray
    remaining_energy_j: FloatArray
    died_at_s: FloatArray
    revived_at_s: FloatArray

    @property
    def alive(self) -> BoolArray:
        """Who lives at the end of the round, (n)."""
        return np.asarray(np.isnan(self.died_at_s) | (self.revived_at_s > self.died_at_s))

    def dead_since(self, time_s: float) -> BoolArray:
        """Who was dead at any time from then to the end of the round, (n)."""
        return np.asarray(~self.alive | (self.revived_at_s > time_s))


@dataclass(frozen=True)
class CauseReport:
    """Joules of the radios above those of idle ones, by what they were drawn for.

    For messages src -> dst, (n, n): sender_j at src, receiver_j at dst; forwarded_j (r), at each
    device forwarded_by (r) in between, of the messages forwarded_src -> forwarded_dst (r). They
    hold all frames of these messages, and of the answers to them: sent again ones, RTS, CTS and
    acknowledgements too. airtime_s (n, n): how long these were on the air, over all hops.
    Of each device, (n): overheard_j, receiving messages between others; protocol_j, frames that
    carry no message (beacons, peering, paths, routing) or a broadcast of an earlier round;
    cut_off_j, receptions that came to no end in the round; medium_busy_j, finding the medium busy;
    away_j, switching, asleep or off, below 0 where that draws less than idling.
    Their sum is the radio's joules minus duration_s times the power of an idle radio. An RTS,
    and an agreement on block acknowledgements, counts for the message that last went over its hop.
    """

    sender_j: FloatArray
    receiver_j: FloatArray
    airtime_s: FloatArray
    forwarded_src: IntArray
    forwarded_dst: IntArray
    forwarded_by: IntArray
    forwarded_j: FloatArray
    overheard_j: FloatArray
    protocol_j: FloatArray
    cut_off_j: FloatArray
    medium_busy_j: FloatArray
    away_j: FloatArray

    @property
    def of_devices(self) -> dict[str, FloatArray]:
        """Each device's joules by cause, (n) [J]."""
        n = len(self.overheard_j)
        return {
            "sending_j": self.sender_j.sum(axis=1),
            "receiving_j": self.receiver_j.sum(axis=0),
            "forwarding_j": np.bincount(self.forwarded_by, self.forwarded_j, n),
            "overheard_j": self.overheard_j,
            "protocol_j": self.protocol_j,
            "cut_off_j": self.cut_off_j,
            "medium_busy_j": self.medium_busy_j,
            "away_j": self.away_j,
        }


def num_chunks(payload_bytes: IntArray, chunk_bytes: int) -> IntArray:
    """Return how many chunks each message has, (f): payload_bytes / chunk_bytes, rounded up."""
    return -(-payload_bytes // chunk_bytes)


def first_chunks(count: IntArray, arrived: IntArray) -> BoolArray:
    """Return which chunks arrived of messages of count (f) chunks, where the first arrived (f) did.

    As RoundReport.chunk_arrived.
    """
    of_each = [np.arange(of) < got for of, got in zip(count, arrived, strict=True)]
    return np.concatenate(of_each or [np.zeros(0, dtype=np.bool_)])


@dataclass(frozen=True)
class RoundReport:
    """One round on the simulated clock; stale_datagrams (n): of earlier rounds, arrived in it.

    Messages travel in chunks of chunk_bytes, the last one shorter; chunk_arrived (chunks of all
    messages, one message after the other).
    """

    round_index: int
    start_s: float
    duration_s: float
    flows: FlowReport
    links: LinkReport
    energy: EnergyReport
    causes: CauseReport
    chunk_bytes: int
    chunk_arrived: BoolArray
    stale_datagrams: IntArray
    position_m: FloatArray
    num_events: int
