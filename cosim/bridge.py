"""The only translator between the two sides.

payloads -> RoundTraffic; RoundReport -> Delivery, Feedback, and what each device believes about its
neighbours.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cosim.config.model import RunConfig
from cosim.feedback import HARVEST_WEIGHT, Decided, Feedback, Neighbourhood, Unfinished
from cosim.planning.costs import last_round, measure
from learning.messages import Delivery, LateArrivals, PartialMessage, Payload
from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.description.transport import TRANSPORTS
from ns3_scenarios.reports import OUTCOMES, RoundReport, num_chunks
from ns3_scenarios.traffic import RoundTraffic, Transmit


def advertised_degree(payload: Payload, neighbourhood: Neighbourhood) -> IntArray:
    """Count the believed neighbours that a device shares each part with, (n, p).

    Which modalities a neighbour has is known from the deployment, as its address is.
    """
    has_part = payload.part_bytes > 0
    shared = neighbourhood.believed.astype(np.int64) @ has_part.astype(np.int64)
    return np.where(has_part, shared, 0)


def to_traffic(
    round_index: int,
    payload: Payload,
    feedback: Feedback,
    sends: BoolArray,
    compute_s: FloatArray,
    compute_j: FloatArray,
    config: RunConfig,
    decided: Decided | None = None,
) -> RoundTraffic:
    """Make messages of what is on offer (`offered_bytes`), in the order in which they are sent.

    Small parts go to all neighbours before large ones, since they are whole soonest.
    """
    order = _order(round_index, payload)
    size_bytes = offered_bytes(round_index, payload, feedback, sends, config, decided)
    messages = [
        (src, dst, int(order[src, rank]), int(size_bytes[src, dst, order[src, rank]]))
        for src in range(len(size_bytes))
        for rank, dst in np.argwhere(size_bytes[src][:, order[src]].T)
    ]
    src, dst, parts, size = np.array(messages, dtype=np.int64).reshape(-1, 4).T
    return RoundTraffic(
        round_index=round_index,
        src=src,
        dst=dst,
        part=parts,
        payload_bytes=size,
        compute_s=compute_s,
        compute_j=compute_j,
        period_s=config.network.round_period_s,
        stop_when_settled=config.network.sync == "oracle",
        transmit=_unusual(decided, feedback.last.usual_dbm),
        asleep=decided.asleep if decided is not None and decided.asleep.any() else None,
    )


def _unusual(decided: Decided | None, usual_dbm: FloatArray) -> Transmit | None:
    """Return powers where any is not the usual one."""
    if decided is None or np.all(decided.transmit.power_dbm == usual_dbm):
        return None
    return decided.transmit


def offered_bytes(
    round_index: int,
    payload: Payload,
    feedback: Feedback,
    sends: BoolArray,
    config: RunConfig,
    decided: Decided | None = None,
) -> IntArray:
    """Say how much of every part each device puts on offer to each neighbour, (n, n, p).

    Every part goes to the neighbours that have use for it, but for what was decided otherwise. One
    taken for gone gets the smallest part only: enough to notice when it is back. What is unfinished
    goes in place of a new message, without the bytes that have arrived.
    """
    neighbours, offered = feedback.neighbourhood, shared(payload)
    offered &= neighbours.planned[..., None]
    first_only = np.zeros_like(offered)
    order = np.broadcast_to(_order(round_index, payload)[:, None], offered.shape)
    in_turn = np.take_along_axis(offered, order, axis=2)
    first = in_turn & (in_turn.cumsum(axis=2) == 1)
    np.put_along_axis(first_only, order, first, axis=2)
    if not TRANSPORTS[config.network.transport].one_for_all:
        offered = np.where(neighbours.believed[..., None], offered, first_only)
    offered &= (feedback.alive & sends)[:, None, None]
    if decided is not None:
        offered &= decided.sends | ~neighbours.believed[..., None]
        offered &= ~decided.asleep[:, None, None]
    size_bytes = payload.message_bytes
    if feedback.unfinished is not None:
        missing_bytes = feedback.unfinished.missing_bytes
        size_bytes = np.where(missing_bytes > 0, missing_bytes, size_bytes)
    return np.where(offered, size_bytes, 0)


def expected_bytes(
    payload: Payload, before: Payload, feedback: Feedback, sends: BoolArray
) -> IntArray:
    """Say how much each living device expects of each neighbour that it believes alive, (n, n).

    By the codec of the last round from whom something came (payload `before`), since nobody knows
    by which others are going to send; else by the configured one.
    """
    believed = feedback.neighbourhood.believed.T & feedback.alive & sends[:, None]
    usual, last = (p.message_bytes.sum(axis=2) for p in (payload, before))
    return np.where(believed, np.where(feedback.last.received_bytes > 0, last, usual), 0)


def shared(payload: Payload) -> BoolArray:
    """Say which parts a device has for another, (n, n, p): with learning, those of both."""
    return np.asarray(payload.message_bytes > 0)


def _order(round_index: int, payload: Payload) -> IntArray:
    """Parts of each device from small to large, (n, p).

    Those of one size take turns from round to round, so that a round that is cut short does not
    always miss the same modality.
    """
    n, num_parts = payload.part_bytes.shape
    turn = (np.arange(num_parts) + round_index) % max(num_parts, 1)
    return np.lexsort((np.broadcast_to(turn, (n, num_parts)), payload.part_bytes))


def is_rest(traffic: RoundTraffic, payload: Payload) -> BoolArray:
    """Tell which messages are the rest of one of the round before."""
    return traffic.payload_bytes < payload.message_bytes[traffic.src, traffic.dst, traffic.part]


def to_delivery(
    traffic: RoundTraffic,
    report: RoundReport,
    payload: Payload,
    degree: IntArray,
    scenario: NetworkScenario,
    unfinished: Unfinished | None = None,
) -> Delivery:
    """Say which parts arrived whole and in time, and of which a receiver holds some chunks.

    The latter where the transport leaves gaps; one that sends again delivers whole messages only.
    The rest of a message of the round before makes it whole where its receiver kept what it had,
    and had not all of it already.
    """
    n, num_parts = payload.part_bytes.shape
    whole = report.flows.outcome == OUTCOMES.index("delivered")
    rest = is_rest(traffic, payload)

    def pairs(messages: BoolArray) -> BoolArray:
        found = np.zeros((n, n, num_parts), dtype=np.bool_)
        found[traffic.src[messages], traffic.dst[messages], traffic.part[messages]] = True
        return found

    arrived, late = pairs(whole & ~rest), None
    if unfinished is not None:
        finished = pairs(whole & rest) & unfinished.wanted
        late = LateArrivals(finished, unfinished.advertised_degree)
    offered = np.zeros_like(arrived)
    offered[traffic.src[~rest], traffic.dst[~rest], traffic.part[~rest]] = True
    partial: list[PartialMessage] = []
    if not scenario.transport.kind.is_answered:
        count = num_chunks(traffic.payload_bytes, report.chunk_bytes)
        chunks = np.split(report.chunk_arrived, np.cumsum(count)[:-1])
        partial = [
            PartialMessage(int(src), int(dst), int(part), report.chunk_bytes, got)
            for src, dst, part, got, is_whole in zip(
                traffic.src, traffic.dst, traffic.part, chunks, whole, strict=False
            )
            if got.any() and not is_whole
        ]
    return Delivery(arrived, degree, tuple(partial), offered, late, payload.codecs)


def to_feedback(
    before: Feedback,
    traffic: RoundTraffic,
    report: RoundReport,
    expected: IntArray,
    unfinished: Unfinished | None = None,
    codecs: tuple[str, ...] | None = None,
) -> Feedback:
    """Carry over costs, batteries and beliefs to the next plan.

    expected (n, n): see expected_bytes, of the round that has ended. The forecast of harvest is a
    moving average of what came, which does not know the future of a file.
    """
    energy = report.energy
    cost = measure(before.last.cost, traffic, report)
    news_j = energy.harvested_j - before.harvest_j
    return Feedback(
        last=last_round(cost, traffic, report, expected, before.last.usual_dbm),
        remaining_energy_j=np.maximum(energy.remaining_energy_j, 0.0),
        harvest_j=before.harvest_j + HARVEST_WEIGHT * news_j,
        rested_rounds=np.where(traffic.compute_s > 0, 0.0, before.rested_rounds + 1.0),
        alive=energy.alive,
        neighbourhood=_listen(before.neighbourhood, traffic, report),
        unfinished=unfinished,
        codecs=codecs,
    )


def left_unfinished(
    traffic: RoundTraffic, report: RoundReport, payload: Payload, degree: IntArray
) -> Unfinished:
    """Find the messages of which senders know that some arrived, and not that the rest did.

    A message has one more round; and who was dead has forgotten what it had sent.
    """
    flows, (n, num_parts) = report.flows, payload.part_bytes.shape
    lived = ~report.energy.dead_since(report.start_s)
    goes_on = (flows.acked_bytes > 0) & (flows.acked_bytes < traffic.payload_bytes)
    goes_on &= (flows.outcome != OUTCOMES.index("lost")) & lived[traffic.src]
    goes_on &= ~is_rest(traffic, payload)
    missing_bytes = np.zeros((n, n, num_parts), dtype=np.int64)
    wanted = np.zeros((n, n, num_parts), dtype=np.bool_)
    message = traffic.src, traffic.dst, traffic.part
    missing_bytes[message] = np.where(goes_on, traffic.payload_bytes - flows.acked_bytes, 0)
    lacks = flows.outcome != OUTCOMES.index("delivered")
    wanted[message] = goes_on & lacks & lived[traffic.dst]
    return Unfinished(missing_bytes, degree, wanted)


def _listen(before: Neighbourhood, traffic: RoundTraffic, report: RoundReport) -> Neighbourhood:
    """Count rounds of silence, each device by the packets that reached it."""
    heard = np.zeros_like(before.planned)
    acked = report.flows.acked_bytes > 0
    heard[traffic.src[acked], traffic.dst[acked]] = True
    got = report.flows.delivered_bytes > 0
    heard[traffic.dst[got], traffic.src[got]] = True
    talked = np.zeros_like(before.planned)
    talked[traffic.src, traffic.dst] = True
    # Who neither sent nor was sent to (nothing to exchange) has learnt nothing.
    silent_rounds = np.where(heard, 0, before.silent_rounds + talked)
    return replace(before, silent_rounds=silent_rounds)
