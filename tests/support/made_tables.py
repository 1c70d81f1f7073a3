"""Made tables of a run, with the columns of a real one and totals that can be checked by hand."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RADIO_STATES = ("tx", "rx", "idle", "cca_busy", "switching", "sleep", "off")
COSTS = ("sender_j_per_byte", "receiver_j_per_byte", "relay_j_per_byte", "airtime_s_per_byte")


@dataclass(frozen=True)
class Run:
    rounds: pd.DataFrame
    devices: pd.DataFrame
    links: pd.DataFrame
    flows: pd.DataFrame
    partition: pd.DataFrame
    manifest: dict[str, Any]


def made_run(
    devices: int = 9,
    rounds: int = 12,
    deaths: dict[int, int] | None = None,
    modalities: tuple[str, ...] = ("acc", "gyro"),
    seed: int = 0,
    board_j: float = 0.0,
) -> Run:
    """Make the tables of a run on a grid.

    deaths maps a device to the round in which it dies; board_j: of a living device in a round.
    """
    rng = np.random.default_rng(seed)
    deaths = {} if deaths is None else deaths
    table = _devices(devices, rounds, deaths, modalities, rng, board_j)
    flows = _flows(table, rng)
    return Run(
        rounds=_rounds(table, flows),
        devices=table,
        links=_links(table, rng),
        flows=flows,
        partition=_partition(devices, modalities),
        manifest={
            "status": "complete",
            "run_id": "made-0123",
            "versions": {"cosim": "0.1.0", "ns3": "3.44"},
            "seeds": {"learning": 11, "network": 12},
            "timings": {"ns3_s": 30.0, "learning_s": 15.0, "rest_s": 5.0, "total_s": 50.0},
        },
    )


def _devices(
    devices: int,
    rounds: int,
    deaths: dict[int, int],
    modalities: tuple[str, ...],
    rng: np.random.Generator,
    board_j: float,
) -> pd.DataFrame:
    side = int(np.ceil(np.sqrt(devices)))
    rows = []
    remaining = np.full(devices, 10.0 * rounds)
    for r in range(rounds):
        for k in range(devices):
            dead = k in deaths and r > deaths[k]
            dies = k in deaths and r == deaths[k]
            works = not dead
            row: dict[str, Any] = {"round": r, "device": k}
            row |= {
                "x_m": 30.0 * (k % side),
                "y_m": 30.0 * (k // side),
                "alive": not (dead or dies),
            }
            accuracy = 0.2 + 0.6 * (1 - np.exp(-r / 6)) + 0.05 * rng.standard_normal()
            row |= {"accuracy": accuracy if works else np.nan}
            row |= {"macro_f1": row["accuracy"] - 0.03, "train_loss": 2.0 / (r + 1)}
            row |= {"samples": 100}
            for i, name in enumerate(modalities):
                has = (k + i) % 3 != 2
                count = 0 if dead or not has else int(rng.integers(1, 20))
                row |= {f"iterations_{name}": count}
                row |= {f"parameter_variation_{name}": 0.01 if has and works else np.nan}
                row |= {f"contribution_{name}": 0.1 if has and works else np.nan}
            state = {s: float(rng.uniform(0.1, 0.4)) for s in ("tx", "rx", "cca_busy", "switching")}
            state |= {"idle": 4.0, "sleep": 0.0, "off": 0.0}
            joules = {f"{s}_j": state[s] if works else 0.0 for s in RADIO_STATES}
            row |= joules | {"radio_j": sum(joules.values()), "compute_j": 2.0 if works else 0.0}
            row |= {"board_j": board_j if works else 0.0}
            half_j = (row["radio_j"] - row["idle_j"]) / 2
            row |= dict.fromkeys(("sending_j", "receiving_j"), half_j)
            row |= dict.fromkeys(("forwarding_j", "overheard_j", "protocol_j"), 0.0)
            row |= dict.fromkeys(("cut_off_j", "medium_busy_j", "away_j"), 0.0)
            row |= {"compute_s": 0.5 if works else 0.0, "start_energy_j": remaining[k]}
            row |= {"harvested_j": 0.0, "overflow_j": 0.0}
            row |= {"budget_j": 9.0, "predicted_j": 8.0, "communication_forecast_j": 5.0}
            row |= {
                "binding": "dead" if dead else "energy",
                "paid_rounds": 0 if dead else rounds - r,
            }
            row |= {"planned_trainings": row["paid_rounds"]}
            row |= {"overspent_j": np.nan if dead else 0.25}
            left = (
                0.0
                if dead or dies
                else remaining[k] - row["radio_j"] - row["compute_j"] - row["board_j"]
            )
            remaining[k] = left
            row |= {"remaining_energy_j": left}
            died = k in deaths and r >= deaths[k]
            row |= {"died_at_s": 10.0 * deaths[k] + 7.5 if died else np.nan}
            row |= {"revived_at_s": np.nan}
            row |= {"sent_bytes": 4000, "received_bytes": 3500}
            rows.append(row)
    return pd.DataFrame(rows)


def _partition(devices: int, modalities: tuple[str, ...]) -> pd.DataFrame:
    """Give device k the classes up to its number, two recordings of 10 (k + 1) samples of each."""
    rows = []
    for k in range(devices):
        has = {f"has_{name}": (k + i) % 3 != 2 for i, name in enumerate(modalities)}
        for c in range(k + 1):
            rows += [
                {"device": k, "recording": 2 * c + i, "subject": i, "class": f"class_{c}"}
                | {"samples": 10 * (k + 1)}
                | has
                for i in range(2)
            ]
    return pd.DataFrame(rows)


def _neighbours(table: pd.DataFrame) -> list[tuple[int, int]]:
    first = table[table["round"] == 0].set_index("device")[["x_m", "y_m"]].to_numpy()
    distance_m = np.linalg.norm(first[:, None] - first[None, :], axis=2)
    return [(int(i), int(j)) for i, j in np.argwhere((distance_m > 0) & (distance_m < 31.0))]


def _flows(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    outcomes = ("delivered", "delivered", "delivered", "partial", "lost", "late", "dead")
    for r, src, dst in (
        (r, src, dst) for r in sorted(table["round"].unique()) for src, dst in _neighbours(table)
    ):
        outcome = outcomes[int(rng.integers(len(outcomes)))]
        share = {"delivered": 1.0, "partial": 0.5}.get(outcome, 0.0)
        done = outcome == "delivered"
        row = {"round": r, "src": src, "dst": dst, "part": "acc", "payload_bytes": 4000}
        row |= {"delivered_bytes": int(4000 * share), "acked_bytes": int(4000 * share)}
        row |= {"outcome": outcome, "ready_s": 10.0 * r + 0.5}
        row |= {"finish_s": 10.0 * r + 1.0 if done else np.inf, "delay_s": 0.5 if done else np.nan}
        rows.append(row | {"retransmissions": int(rng.integers(4))})
    columns = "round src dst part payload_bytes delivered_bytes acked_bytes outcome ready_s"
    return pd.DataFrame(rows, columns=[*columns.split(), "finish_s", "delay_s", "retransmissions"])


def _links(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    devices = table["device"].nunique()
    peers = set(_neighbours(table))
    for r in sorted(table["round"].unique()):
        for src, dst in ((i, j) for i in range(devices) for j in range(devices) if i != j):
            peer = (src, dst) in peers
            measured = (peer and r > 0) or ((src + dst) % 5 == 0 and peer)
            row: dict[str, Any] = {"round": r, "src": src, "dst": dst, "is_peer": peer}
            # Who is no peer is reached over the last device.
            row |= {"next_hop": dst if peer else devices - 1 if src < devices - 1 else -1}
            row |= {"rate_bps": rng.uniform(6e6, 54e6) if measured else None}
            row |= {"sinr_db": 19.0 if measured else None, "snr_db": 20.0}
            row |= {"loss_ratio": rng.uniform(0.0, 0.6) if measured else None}
            row |= {"frames": 40 if measured else 0}
            row |= dict.fromkeys(COSTS, 1e-6 if measured else None)
            row |= {"measured_bytes": 1000 if measured else 0}
            rows.append(row | {"age_rounds": 0 if measured else None, "reachable": peer})
    columns = ["round", "src", "dst", "is_peer", "rate_bps", "sinr_db", "snr_db"]
    columns += ["loss_ratio", "frames", "next_hop"]
    columns += [*COSTS, "measured_bytes", "age_rounds", "reachable"]
    links = pd.DataFrame(rows, columns=columns)
    return links.astype({"rate_bps": "Float64", "loss_ratio": "Float64"})


def _rounds(table: pd.DataFrame, flows: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for r, part in table.groupby("round"):
        sent = flows[flows["round"] == r]
        row = {"round": r, "start_s": 10.0 * r, "duration_s": 10.0}
        row |= {"accuracy_mean": part["accuracy"].mean(), "accuracy_min": part["accuracy"].min()}
        row |= {"accuracy_max": part["accuracy"].max(), "macro_f1_mean": part["macro_f1"].mean()}
        row |= {f"accuracy_alive_{of}": row[f"accuracy_{of}"] for of in ("mean", "min", "max")}
        came_s = sorted(sent.loc[sent["outcome"] == "delivered", "delay_s"])
        late = [np.inf] * (len(sent) - len(came_s))
        for name, rank in (("median", 1 / 2), ("p90", 9 / 10)):
            all_s = [*came_s, *late]
            at = int(np.ceil(rank * len(all_s))) - 1
            row |= {f"delay_{name}_s": all_s[at] if all_s else np.nan}
        row |= {"train_loss_mean": part["train_loss"].mean()}
        row |= {"offered_bytes": int(sent["payload_bytes"].sum())}
        row |= {"delivered_bytes": int(sent["delivered_bytes"].sum())}
        row |= {"offered_messages": len(sent)}
        for outcome in ("delivered", "late", "lost"):
            row |= {f"{outcome}_messages": int((sent["outcome"] == outcome).sum())}
        row |= {"radio_j": part["radio_j"].sum(), "compute_j": part["compute_j"].sum()}
        row |= {"board_j": part["board_j"].sum()}
        rows.append(row | {"alive_devices": int(part["alive"].sum())})
    return pd.DataFrame(rows)


def write_run_folder(folder: Path, run: Run) -> None:
    """Write the tables, the manifest and a configuration as a run folder has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("rounds", "devices", "links", "flows"):
        getattr(run, name).to_parquet(folder / f"{name}.parquet")
    (folder / "manifest.json").write_text(json.dumps(run.manifest), encoding="utf-8")
    config = '[network]\ntx_power_dbm = 16.0\nname = "<mesh> & friends"\n'
    (folder / "config.toml").write_text(config, encoding="utf-8")
