"""From a round's tables back to what the network was asked and reported: `tables`, the other way.

Every field of the reports is a column of its own name, but for those named here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from cosim.config.model import RunConfig
from cosim.planning.compute import Machines
from cosim.records.chunk_map import read_maps
from ns3_scenarios.arrays import FloatArray, IntArray
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.promise import TYPES, Played
from ns3_scenarios.reports import (
    OUTCOMES,
    CauseReport,
    EnergyReport,
    FlowReport,
    LinkReport,
    RoundReport,
)
from ns3_scenarios.traffic import RoundTraffic, Transmit

# Fields that are several columns of devices, (n, columns).
COLUMNS_OF = {"state_j": [f"{state}_j" for state in RADIO_STATES]}
# Causes that stand in links, and in forwarding; the others in devices.
OF_PAIRS = {"sender_j": "sender_j", "receiver_j": "receiver_j", "airtime_s": "path_airtime_s"}
OF_FORWARDERS = {
    "forwarded_src": "src",
    "forwarded_dst": "dst",
    "forwarded_by": "device",
    "forwarded_j": "forwarded_j",
}
# What links say of a device and itself, which no table has; all else of it is 0.
OF_ONESELF = {
    **dict.fromkeys(("rate_bps", "sinr_db", "snr_db", "loss_ratio"), np.nan),
    "next_hop": -1,
}


def rebuild(
    round_index: int,
    tables: dict[str, pd.DataFrame],
    config: RunConfig,
    scenario: NetworkScenario,
    machines: Machines,
    parts: Sequence[str],
) -> Played:
    """Return a round's traffic and report, bit by bit but for state_s.

    tables: the rows of the round; parts: names of messages, whose places there are the numbers.
    state_s, which no run reads, follows from joules and power to rounding, and where a state draws
    nothing counts as off.
    """
    flows, devices = tables["flows"], tables["devices"]
    whole = tables["rounds"].iloc[0]
    n, duration_s = scenario.num_devices, float(whole["duration_s"])
    traffic = _traffic(round_index, tables, config, scenario, machines, parts)
    power_w = traffic.state_power_w(scenario.draws.state_power_w)
    count = flows["chunks"].to_numpy(np.int64)
    arrived_count = flows["arrived_chunks"].to_numpy(np.int64)
    report = RoundReport(
        round_index=round_index,
        start_s=float(whole["start_s"]),
        duration_s=duration_s,
        flows=FlowReport(**_read(FlowReport, _flow_column(flows))),
        links=LinkReport(**_read(LinkReport, _matrix(tables["links"], n))),
        causes=_causes(tables, n),
        energy=EnergyReport(**_read(EnergyReport, _battery_column(devices, power_w, duration_s))),
        chunk_bytes=scenario.transport.segment_bytes,
        chunk_arrived=read_maps(count, arrived_count, flows["chunk_map"]),
        stale_datagrams=devices["stale_datagrams"].to_numpy(np.int64),
        position_m=np.ascontiguousarray(devices[["x_m", "y_m", "z_m"]].to_numpy(np.float64)),
        num_events=int(whole["events"]),
    )
    return Played(traffic, report)


def _causes(tables: dict[str, pd.DataFrame], num_devices: int) -> CauseReport:
    pair, between = _matrix(tables["links"], num_devices), tables["forwarding"]

    def read(name: str, dtype: type) -> Any:
        if name in OF_PAIRS:
            return pair(OF_PAIRS[name], dtype)
        if name in OF_FORWARDERS:
            return between[OF_FORWARDERS[name]].to_numpy(dtype)
        return tables["devices"][name].to_numpy(dtype)

    return CauseReport(**_read(CauseReport, read))


def _traffic(
    round_index: int,
    tables: dict[str, pd.DataFrame],
    config: RunConfig,
    scenario: NetworkScenario,
    machines: Machines,
    parts: Sequence[str],
) -> RoundTraffic:
    """Say what was asked; joules of computing are its seconds times the power of the profile."""
    flows, compute_s = tables["flows"], tables["devices"]["compute_s"].to_numpy(np.float64)
    devices = tables["devices"]
    power_dbm = devices["tx_power_dbm"].to_numpy(np.float64).copy()
    transmit = Transmit(power_dbm, scenario.draws.transmit_w(power_dbm))
    asleep = devices["asleep"].to_numpy(np.bool_).copy()
    src, dst, size = (flows[name].to_numpy(np.int64) for name in ("src", "dst", "payload_bytes"))
    return RoundTraffic(
        round_index=round_index,
        src=src.copy(),
        dst=dst.copy(),
        payload_bytes=size.copy(),
        part=_places(flows["part"], parts),
        compute_s=compute_s,
        compute_j=machines.power_w * compute_s,
        period_s=config.network.round_period_s,
        stop_when_settled=config.network.sync == "oracle",
        transmit=None if np.isnan(power_dbm).any() else transmit,
        asleep=asleep if asleep.any() else None,
    )


Read = Callable[[str, type], Any]


def _read(kind: type, read: Read) -> dict[str, Any]:
    """Read every field of a report by its name, as its type."""
    return {field.name: read(field.name, TYPES[field.type]) for field in fields(kind)}


def _flow_column(flows: pd.DataFrame) -> Read:
    def read(name: str, dtype: type) -> Any:
        if name == "outcome":
            return _places(flows[name], OUTCOMES)
        return flows[name].to_numpy(dtype)

    return read


def _matrix(links: pd.DataFrame, num_devices: int) -> Read:
    src, dst = links["src"].to_numpy(np.int64), links["dst"].to_numpy(np.int64)

    def read(name: str, dtype: type) -> Any:
        matrix: Any = np.full((num_devices, num_devices), OF_ONESELF.get(name, 0), dtype)
        matrix[src, dst] = links[name].to_numpy(dtype)
        return matrix

    return read


def _battery_column(devices: pd.DataFrame, power_w: FloatArray, duration_s: float) -> Read:
    def read(name: str, dtype: type) -> Any:
        if name == "state_s":
            return _state_s(read("state_j", dtype), power_w, duration_s)
        # Row by row as the network has them, so that sums over a row round alike.
        return np.ascontiguousarray(devices[COLUMNS_OF.get(name, name)].to_numpy(dtype))

    return read


def _state_s(state_j: FloatArray, power_w: FloatArray, duration_s: float) -> FloatArray:
    """Return joules over power, (n, states) [s]; what is left of the round is off."""
    state_s = np.divide(state_j, power_w, out=np.zeros_like(state_j), where=power_w > 0)
    state_s[:, RADIO_STATES.index("off")] = np.maximum(duration_s - state_s.sum(axis=1), 0.0)
    return state_s


def _places(names: pd.Series, known: Sequence[str]) -> IntArray:
    """Return the place of each name among those that are known."""
    place = {name: i for i, name in enumerate(known)}
    return np.array([place[name] for name in names], dtype=np.int64)
