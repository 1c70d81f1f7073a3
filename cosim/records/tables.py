"""Rounds and the partition as rows: what stands in the tables of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from cosim.bridge import is_rest
from cosim.errors import OutputError
from cosim.loop import Exchanged, RoundRecord
from cosim.planning.costs import TransmissionCost
from cosim.records.chunk_map import chunk_maps
from cosim.records.delays import DELAYS, delay_s
from cosim.records.plans_table import plans_table
from learning.data.samples import MultiModalData
from learning.messages import Payload
from learning.side import LearningSide
from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import OUTCOMES, RoundReport, num_chunks
from ns3_scenarios.traffic import RoundTraffic

# Rounds count from one wherever a person reads of them.
FIRST_ROUND = 1
# A row for each pair of 1000 devices would be a gigabyte every ten rounds.
MOST_IN_ALL_PAIRS = 100


def partition_table(data: MultiModalData | None, learner: LearningSide) -> pd.DataFrame:
    """Say who holds what: a row per device and recording that it trains on; without data none."""
    if data is None:
        names = ("device", "recording", "subject", "class", "samples")
        return pd.DataFrame({name: pd.Series(dtype=np.int64) for name in names})
    held = learner.holder >= 0
    samples = pd.DataFrame(
        {
            "device": learner.holder[held],
            "recording": data.recording[held],
            "subject": data.subject[held],
            "class": np.array(data.class_names)[data.label[held]],
        }
    )
    table = samples.groupby(list(samples.columns)).size().rename("samples").reset_index()
    for index, name in enumerate(learner.modality_names):
        table[f"has_{name}"] = learner.available[table["device"], index]
    return table


def to_tables(
    record: RoundRecord, scenario: NetworkScenario, learner: LearningSide
) -> dict[str, pd.DataFrame]:
    """Turn a round into rows of the tables; wall times stay out, so that runs can be equal."""
    devices = _devices_table(record, scenario, learner)
    flows = _flows_table(record.traffic, record.report, record.payload)
    return {
        "rounds": _rounds_table(record, devices, flows),
        "devices": devices,
        "links": _links_table(record.report, record.cost),
        "flows": flows,
        "forwarding": _forwarding_table(record.report),
        "plans": plans_table(
            record.plan.horizon, record.alive_at_start, record.round_index + FIRST_ROUND
        ),
    }


def network_tables(done: Exchanged) -> dict[str, pd.DataFrame]:
    """Return those columns of a round's tables that are the network's doing."""
    report = done.report
    devices = _whereabouts(report) | _measured(done.traffic, report)
    return {
        "rounds": pd.DataFrame(
            {
                "start_s": [report.start_s],
                "duration_s": [report.duration_s],
                "events": [report.num_events],
            }
        ),
        "devices": pd.DataFrame(devices),
        "links": _links_table(report, done.after.last.cost),
        "flows": _flows_table(done.traffic, report, done.payload),
        "forwarding": _forwarding_table(report),
    }


def check_repeated(
    round_index: int, recorded: dict[str, pd.DataFrame], again: dict[str, pd.DataFrame]
) -> None:
    """Raise OutputError where a round that was run again differs from its record by one bit."""
    for name, table in again.items():
        for column in table:
            was = recorded[name][column]
            if not table[column].astype(was.dtype).equals(was):
                raise OutputError(
                    f"resume: expected round {round_index + FIRST_ROUND} to come out as recorded,"
                    f" got other values in column {column} of its {name}; the results may be"
                    " altered, or this"
                    " machine computes otherwise: start anew with --output DIR"
                )


def _devices_table(
    record: RoundRecord, scenario: NetworkScenario, learner: LearningSide
) -> pd.DataFrame:
    n = scenario.num_devices
    plan, trained, evaluation = record.plan, record.trained, record.evaluation
    columns: dict[str, Any] = {
        "round": np.full(n, record.round_index + FIRST_ROUND),
        "device": np.arange(n),
        **_whereabouts(record.report),
        "accuracy": evaluation.accuracy,
        "macro_f1": evaluation.macro_f1,
        **{f"accuracy_{name}": v for name, v in evaluation.subset_accuracy.items()},
        "modality_imbalance": evaluation.modality_imbalance,
        "feature_distance": evaluation.feature_distance,
        "consensus_distance": evaluation.consensus_distance,
        "dead_feature_share": evaluation.dead_feature_share,
        "train_loss": trained.loss,
        "samples": learner.samples_per_device,
    }
    for index, name in enumerate(learner.modality_names):
        columns |= {
            f"accuracy_{name}": evaluation.modality_accuracy[:, index],
            f"iterations_{name}": trained.iterations[:, index],
            f"parameter_variation_{name}": trained.parameter_variation[:, index],
            f"contribution_{name}": trained.contribution[:, index],
        }
    columns |= {
        "budget_j": plan.budget_j,
        "predicted_j": plan.predicted_j,
        "communication_forecast_j": record.communication_forecast_j,
        "objective": plan.objective,
        "optimality_gap": plan.optimality_gap,
        "binding": list(plan.binding),
        "planned_trainings": plan.horizon.trains.sum(axis=1),
        "paid_rounds": plan.horizon.paid_rounds,
        "overspent_j": _overspent_j(record),
        "compute_s": record.traffic.compute_s,
        "flop": trained.flop,
        "codec": list(record.payload.codecs or ()),
        **_measured(record.traffic, record.report),
    }
    return pd.DataFrame(columns)


def _overspent_j(record: RoundRecord) -> FloatArray:
    """Return what devices spent above the budget of the round, (n) [J]; nan for the dead."""
    energy = record.report.energy
    spent_j = energy.state_j.sum(axis=1) + energy.compute_j + energy.board_j
    over_j = np.maximum(spent_j - record.plan.round_budget_j, 0.0)
    return np.where(record.alive_at_start, over_j, np.nan)


def _whereabouts(report: RoundReport) -> dict[str, Any]:
    x, y, z = report.position_m.T
    return {"x_m": x, "y_m": y, "z_m": z, "alive": report.energy.alive}


def _measured(traffic: RoundTraffic, report: RoundReport) -> dict[str, Any]:
    n, energy, flows = len(report.position_m), report.energy, report.flows
    transmit, asleep = traffic.transmit, traffic.asleep
    return {
        "tx_power_dbm": np.full(n, np.nan) if transmit is None else transmit.power_dbm,
        "asleep": np.zeros(n, dtype=np.bool_) if asleep is None else asleep,
        "start_energy_j": energy.start_energy_j,
        **{f"{state}_j": energy.state_j[:, i] for i, state in enumerate(RADIO_STATES)},
        "radio_j": energy.state_j.sum(axis=1),
        "compute_j": energy.compute_j,
        **report.causes.of_devices,
        "board_j": energy.board_j,
        "harvested_j": energy.harvested_j,
        "overflow_j": energy.overflow_j,
        "remaining_energy_j": energy.remaining_energy_j,
        "died_at_s": energy.died_at_s,
        "revived_at_s": energy.revived_at_s,
        "sent_bytes": _per_device(n, traffic.src, flows.handed_bytes),
        "received_bytes": _per_device(n, traffic.dst, flows.delivered_bytes),
        "stale_datagrams": report.stale_datagrams,
    }


def _per_device(n: int, device: FloatArray | Any, values: Any) -> Any:
    return np.bincount(device, weights=values, minlength=n).astype(np.int64)


def _flows_table(traffic: RoundTraffic, report: RoundReport, payload: Payload) -> pd.DataFrame:
    flows = report.flows
    chunks = num_chunks(traffic.payload_bytes, report.chunk_bytes)
    message = np.repeat(np.arange(len(chunks)), chunks)
    arrived = report.chunk_arrived
    return pd.DataFrame(
        {
            "round": np.full(len(traffic.src), report.round_index + FIRST_ROUND),
            "src": traffic.src,
            "dst": traffic.dst,
            "part": _names(payload.parts, traffic.part),
            "payload_bytes": traffic.payload_bytes,
            "is_rest": is_rest(traffic, payload),
            "handed_bytes": flows.handed_bytes,
            "unsent_bytes": flows.unsent_bytes,
            "delivered_bytes": flows.delivered_bytes,
            "acked_bytes": flows.acked_bytes,
            "outcome": _names(OUTCOMES, flows.outcome),
            "ready_s": flows.ready_s,
            "finish_s": flows.finish_s,
            "delay_s": flows.delay_s,
            "retransmissions": flows.retransmissions,
            "chunks": chunks,
            "arrived_chunks": np.bincount(message, arrived, len(chunks)).astype(np.int64),
            "chunk_map": chunk_maps(chunks, arrived),
        }
    )


def _names(names: Iterable[str], index: Any) -> pd.Series:
    table = list(names)
    return pd.Series([table[i] for i in index], dtype="str")


def _links_table(report: RoundReport, cost: TransmissionCost) -> pd.DataFrame:
    links = report.links
    src, dst = np.nonzero(_pairs(report))
    measured = {
        "rate_bps": links.rate_bps,
        "sinr_db": links.sinr_db,
        "snr_db": links.snr_db,
        "loss_ratio": links.loss_ratio,
        "frames": links.frames,
        "airtime_s": links.airtime_s,
        "received_bytes": links.received_bytes,
        "is_peer": links.is_peer,
        "next_hop": links.next_hop,
        "hops": links.hops,
        "contact_s": links.contact_s,
        "sender_j": report.causes.sender_j,
        "receiver_j": report.causes.receiver_j,
        "path_airtime_s": report.causes.airtime_s,
        **{field.name: getattr(cost, field.name) for field in fields(cost)},
    }
    return pd.DataFrame(
        {"round": np.full(len(src), report.round_index + FIRST_ROUND), "src": src, "dst": dst}
        | {name: matrix[src, dst] for name, matrix in measured.items()}
    )


def _pairs(report: RoundReport) -> BoolArray:
    """Say which pairs have a row, (n, n): all, or of many devices those with something to tell."""
    links, causes = report.links, report.causes
    apart = ~np.eye(len(links.frames), dtype=np.bool_)
    if len(apart) <= MOST_IN_ALL_PAIRS:
        return apart
    shares = links.frames, links.contact_s, causes.sender_j, causes.receiver_j, causes.airtime_s
    return np.asarray(apart & np.any([each > 0 for each in shares], axis=0))


def _forwarding_table(report: RoundReport) -> pd.DataFrame:
    causes = report.causes
    return pd.DataFrame(
        {
            "round": np.full(len(causes.forwarded_j), report.round_index + FIRST_ROUND),
            "src": causes.forwarded_src,
            "dst": causes.forwarded_dst,
            "device": causes.forwarded_by,
            "forwarded_j": causes.forwarded_j,
        }
    )


def _rounds_table(record: RoundRecord, devices: pd.DataFrame, flows: pd.DataFrame) -> pd.DataFrame:
    """Condense a round; accuracy is over all devices, the dead with their last model.

    accuracy_alive_*: over those that were alive when it began. delay_*: quantiles over all messages
    on offer, of which those that did not arrive took infinitely long; nan of none.
    """
    acted = devices[record.alive_at_start]
    outcome = flows["outcome"]
    return pd.DataFrame(
        {
            "round": [record.round_index + FIRST_ROUND],
            "start_s": record.report.start_s,
            "duration_s": record.report.duration_s,
            **{
                f"{name}_{of}": getattr(rows["accuracy"], of)()
                for name, rows in (("accuracy", devices), ("accuracy_alive", acted))
                for of in ("mean", "min", "max")
            },
            "macro_f1_mean": devices["macro_f1"].mean(),
            "train_loss_mean": acted["train_loss"].mean(),
            "offered_bytes": flows["payload_bytes"].sum(),
            "handed_bytes": flows["handed_bytes"].sum(),
            "delivered_bytes": flows["delivered_bytes"].sum(),
            "offered_messages": len(flows),
            **{f"{name}_messages": (outcome == name).sum() for name in OUTCOMES},
            **{f"delay_{name}_s": delay_s(flows, share) for name, share in DELAYS.items()},
            "radio_j": devices["radio_j"].sum(),
            "compute_j": devices["compute_j"].sum(),
            "board_j": devices["board_j"].sum(),
            "alive_devices": devices["alive"].sum(),
            "events": record.report.num_events,
        }
    )
