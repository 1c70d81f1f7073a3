"""What the C++ side tells of a round, read by name, as reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.causes import AWAY, CCA_BUSY, RX, TX
from ns3_scenarios.description.energy import RADIO_STATES, above_idle_w
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import OUTCOMES, CauseReport, EnergyReport, FlowReport, LinkReport
from ns3_scenarios.traffic import RoundTraffic


def array(values: Any, dtype: type, *shape: int) -> Any:
    """Copy a C++ vector of 64-bit numbers into an array."""
    count = len(values)
    flat: Any = np.frombuffer(values.data(), dtype, count) if count else np.empty(0, dtype)
    return flat.reshape(shape).copy()


def columns(record: Any, dtype: type, *shape: int) -> dict[str, Any]:
    """Copy a record of named columns (native/network.h), each of this shape, -1 for any length."""
    names = str(record.names).split()
    return dict(zip(names, array(record.values, dtype, len(names), *shape), strict=True))


@dataclass(frozen=True)
class BatteryTotals:
    """What the batteries have added up since the start of the simulation, (n) a column.

    Seconds in each state of the radio as "tx_s"; joules; when a device last died and came back [s],
    below 0 if it never did.
    """

    column: dict[str, FloatArray]

    @classmethod
    def read(cls, record: Any, num_devices: int) -> BatteryTotals:
        """Copy a record of batteries."""
        return cls(columns(record, np.float64, num_devices))

    def since(self, before: BatteryTotals, state_power_w: FloatArray) -> EnergyReport:
        """Report what became of the batteries between two readings; state_power_w (n, states)."""

        def spent(name: str) -> FloatArray:
            return self.column[name] - before.column[name]

        def when(name: str) -> FloatArray:
            return np.where(self.column[name] >= 0, self.column[name], np.nan)

        state_s = np.stack([spent(f"{state}_s") for state in RADIO_STATES], axis=1)
        return EnergyReport(
            state_s=state_s,
            state_j=state_s * state_power_w,
            compute_j=spent("compute_j"),
            board_j=spent("board_j"),
            harvested_j=spent("harvested_j"),
            overflow_j=spent("overflow_j"),
            start_energy_j=before.column["remaining_energy_j"],
            remaining_energy_j=self.column["remaining_energy_j"],
            died_at_s=when("died_at_s"),
            revived_at_s=when("revived_at_s"),
        )


def read_flows(
    record: Any, traffic: RoundTraffic, start_s: float, dead: BoolArray, is_answered: bool
) -> FlowReport:
    """Say what became of each message.

    start_s: of the round; dead (n): at any time of it; is_answered: whether senders learn of what
    arrived.
    """
    column = columns(record, np.int64, -1)
    handed, delivered = column["handed_bytes"], column["delivered_bytes"]
    ready_s = traffic.compute_s[traffic.src]
    whole = column["finished_ns"] >= 0
    dead_end = dead[traffic.src] | dead[traffic.dst]
    # Who sends each datagram once has nothing left to do for a message that was handed over.
    sent_once = (not is_answered) & (handed == traffic.payload_bytes) & ~dead_end
    over = (column["gave_up"] > 0) | sent_once
    unreachable = (column["unheard"] > 0) & (delivered == 0) & ~dead_end
    finish_s = np.where(whole, 1e-9 * column["finished_ns"] - start_s, np.inf)
    names = ("delivered", "unreachable", "partial", "lost", "dead")
    outcome = np.select(
        [whole, unreachable, over & (delivered > 0), over, dead_end],
        [OUTCOMES.index(name) for name in names],
        OUTCOMES.index("late"),
    )
    return FlowReport(
        outcome=outcome.astype(np.int64),
        handed_bytes=handed,
        unsent_bytes=traffic.payload_bytes - handed,
        delivered_bytes=delivered,
        acked_bytes=column["acked_bytes"],
        ready_s=ready_s,
        finish_s=finish_s,
        delay_s=finish_s - ready_s,
        retransmissions=column["retransmissions"],
    )


def read_causes(
    messages: Any,
    devices: Any,
    relayed: Any,
    energy: EnergyReport,
    scenario: NetworkScenario,
    traffic: RoundTraffic,
) -> CauseReport:
    """Turn seconds of sending and receiving into joules above those of an idle radio.

    A broadcast counts as received where it is meant for, and as overheard elsewhere.
    """
    n = len(traffic.compute_s)
    pair = columns(messages, np.float64, n, n)
    device = columns(devices, np.float64, n)
    between = columns(relayed, np.float64, -1)
    above_w = above_idle_w(traffic.state_power_w(scenario.draws.state_power_w))
    tx_w, rx_w = above_w[:, TX], above_w[:, RX]
    by = between["device"].astype(np.int64)
    is_broadcast = scenario.transport.kind.one_for_all
    offered = traffic.per_link(traffic.payload_bytes)
    sender_j, sent_to_all_j = _spread(
        tx_w[:, np.newaxis] * pair["sender_tx_s"] + rx_w[:, np.newaxis] * pair["sender_rx_s"],
        offered,
    )
    airtime_s, _ = _spread(pair["airtime_s"], offered)
    receiver_j = tx_w * pair["receiver_tx_s"] + rx_w * pair["receiver_rx_s"]
    not_meant_j = np.where(offered > 0, 0.0, receiver_j) if is_broadcast else np.zeros((n, n))
    above_j = energy.state_s * above_w
    return CauseReport(
        sender_j=sender_j,
        receiver_j=receiver_j - not_meant_j,
        airtime_s=airtime_s,
        forwarded_src=between["src"].astype(np.int64),
        forwarded_dst=between["dst"].astype(np.int64),
        forwarded_by=by,
        forwarded_j=tx_w[by] * between["tx_s"] + rx_w[by] * between["rx_s"],
        overheard_j=rx_w * device["overheard_rx_s"] + not_meant_j.sum(axis=0),
        protocol_j=tx_w * device["protocol_tx_s"] + rx_w * device["protocol_rx_s"] + sent_to_all_j,
        cut_off_j=rx_w * device["cut_off_rx_s"],
        medium_busy_j=above_j[:, CCA_BUSY],
        away_j=above_j[:, AWAY].sum(axis=1),
    )


def _spread(pair: FloatArray, offered: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Share what stands on the diagonal, for messages to everybody, among a sender's receivers.

    By what is on offer to each, (n, n) [byte]; what is left where nothing is, comes apart, (n).
    """
    whole = offered.sum(axis=1, keepdims=True)
    share = np.divide(offered, whole, out=np.zeros_like(offered), where=whole > 0)
    to_all = np.diag(pair)
    spread = pair - np.diag(to_all) + share * to_all[:, np.newaxis]
    return spread, np.where(whole[:, 0] > 0, 0.0, to_all)


def read_links(
    record: Any, snr_db: FloatArray, next_hop: IntArray, contact_s: FloatArray
) -> LinkReport:
    """Make means of the sums over frames; all arrays (n, n)."""
    n = len(snr_db)
    column = columns(record, np.float64, n, n)
    sent = column["sent_frames"]
    with np.errstate(invalid="ignore", divide="ignore"):
        return LinkReport(
            rate_bps=column["rate_bps_sum"] / sent,
            sinr_db=column["sinr_db_sum"] / column["sinr_samples"],
            snr_db=snr_db,
            loss_ratio=1 - column["received_frames"] / sent,
            frames=sent.astype(np.int64),
            airtime_s=column["airtime_s"],
            received_bytes=column["received_bytes"].astype(np.int64),
            is_peer=column["is_peer"] > 0,
            next_hop=next_hop,
            contact_s=contact_s,
        )
