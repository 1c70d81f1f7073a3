"""Every value of every network and energy field with every scenario, once and short, on ns-3.

.venv/bin/python tests/benchmarks/every_value.py RESULTS.csv [FIELD ...]

Enumerations in full, numbers at both ends of their range and one per cent inside. Three devices,
two rounds, as calls of the library, each ns-3 in a child process of its own, two at a time (some
1200 cases of 3 s each on one core). A field that only matters beside another gets that one
(BESIDE). Says of each value whether it runs and what share of the messages came, is refused,
warns, or fails; the CSV grows and is gone on with. Exit code 1 where ns-3 aborts, or nothing
arrives and nobody says why.
"""

import os
import sys
import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "support"))
from mesh import make_traffic
from study import Run, work_off

from cosim.config import remarks, to_scenario
from cosim.config.energy import EnergyConfig
from cosim.config.network import NetworkConfig
from cosim.config.section import bounds
from cosim.config.sources import load
from cosim.errors import ConfigError
from cosim.runs.progress import VOID_ROUNDS, delivered_nothing, silence
from ns3_scenarios.catalogue import SCENARIOS
from ns3_scenarios.errors import NetworkFailedError, ScenarioError
from ns3_scenarios.reports import OUTCOMES
from ns3_scenarios.worker import Ns3Network

SECTIONS = {"network": NetworkConfig, "energy": EnergyConfig}
ROUNDS, PERIOD_S, MESSAGE_BYTES, WALL_LIMIT_S = VOID_ROUNDS, 2.0, 30_000, 60.0
BASE = {
    "network.num_devices": 3,
    "network.spacing_m": 20.0,
    "network.disc_radius_m": 15.0,
    "network.mobility_area_m": 40.0,
    "network.round_period_s": PERIOD_S,
}
# What makes a field count at all; a key is a field, or one of its values.
BESIDE: dict[str, dict[str, Any]] = {
    "network.mcs": {"network.rate_manager": "constant"},
    "network.rate_margin_db": {"network.rate_manager": "per_station"},
    "network.broadcast_mcs": {"network.transport": "broadcast"},
    "network.pacing_mbps": {"network.transport": "udp"},
    "network.nakagami_m": {"network.fading": "nakagami"},
    "network.coherence_time_s": {"network.fading": "nakagami"},
    "network.disc_radius_m": {"network.placement": "disc"},
    "network.min_speed_mps": {
        "network.mobility": "random_waypoint",
        "network.max_speed_mps": 100.0,
    },
    "network.max_speed_mps": {
        "network.mobility": "random_waypoint",
        "network.min_speed_mps": 0.01,
    },
    "network.pause_s": {"network.mobility": "random_waypoint"},
    "network.gauss_markov_memory": {"network.mobility": "gauss_markov"},
    "network.mobility_area_m": {"network.mobility": "random_waypoint"},
    "network.shadowing_decay_m": {"network.shadowing_model": "network"},
    "network.decorrelation_distance_m": {"network.mobility": "random_waypoint"},
    "network.interference": {"network.interferers": 1},
    "network.interference_mbps": {"network.interferers": 1},
    "network.interference_on_s": {"network.interferers": 1},
    "network.interference_off_s": {"network.interferers": 1},
    "network.interference_distance_m": {"network.interferers": 1},
    "network.path_loss=umi": {"network.ap_height_m": 10.0},
    "network.path_loss=uma": {"network.ap_height_m": 25.0},
    "network.path_loss=trace": {"network.loss_trace": "loss.csv"},
    "network.loss_trace_end": {
        "network.path_loss": "trace",
        "network.loss_trace": "loss.csv",
    },
    "network.mobility=ns2_trace": {"network.mobility_trace": "walk.tcl"},
    "network.placement=file": {"network.placement_file": "places.csv"},
    "network.band_ghz=2.4": {"network.standard": "80211ax"},
    "network.channel_width_mhz": {"network.standard": "80211ac"},
    "network.standard=80211b": {"network.band_ghz": 2.4, "network.channel_width_mhz": 22},
    "network.standard=80211g": {"network.band_ghz": 2.4},
    "network.standard=80211p": {"network.channel_width_mhz": 10},
    "network.guard_interval_ns=400": {"network.standard": "80211n"},
    "network.spatial_streams": {"network.antennas": 4},
    "network.routing=olsr": {"network.boot_s": 15.0},
    "energy.reserve_j": {"energy.battery_j": 1e9},
    "energy.capacity_j=0.001": {"energy.battery_j": 1e-3, "energy.reserve_j": 0.0},
    "energy.capacity_j=0.00131826": {"energy.battery_j": 1e-3, "energy.reserve_j": 0.0},
    "energy.battery_j": {"energy.reserve_j": 0.0},
    "energy.revival_j": {
        "energy.harvest_power_w": 1.0,
        "energy.battery_j": 1.0,
        "energy.reserve_j": 0.0,
    },
    "energy.sleep_current_a": {"energy.radio_sleep": True},
}
# Named by the value of another field, or free text.
SKIPPED = {
    "placement_file",
    "mobility_trace",
    "loss_trace",
    "device_file",
    "harvest_file",
    "ns3_defaults",
}
SKIPPED |= {"link_trace", "replay"}
# Fields that take minutes at their upper end: last.
CROWDS = ("num_devices", "interferers")
# Values between the ends that the standards know.
MORE = {"band_ghz": [5.0], "channel_width_mhz": [40], "mesh_root": [2], "mcs": [9]}


