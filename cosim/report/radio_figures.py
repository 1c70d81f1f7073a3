"""What the radios drew for, beside what plans had foreseen."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cosim.report.figures import AGAINST, BLUE, VERMILION, count_rounds, legend_above

# Own messages lie at the bottom: they are what a device decides on.
CAUSE_COLOURS = {
    "sending": VERMILION,
    "receiving": "#009E73",
    "forwarding": "#CC79A7",
    "overheard": "#E69F00",
    "protocol": BLUE,
    "cut_off": "#F0E442",
    "medium_busy": "0.60",
}


def draw_radio_causes(devices: pd.DataFrame, ax: Axes) -> Axes:
    """Draw what all radios drew above idle ones [J] in each round, by cause, and its forecast.

    The forecast is that of plans less what the radios drew for none of these causes: idling, or
    asleep. Causes that took nothing are left out of the legend.
    """
    causes = [f"{name}_j" for name in CAUSE_COLOURS]
    columns = [*causes, "radio_j", "communication_forecast_j"]
    by_round = devices.groupby("round")[columns].sum()
    bottom = np.zeros(len(by_round))
    width = 0.9 if len(by_round) < 30 else 1.0  # thin gaps would shimmer
    for name, colour in CAUSE_COLOURS.items():
        joules = by_round[f"{name}_j"].to_numpy(dtype=float)
        if joules.any():
            label = name.replace("_", " ")
            ax.bar(by_round.index, joules, width, bottom, color=colour, label=label, linewidth=0)
            bottom += joules
    rest_j = by_round["radio_j"] - by_round[causes].sum(axis=1)
    foreseen_j = by_round["communication_forecast_j"] - rest_j
    ax.plot(by_round.index, foreseen_j, color="black", marker=".", label="foreseen")
    ax.grid(visible=False, axis="x")
    ax.set_xlabel(AGAINST["round"])
    count_rounds(ax, by_round.index.to_numpy(dtype=float))
    ax.set_ylabel("Radios above idling (J)")
    legend_above(ax, *ax.get_legend_handles_labels(), ncols=3)
    return ax
