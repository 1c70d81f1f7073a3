"""What became of a round's transfers, as reports."""

from __future__ import annotations

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.description.energy import RADIO_STATES, above_idle_w
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import (
    OUTCOMES,
    CauseReport,
    EnergyReport,
    FlowReport,
    first_chunks,
    num_chunks,
)
from ns3_scenarios.surrogate.round import Round
from ns3_scenarios.traffic import RoundTraffic

TX, RX, CCA_BUSY = (RADIO_STATES.index(name) for name in ("tx", "rx", "cca_busy"))
AWAY = [RADIO_STATES.index(name) for name in ("switching", "sleep", "off")]


def read_flows(
    traffic: RoundTraffic,
    current: Round,
    energy: EnergyReport,
    start_s: float,
    scenario: NetworkScenario,
) -> tuple[FlowReport, BoolArray]:
    """Say what became of each message, and which of its chunks arrived: the first ones."""
    size, f = scenario.transport.segment_bytes, len(traffic.src)
    count = num_chunks(traffic.payload_bytes, size)
    handed, delivered, acked, again = np.zeros((4, f), np.int64)
    finish_s = np.full(f, np.inf)
    gave_up, unheard = np.zeros((2, f), np.bool_)
    nth: dict[tuple[int, int], int] = {}
    for m, pair in enumerate(zip(traffic.src.tolist(), traffic.dst.tolist(), strict=True)):
        transfer, place = current.transfers[pair], nth.get(pair, 0)
        nth[pair] = place + 1
        before = transfer.ends[place] - count[m]
        for column, of in (
            (handed, transfer.handed),
            (delivered, transfer.delivered),
            (acked, transfer.acked),
        ):
            column[m] = min(max(of - before, 0), count[m])
        if place < len(transfer.finish_s):
            finish_s[m] = transfer.finish_s[place] - current.start_s
        gave_up[m] = transfer.gave_up
        unheard[m] = current.is_unheard(transfer)
        again[m] = transfer.retransmissions if place == 0 else 0
    dead = energy.dead_since(start_s)
    dead_end = dead[traffic.src] | dead[traffic.dst]
    whole = np.isfinite(finish_s)
    names = ("delivered", "unreachable", "partial", "lost", "dead")
    outcome = np.select(
        [
            whole,
            unheard & (delivered == 0) & ~dead_end,
            gave_up & (delivered > 0),
            gave_up,
            dead_end,
        ],
        [OUTCOMES.index(name) for name in names],
        OUTCOMES.index("late"),
    ).astype(np.int64)
    ready_s = traffic.compute_s[traffic.src]
    handed_bytes = np.minimum(handed * size, traffic.payload_bytes)
    flows = FlowReport(
        outcome=outcome,
        handed_bytes=handed_bytes,
        unsent_bytes=traffic.payload_bytes - handed_bytes,
        delivered_bytes=np.minimum(delivered * size, traffic.payload_bytes),
        acked_bytes=np.minimum(acked * size, traffic.payload_bytes),
        ready_s=ready_s,
        finish_s=finish_s,
        delay_s=finish_s - ready_s,
        retransmissions=again,
    )
    return flows, first_chunks(count, delivered)


def read_causes(
    traffic: RoundTraffic,
    current: Round,
    energy: EnergyReport,
    state_power_w: FloatArray,
) -> CauseReport:
    """Charge radios' joules above idle to transfers by the seconds that these took.

    What is received beyond that is overheard. Where a device lived shorter than its frames were
    booked for, or heard several at once, they share what it drew.
    """
    n = len(traffic.compute_s)
    above_w = above_idle_w(state_power_w)
    spent = [
        (*pair, device, *seconds)
        for pair, transfer in current.transfers.items()
        for device, seconds in transfer.spent_s.items()
    ]
    columns = np.array(spent, np.float64).reshape(-1, 5).T
    src, dst, device = columns[:3].astype(np.int64)
    tx_s, rx_s = columns[3:]
    booked_s = [np.bincount(device, each, n) for each in (tx_s, rx_s)]
    drawn_s = [energy.state_s[:, TX], energy.state_s[:, RX]]
    scale = [
        np.divide(drawn, booked, out=np.zeros(n), where=booked > 0)
        for drawn, booked in zip(drawn_s, booked_s, strict=True)
    ]
    scale[1] = np.minimum(scale[1], 1.0)
    joules = (
        above_w[device, TX] * tx_s * scale[0][device]
        + above_w[device, RX] * rx_s * scale[1][device]
    )
    sender_j, receiver_j, airtime_s = np.zeros((3, n, n))
    is_src, is_dst = device == src, device == dst
    np.add.at(sender_j, (src[is_src], dst[is_src]), joules[is_src])
    np.add.at(receiver_j, (src[is_dst], dst[is_dst]), joules[is_dst])
    np.add.at(airtime_s, (src, dst), tx_s)
    between = ~is_src & ~is_dst
    overheard_s = drawn_s[1] - np.minimum(booked_s[1], drawn_s[1])
    untold_s = np.where(booked_s[0] > 0, 0.0, drawn_s[0])
    above_j = energy.state_s * above_w
    return CauseReport(
        sender_j=sender_j,
        receiver_j=receiver_j,
        airtime_s=airtime_s,
        forwarded_src=src[between],
        forwarded_dst=dst[between],
        forwarded_by=device[between],
        forwarded_j=joules[between],
        overheard_j=above_w[:, RX] * overheard_s,
        protocol_j=above_w[:, TX] * untold_s,
        cut_off_j=np.zeros(n),
        medium_busy_j=above_j[:, CCA_BUSY],
        away_j=above_j[:, AWAY].sum(axis=1),
    )