def inside(low: float, high: float, share: float) -> float:
    """A value that share of the way from low to high, by ratio where the range is wide."""
    if low > 0 and high / low >= 1e3:
        return float(low * (high / low) ** share)
    return float(low + share * (high - low))


def values_of(name: str, field: Any) -> list[Any]:
    """All values of an enumeration; ends of a number, then what is just inside."""
    kinds = get_args(field.annotation) or (field.annotation,)
    if get_origin(field.annotation) is Literal:
        return list(get_args(field.annotation))
    if bool in kinds:
        return [False, True]
    low, high = bounds(field)
    if int in kinds:
        ends = [low, high, low + 1, high - 1]
    else:
        ends = [low, high, inside(low, high, 0.01), inside(low, high, 0.99)]
    return list(dict.fromkeys([*ends[:2], *MORE.get(name, []), *ends[2:]]))


def cases(wanted: list[str]) -> list[Run]:
    """One run per value and scenario; without names, of all fields: enumerations first."""
    found: list[tuple[int, Run]] = []
    for section, model in SECTIONS.items():
        for name, field in model.model_fields.items():
            path = f"{section}.{name}"
            if name in SKIPPED or (wanted and path not in wanted):
                continue
            is_number = bool(field.metadata)
            for rank, value in enumerate(values_of(name, field)):
                text = f"{value:.6g}" if isinstance(value, float) else str(value)
                for scenario in SCENARIOS:
                    key = {"field": path, "value": text, "scenario": scenario}
                    order = 1 + rank // 2 if is_number else 0
                    order += 10 * (name in CROWDS and rank % 2)
                    found.append((order, (key, (path, text, scenario))))
    return [run for _, run in sorted(found, key=lambda each: each[0])]


def write_files(folder: Path) -> None:
    """Write the placement, the movement and the losses that some values name."""
    (folder / "places.csv").write_text("x_m,y_m\n0,0\n20,0\n0,20\n", encoding="utf-8")
    rows = [f"0,{i},{j},70" for i, j in combinations(range(3), 2)]
    (folder / "loss.csv").write_text("\n".join(["time_s,i,j,loss_db", *rows]), encoding="utf-8")
    moves = [
        f"$node_({i}) set {axis}_ {at}"
        for i, place in enumerate([(0, 0, 1.5), (20, 0, 1.5), (0, 20, 1.5)])
        for axis, at in zip("XYZ", place, strict=True)
    ]
    moves.append('$ns_ at 3.0 "$node_(0) setdest 5.0 5.0 1.0"')
    (folder / "walk.tcl").write_text("\n".join(moves) + "\n", encoding="utf-8")


