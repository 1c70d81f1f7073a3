"""Reads the user's tables of numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.errors import ScenarioError

if TYPE_CHECKING:
    import pandas as pd


def read_numbers(
    path: Path,
    field: str,
    required: Collection[str] = (),
    optional: Collection[str] = (),
    num_rows: int | None = None,
) -> pd.DataFrame:
    """Read a table of numbers alone; see read_table."""
    return read_table(path, field, required, optional, {}, num_rows)


def read_table(
    path: Path,
    field: str,
    required: Collection[str] = (),
    optional: Collection[str] = (),
    choices: Mapping[str, Collection[str]] = MappingProxyType({}),
    num_rows: int | None = None,
) -> pd.DataFrame:
    """Read a CSV (or Parquet) file of finite numbers that a field of the configuration names.

    choices: optional columns of names, and the names that each may hold.
    Raises ScenarioError, with the field, where it cannot be read, where a column is missing, is
    there twice or is none of those named, where there are not num_rows rows (None: at least one),
    and, with the row (counted from 1 below the names), where a cell is no finite number, or no such
    name.
    """
    import pandas as pd

    names, cells = _cells(path, field)
    may = [*optional, *choices]
    known = [*required, *may]
    fits = set(required) <= set(names) <= set(known) and len(set(names)) == len(names)
    if (
        not names
        or not fits
        or (len(cells) != num_rows if num_rows is not None else not len(cells))
    ):
        wanted = f"columns {', '.join(required)}" if required else "any of the columns"
        wanted += f"{' and perhaps' if required and may else ''} {', '.join(may)}".rstrip()
        rows = "at least one row" if num_rows is None else f"{num_rows} rows, one a device"
        raise ScenarioError(
            f"{field}: expected {wanted}, each once, and {rows}, got columns {', '.join(names)}"
            f" and {len(cells)} rows in {path}"
        )
    cells = cells.set_axis(pd.Index(names), axis=1).reset_index(drop=True)
    are_names = [name for name in names if name in choices]
    table: pd.DataFrame = (
        cells.drop(columns=are_names).apply(pd.to_numeric, errors="coerce").astype(np.float64)
        + 0.0  # -0.0 is 0
    )
    chosen = cells[are_names].apply(lambda column: column.astype(str).str.strip())
    odd = pd.DataFrame({name: ~np.isfinite(table[name]) for name in table})
    odd = odd.assign(**{name: ~chosen[name].isin(choices[name]) for name in chosen})[names]
    if odd.to_numpy().any():
        row, column = np.argwhere(odd.to_numpy())[0]
        name = names[column]
        wanted = f"one of {', '.join(choices[name])}" if name in choices else "a number"
        raise ScenarioError(
            f"{field} row {row + 1}: expected {wanted} as {name}, got"
            f" {_shown(cells.iloc[row, column])} in {path}"
        )
    return table.join(chosen)[names]


def refuse_row(path: Path, field: str, odd: BoolArray, values: FloatArray, expected: str) -> None:
    """Raise ScenarioError with the first row that is odd, and its value, if any is."""
    if odd.any():
        row = int(odd.argmax())
        raise ScenarioError(
            f"{field} row {row + 1}: expected {expected}, got {values[row]:g} in {path}"
        )


def refuse_devices(
    path: Path, field: str, columns: Mapping[str, FloatArray], num_devices: int
) -> None:
    """Raise ScenarioError where a column has no device, or two by name have the same one."""
    last = num_devices - 1
    for name, device in columns.items():
        odd = (device < 0) | (device > last) | (device % 1 != 0)
        refuse_row(path, field, odd, device, f"{name} to be a device from 0 to {last}")
    if len(columns) == 2:
        (one, first), (other, second) = columns.items()
        refuse_row(path, field, first == second, second, f"{other} to be another device than {one}")


def refuse_pairs(path: Path, field: str, table: pd.DataFrame, num_devices: int) -> None:
    """Raise ScenarioError where i, j are no two devices, or are there twice at one time_s."""
    time_s, i, j = (table[name].to_numpy(np.float64) for name in ("time_s", "i", "j"))
    refuse_devices(path, field, {"i": i, "j": j}, num_devices)
    twice = table.duplicated(["time_s", "i", "j"]).to_numpy()
    if twice.any():
        row = int(twice.argmax())
        same = (time_s == time_s[row]) & (i == i[row]) & (j == j[row])
        raise ScenarioError(
            f"{field} row {row + 1}: expected devices {i[row]:g} and {j[row]:g} once at"
            f" {time_s[row]:g} s, got them in row {int(same.argmax()) + 1}, too, in {path}"
        )


def _cells(path: Path, field: str) -> tuple[list[str], pd.DataFrame]:
    """Return the names of the columns, and what stands below them."""
    import pandas as pd

    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
            return [str(name) for name in table.columns], table
        # Without names, or pandas would rename what is there twice and shift rows that are longer.
        table = pd.read_csv(
            path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ScenarioError(
            f"{field}: expected a readable CSV file, got {path} ({reason})"
        ) from None
    return [str(name).strip() for name in table.iloc[0]], table.iloc[1:]


def _shown(cell: object) -> str:
    text = str(cell).strip()
    return "nothing" if text in ("", "nan", "None") else repr(text[:40])
