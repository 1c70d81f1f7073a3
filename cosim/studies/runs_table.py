"""A run of a study as one row: what was swept, what it came to, what it cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cosim.records.code_version import source_version
from cosim.records.layout import MANIFEST
from cosim.records.manifest import read_manifest
from cosim.records.parquet import read_table
from cosim.report.summary import summarise
from cosim.studies.columns import COLUMNS
from cosim.studies.folder import StudyFolder

LAST_ROUNDS = 5


def runs_table(folder: StudyFolder, target_accuracy: float | None) -> pd.DataFrame:
    """One row a run that is expected, with its state; the columns of COLUMNS where it is done.

    Rows of runs that have not changed since the last time are taken from the table of that time.
    """
    expected = folder.expected()
    collector = source_version()
    known = _known(folder, target_accuracy, collector)
    rows = []
    fields = expected.drop(columns="refused").to_dict("records")
    for row, status in zip(fields, folder.statuses(expected), strict=True):
        found: dict[str, Any] = {"state": status.state, "why": status.why}
        if status.state == "done":
            path = folder.run(row["case"])
            stamp = (path / MANIFEST).stat().st_mtime_ns
            before = known.get((row["case"], stamp))
            found |= before if before is not None else _row(path, target_accuracy)
            found |= {"stamp_ns": stamp, "target_accuracy": target_accuracy, "collector": collector}
        rows.append(row | found)
    return pd.DataFrame(rows)


def _known(
    folder: StudyFolder, target_accuracy: float | None, collector: str
) -> dict[tuple[str, int], Any]:
    path = folder.root / "runs.parquet"
    if not path.exists():
        return {}
    table = read_table(path)
    if "collector" not in table:
        return {}
    table = table[table["collector"] == collector]
    same = (
        table["target_accuracy"].isna()
        if target_accuracy is None
        else (table["target_accuracy"] == target_accuracy)
    )
    names = [each.name for each in COLUMNS if each.name in table]
    return {
        (row["case"], int(row["stamp_ns"])): {name: row[name] for name in names}
        for row in table[same].to_dict("records")
    }


def _row(folder: Path, target_accuracy: float | None) -> dict[str, Any]:
    rounds, devices, flows = (
        read_table(folder / f"{name}.parquet").sort_values("round")
        for name in ("rounds", "devices", "flows")
    )
    manifest = read_manifest(folder)
    return numbers(rounds, devices, flows, manifest.timings, target_accuracy) | {
        "code_version": manifest.code_version,
        "processor": manifest.host.processor,
    }


def numbers(
    rounds: pd.DataFrame,
    devices: pd.DataFrame,
    flows: pd.DataFrame,
    timings: dict[str, float],
    target_accuracy: float | None,
) -> dict[str, Any]:
    """Return the numbers of COLUMNS of a run, from its tables in the order of rounds."""
    total = summarise(rounds, devices, flows, {"timings": timings})
    measured = rounds["accuracy_mean"].dropna()
    return {
        "accuracy_last": total["accuracy_mean"],
        "accuracy_last5": float(measured.tail(LAST_ROUNDS).mean()) if len(measured) else None,
        "accuracy_living": total["accuracy_alive_mean"],
        "accuracy_worst": total["accuracy_min"],
        "energy_j": total["radio_j"] + total["compute_j"] + total["board_j"],
        **{name: total[name] for name in ("radio_j", "compute_j", "board_j", "overspent_j")},
        "sent_bytes": int(devices["sent_bytes"].sum()),
        "delivered_share": total["delivered_bytes_share"],
        **{
            name: total[name]
            for name in ("delay_median_s", "alive_devices", "devices", "rounds", "simulated_s")
        },
        **_to_target(rounds, devices, target_accuracy),
        "wall_s": timings["total_s"],
    }


def _to_target(
    rounds: pd.DataFrame, devices: pd.DataFrame, target_accuracy: float | None
) -> dict[str, Any]:
    """Say what it took until the mean accuracy first reached the target; none: it did not."""
    names = ("time_to_target_s", "energy_to_target_j", "bytes_to_target")
    reached = np.flatnonzero(rounds["accuracy_mean"] >= (target_accuracy or np.inf))
    if len(reached) == 0:
        return dict.fromkeys(names)
    first, until = reached[0], rounds.iloc[: reached[0] + 1]
    end_s = rounds["start_s"].iloc[first] + rounds["duration_s"].iloc[first]
    joules = until[["radio_j", "compute_j", "board_j"]].to_numpy().sum()
    sent = devices.loc[devices["round"].isin(until["round"]), "sent_bytes"].sum()
    return dict(zip(names, (float(end_s), float(joules), int(sent)), strict=True))


def done(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of finished runs."""
    return table[table["state"] == "done"]