def flags_of(path: str, value: str, scenario: str) -> list[str]:
    """The flags of a case: the small base, what the field needs beside it, and the value."""
    fields = dict(BASE)
    if scenario == "infrastructure":
        fields["network.tx_power_dbm"] = 20.0
    fields |= BESIDE.get(path, {}) | BESIDE.get(f"{path}={value}", {}) | {path: value}
    words: list[str] = []
    for name, given in fields.items():
        if str(given) in ("True", "False"):
            words.append(f"--{'' if str(given) == 'True' else 'no-'}{name}")
        else:
            words += [f"--{name}", str(given)]
    return words


def try_value(path: str, value: str, scenario: str) -> dict[str, Any]:
    """Run one case; say what became of it."""
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        write_files(Path(name))
        try:
            config = load(flags_of(path, value, scenario), None, scenario)
            described = to_scenario.make_scenario(config)
        except (ConfigError, ScenarioError) as error:
            return {"verdict": "refused", "delivered": None, "text": str(error)}
        said = remarks.warnings(config, described)
        network = Ns3Network(described, Path(name) / "ns3.log", WALL_LIMIT_S)
        try:
            network.wait_ready()
            said += remarks.out_of_range(described, network.start_snr_db)
            messages, void = dict.fromkeys(OUTCOMES, 0), 0
            for i in range(ROUNDS):
                traffic = make_traffic(
                    described,
                    i,
                    payload_bytes=MESSAGE_BYTES,
                    period_s=config.network.round_period_s,
                    compute_s=0.1 * config.network.round_period_s,
                    oracle=config.network.sync == "oracle",
                )
                report = network.run_round(traffic)
                for outcome in report.flows.outcome:
                    messages[OUTCOMES[outcome]] += 1
                void += delivered_nothing(report)
            said += [silence(i, report)] if void == VOID_ROUNDS else []
        except ScenarioError as error:
            return {"verdict": "refused", "delivered": None, "text": f"late: {error}"}
        except NetworkFailedError as error:
            verdict = "too slow" if "did not answer" in str(error) else "ABORTS"
            return {"verdict": verdict, "delivered": None, "text": str(error)}
        finally:
            network.close()
            os.chdir("/")
    return judge(messages, said)


def judge(messages: dict[str, int], said: list[str]) -> dict[str, Any]:
    """Turn outcomes and warnings into a verdict; nothing at all must have a reason."""
    offered = sum(messages.values())
    shares = ", ".join(f"{count} {name}" for name, count in messages.items() if count)
    excused = said or not offered or messages["dead"]
    verdict = "warns" if said else "runs"
    if not messages["delivered"] and not excused:
        verdict = "SILENT ZERO"
    return {
        "verdict": verdict,
        "delivered": messages["delivered"] / offered if offered else None,
        "text": "; ".join([shares or "nothing on offer", *said]),
    }


def main() -> int:
    """Work off the cases; print the table; return 1 where one fails."""
    path, *wanted = sys.argv[1:]
    work_off(try_value, cases(wanted), Path(path).resolve(), processes=2)
    table = pd.read_csv(path)
    for (field, value), rows in table.groupby(["field", "value"], sort=False):
        for verdict, same in rows.groupby("verdict", sort=False):
            share = same["delivered"].mean()
            text = f"{100 * share:.0f} % " if not pd.isna(share) else ""
            names = ", ".join(same["scenario"])
            print(f"{field} {value}: {verdict} {text}({names}) {same['text'].iloc[0]}")
    failed = table["verdict"].isin(["ABORTS", "SILENT ZERO"])
    print(f"{len(table)} cases: {table['verdict'].value_counts().to_dict()}")
    return int(failed.any())


if __name__ == "__main__":
    sys.exit(main())
