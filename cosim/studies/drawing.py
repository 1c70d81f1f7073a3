"""Lines, points and legends of a study's figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cosim.studies.checks import as_text

MARKERS = "osD^vPX*"
# Between lines, as a share of the least step along x.
APART = 0.06
MOST_TICKS = 8


def draw_line(
    ax: Axes,
    shown: pd.DataFrame,
    x: str,
    name: str,
    place: tuple[int, int, list[Any]],
    with_n: bool,
) -> None:
    """Draw one line; place: its number, of how many, and all values of x, for text their ticks.

    Lines stand a little apart, so that the intervals of none hide those of another.
    """
    index, count, every = place
    is_number = pd.api.types.is_numeric_dtype(shown[x])
    at = shown[x].to_numpy(float) if is_number else np.array([every.index(v) for v in shown[x]])
    order = np.argsort(at)
    at, shown = at[order].astype(float), shown.iloc[order]
    steps = np.diff(np.sort(np.array(every, float) if is_number else np.arange(len(every))))
    step = steps.min() if steps.size else 1.0
    at += APART * step * (index - (count - 1) / 2)
    half = (shown["high"] - shown["mean"]).fillna(0.0)
    ax.errorbar(
        at,
        shown["mean"],
        half,
        marker=MARKERS[index % len(MARKERS)],
        capsize=2,
        label=name or None,
        linestyle="-" if is_number else "none",  # between names lies nothing
    )
    for where, mean, n in zip(at, shown["mean"], shown["n"], strict=True):
        if with_n:
            ax.annotate(f"{n}", (where, mean), (3, 3), textcoords="offset points", fontsize=5)
    if is_number and len(every) <= MOST_TICKS:  # where values are, not where lines stand apart
        ax.set_xticks(np.array(every, float), [as_text(value) for value in every])
        ax.set_xlim(min(every) - step / 2, max(every) + step / 2)
    if not is_number:
        ax.set_xticks(range(len(every)), [str(value) for value in every], rotation=30, ha="right")
        ax.set_xlim(-0.5, len(every) - 0.5)


def legend_above(ax: Axes, title: str | None = None) -> None:
    """Put the legend above the axes, where it lies over no line."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(
            title=title, fontsize=5, title_fontsize=5, ncols=3, loc="lower center",
            bbox_to_anchor=(0.5, 1.0), frameon=False,
        )  # fmt: skip


def draw_arms(ax: Axes, shown: pd.DataFrame, swept: list[str]) -> None:
    """Draw one point a combination, where nothing is named for x."""
    names = [", ".join(str(row[name]) for name in swept) for _, row in shown.iterrows()]
    half = (shown["high"] - shown["mean"]).fillna(0.0)
    ax.errorbar(np.arange(len(shown)), shown["mean"], half, fmt="o", capsize=2)
    for place, (mean, n) in enumerate(zip(shown["mean"], shown["n"], strict=True)):
        ax.annotate(f"{n}", (place, mean), (4, 3), textcoords="offset points", fontsize=5)
    ax.set_xticks(np.arange(len(shown)), names, rotation=30, ha="right")
