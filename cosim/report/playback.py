"""A run round by round, for the page: where devices were, which links carried data, who died."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

# The page holds this many rounds at most, evenly spread, the first and the last among them.
MOST_ROUNDS = 200


def playback(devices: pd.DataFrame, links: pd.DataFrame) -> dict[str, Any]:
    """Return plain numbers that JSON can hold.

    rounds: their numbers. devices, a list a round: x, y [m], whether it lives, energy left [J].
    links, a list a round: sender, receiver, mean PHY rate [Mbit/s], share of frames lost, of each
    link that carried a frame. paths: sender, receiver, next hop, where that is another device.
    """
    numbers = np.sort(devices["round"].unique())
    shown = numbers[np.unique(np.linspace(0, len(numbers) - 1, MOST_ROUNDS).round().astype(int))]
    by_round = dict(iter(devices.sort_values("device").groupby("round")))
    of_links = dict(iter(links[(links["frames"] > 0)].groupby("round")))
    relayed = (links["next_hop"] >= 0) & (links["next_hop"] != links["dst"])
    of_paths = dict(iter(links[relayed].groupby("round")))
    nothing = links.iloc[:0]
    return {
        "rounds": [int(number) for number in shown],
        "devices": [_devices(by_round[number]) for number in shown],
        "links": [_links(of_links.get(number, nothing)) for number in shown],
        "paths": [
            of_paths.get(number, nothing)[["src", "dst", "next_hop"]].to_numpy().tolist()
            for number in shown
        ],
    }


def _devices(table: pd.DataFrame) -> list[list[float]]:
    columns = (table["x_m"], table["y_m"], table["alive"], table["remaining_energy_j"])
    rows: list[list[float]] = (
        np.column_stack([column.to_numpy(float) for column in columns]).round(2).tolist()
    )
    return rows


def _links(table: pd.DataFrame) -> list[list[float | None]]:
    rate_mbps = (table["rate_bps"] / 1e6).round(2)
    rows = zip(table["src"], table["dst"], rate_mbps, table["loss_ratio"].round(3), strict=True)
    return [[int(src), int(dst), _known(rate), _known(loss)] for src, dst, rate, loss in rows]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
