"""What a byte costs on its way, as the last rounds showed, and what the next round will cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic


@dataclass(frozen=True)
class TransmissionCost:
    """Marginal cost of a byte of the messages src -> dst, (n, n): row sends, column receives.

    sender_j_per_byte: at src, relay_j_per_byte: at all devices in between, airtime_s_per_byte: on
    the air over all hops, each a byte that src hands over; receiver_j_per_byte: at dst, a byte that
    arrives. Joules are those above an idle radio's, which is paid anyway, with all that a byte
    brings along (headers, RTS and CTS, acknowledgements, retransmissions), and without what others
    overhear. acked_share: of the bytes handed over, those that src knows to have arrived. All of
    the last round in which src handed measured_bytes to its socket, age_rounds ago; nan and 0 bytes
    where it never did. reachable: messages arrived in this round, or the peering of src holds dst.
    """

    sender_j_per_byte: FloatArray
    receiver_j_per_byte: FloatArray
    relay_j_per_byte: FloatArray
    airtime_s_per_byte: FloatArray
    acked_share: FloatArray
    measured_bytes: IntArray
    age_rounds: IntArray
    reachable: BoolArray


def unmeasured(num_devices: int) -> TransmissionCost:
    """Return the costs of links that have carried nothing yet."""
    pairs = (num_devices, num_devices)
    never = np.full(pairs, np.nan)
    return TransmissionCost(
        sender_j_per_byte=never,
        receiver_j_per_byte=never,
        relay_j_per_byte=never,
        airtime_s_per_byte=never,
        acked_share=never,
        measured_bytes=np.zeros(pairs, dtype=np.int64),
        age_rounds=np.zeros(pairs, dtype=np.int64),
        reachable=np.zeros(pairs, dtype=np.bool_),
    )


@dataclass(frozen=True)
class LastRound:
    """What the forecast of a round goes by: the one before it.

    communication_j (n): of the radio; cost: with this round in it; forwarding_j, overheard_j (n).
    (n, n) [src, dst]: sent_bytes, of offered_bytes, handed over at src; received_bytes, of what dst
    expected of src, expected_bytes, arrived there. tx_power_dbm (n): what each sent with; sending_j
    (n): drawn while it sent, idling included. rate_bps (n, n) of frames of src to dst; path_snr_db
    (n, n): at which dst would hear src at its usual power, usual_dbm, nan where it heard nothing
    (frames say with which power they were sent). was_away (n): radios off the air for a while, by
    their policy or for want of energy, and back; back_j (n): what that saved them.
    """

    communication_j: FloatArray
    cost: TransmissionCost
    sent_bytes: IntArray
    received_bytes: IntArray
    offered_bytes: IntArray
    expected_bytes: IntArray
    forwarding_j: FloatArray
    overheard_j: FloatArray
    usual_dbm: FloatArray
    tx_power_dbm: FloatArray
    sending_j: FloatArray
    rate_bps: FloatArray
    path_snr_db: FloatArray
    was_away: BoolArray
    back_j: FloatArray


def measure(
    before: TransmissionCost, traffic: RoundTraffic, report: RoundReport
) -> TransmissionCost:
    """Take over what a round says of costs; pairs that carried nothing keep theirs, one older."""
    n, causes = len(traffic.compute_s), report.causes
    handed = per_pair(traffic, report.flows.handed_bytes)
    arrived = per_pair(traffic, report.flows.delivered_bytes)
    acked = per_pair(traffic, report.flows.acked_bytes)
    relay_j = np.zeros((n, n))
    np.add.at(relay_j, (causes.forwarded_src, causes.forwarded_dst), causes.forwarded_j)
    measured = handed > 0

    def a_byte(total: FloatArray | IntArray, of: IntArray, was: FloatArray) -> FloatArray:
        return np.divide(total, of, out=was.copy(), where=of > 0)

    known = measured | (before.measured_bytes > 0)
    return TransmissionCost(
        sender_j_per_byte=a_byte(causes.sender_j, handed, before.sender_j_per_byte),
        receiver_j_per_byte=a_byte(causes.receiver_j, arrived, before.receiver_j_per_byte),
        relay_j_per_byte=a_byte(relay_j, handed, before.relay_j_per_byte),
        airtime_s_per_byte=a_byte(causes.airtime_s, handed, before.airtime_s_per_byte),
        acked_share=a_byte(acked, handed, before.acked_share),
        measured_bytes=np.where(measured, handed, before.measured_bytes),
        age_rounds=np.where(measured, 0, before.age_rounds + known),
        reachable=(arrived > 0) | report.links.is_peer,
    )


def per_pair(traffic: RoundTraffic, size_bytes: IntArray) -> IntArray:
    """Add up bytes of messages (f) by pair, (n, n) [src, dst]."""
    return traffic.per_link(size_bytes).astype(np.int64)


def last_round(
    cost: TransmissionCost,
    traffic: RoundTraffic,
    report: RoundReport,
    expected_bytes: IntArray,
    usual_dbm: FloatArray,
) -> LastRound:
    """Return what the forecast of the next round goes by."""
    causes, links = report.causes.of_devices, report.links
    power_dbm = usual_dbm if traffic.transmit is None else traffic.transmit.power_dbm
    was_away = report.energy.dead_since(report.start_s) & report.energy.alive
    if traffic.asleep is not None:
        was_away |= traffic.asleep
    usual_snr_db = links.snr_db - (power_dbm - usual_dbm)[:, np.newaxis]
    return LastRound(
        communication_j=report.energy.state_j.sum(axis=1),
        cost=cost,
        sent_bytes=per_pair(traffic, report.flows.handed_bytes),
        received_bytes=per_pair(traffic, report.flows.delivered_bytes),
        offered_bytes=per_pair(traffic, traffic.payload_bytes),
        expected_bytes=expected_bytes,
        forwarding_j=causes["forwarding_j"],
        overheard_j=causes["overheard_j"],
        usual_dbm=usual_dbm,
        tx_power_dbm=power_dbm,
        sending_j=report.energy.state_j[:, RADIO_STATES.index("tx")],
        rate_bps=links.rate_bps,
        path_snr_db=np.where(np.isfinite(links.sinr_db), usual_snr_db, np.nan),
        was_away=was_away,
        back_j=np.where(was_away, -report.causes.away_j, 0.0),
    )


def forecast_j(
    last: LastRound,
    offered_bytes: IntArray,
    expected_bytes: IntArray,
    then_w: FloatArray,
    now_w: FloatArray,
) -> FloatArray:
    """Forecast what each radio will draw in the coming round, (n) [J].

        E' = E + sum_j s_kj (b'_kj - b_kj) + sum_i r_ik (b'_ik - b_ik) + (F + O) (B' / B - 1)
             + t (sum_j b'_kj / sum_j b_kj) (w' - w)

    The last round's joules E, idle ones and the protocol's in it, changed by what device k will
    send (s: cost at the sender) and receive (r: at the receiver), b' bytes where it was b; with the
    same messages it is E itself. What it forwards F and overhears O, it cannot know: they
    change as its own bytes B do. A pair of which not all was handed over, or arrived, is taken to
    carry that much again at most. A pair without a cost counts as the mean of the device's others.
    It sends for t seconds as in the last round, as its bytes change, and draws now_w w' (n)
    meanwhile, where it drew then_w w (n) [W]. A radio that was off the air, and is back, draws what
    that saved, and its pairs are not held to what they carried then.

    offered_bytes (n, n): what row devices are going to offer to column devices; expected_bytes
    (n, n): what column devices expect of row devices. Left out: that fewer bytes in the air are
    cheaper, since fewer frames collide.
    """
    was_cut = last.was_away[:, np.newaxis] | last.was_away
    sent_more = _more(offered_bytes, last.sent_bytes, last.offered_bytes, was_cut)
    got_more = _more(expected_bytes, last.received_bytes, last.expected_bytes, was_cut)
    sender_j = _filled(last.cost.sender_j_per_byte)
    receiver_j = _filled(last.cost.receiver_j_per_byte.T).T
    own_j = (sender_j * sent_more).sum(axis=1) + (receiver_j * got_more).sum(axis=0)
    was = last.sent_bytes.sum(axis=1) + last.received_bytes.sum(axis=0)
    more = sent_more.sum(axis=1) + got_more.sum(axis=0)
    growth = np.divide(more, was, out=np.zeros(len(was)), where=was > 0)
    forecast: FloatArray = last.communication_j + last.back_j + own_j
    forecast += (last.forwarding_j + last.overheard_j) * growth
    sent = last.sent_bytes.sum(axis=1)
    as_long = 1 + np.divide(sent_more.sum(axis=1), sent, out=np.zeros(len(sent)), where=sent > 0)
    then_s = np.divide(last.sending_j, then_w, out=np.zeros(len(sent)), where=then_w > 0)
    forecast += then_s * as_long * (now_w - then_w)
    return forecast


def _more(now: IntArray, carried: IntArray, offered: IntArray, was_cut: BoolArray) -> IntArray:
    """Bytes that a pair will carry above what it did; no more where that was less than on offer."""
    held = (carried < offered) & ~was_cut
    more: IntArray = np.where(held, np.minimum(now, carried), now) - carried
    return more


def _filled(cost: FloatArray) -> FloatArray:
    """Give unmeasured pairs the mean of their row, 0 where nothing is known."""
    known = np.isfinite(cost)
    count = known.sum(axis=1, keepdims=True)
    total = np.where(known, cost, 0.0).sum(axis=1, keepdims=True)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return np.where(known, cost, mean)
