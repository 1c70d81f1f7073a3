"""One function per figure: tables in, Axes out; figure_files.py writes them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cosim.report.summary import modalities_of

STYLE = Path(__file__).with_name("paper.mplstyle")
LONGEST_NAME = 24
MOST_NUMBERED = 100  # devices with a number of their own in a figure

BLUE, VERMILION, DARK, LIGHT = "#0072B2", "#D55E00", "0.25", "0.80"

# Compute lies at the bottom: it is what a plan controls, and reads off the axis there.
STATE_COLOURS = {
    "compute": VERMILION,
    "board": BLUE,
    "tx": "#CC79A7",
    "rx": "#009E73",
    "cca_busy": "#E69F00",
    "switching": "#F0E442",
    "idle": "#56B4E9",
    "sleep": "0.60",
    "off": "0.85",
}

# Upper end of a link's mean frame loss -> line style, label.
LOSS_STYLES: tuple[tuple[float, Literal["-", "--", ":"], str], ...] = (
    (0.1, "-", "loss < 10 %"),
    (0.3, "--", "10-30 %"),
    (np.inf, ":", "> 30 %"),
)

AGAINST = {
    "round": "Round",
    "time_s": "Simulated time (s)",
    "energy_j": "Energy of all devices (J)",
}


def draw_topology(devices: pd.DataFrame, links: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the devices where they were last, and each pair that peered in any round.

    Colour: mean PHY rate over rounds and both directions [Mbit/s]; line style: mean frame loss,
    solid also where only the rate was measured; thin grey: peers without a finite measured rate.
    A cross is a dead device.

    Leaves out: movement, links that were overheard but never peered, and asymmetry.
    """
    last = devices.sort_values("round").groupby("device").last()
    position_m = last[["x_m", "y_m"]].astype(float)
    pairs = _mean_links(links)
    measured = pairs[pairs["rate_mbps"].notna()]
    top = float(measured["rate_mbps"].max()) if len(measured) else 1.0
    scale = Normalize(0.0, top)

    def segments(part: pd.DataFrame) -> list[NDArray[np.float64]]:
        return [position_m.loc[list(pair)].to_numpy() for pair in part.index]

    unknown = pairs[pairs["rate_mbps"].isna()]
    ax.add_collection(LineCollection(segments(unknown), colors=LIGHT, linewidths=0.8, zorder=1))
    loss = measured["loss_ratio"].fillna(0.0)
    low = -np.inf
    for high, style, _ in LOSS_STYLES:
        part = measured[(loss >= low) & (loss < high)]
        lines = LineCollection(segments(part), linestyles=style, norm=scale, linewidths=1.6)
        lines.set_array(part["rate_mbps"].to_numpy())
        ax.add_collection(lines)
        low = high
    label = "Mean PHY rate (Mbit/s)"
    ax.figure.colorbar(lines, ax=ax, label=label, location="bottom", aspect=35, pad=0.02)
    _draw_devices(position_m, ~last["alive"], ax)
    return ax


def draw_accuracy(rounds: pd.DataFrame, ax: Axes, against: str = "round") -> Axes:
    """Draw the mean accuracy [%] over all devices, with the band from the worst to the best.

    The dead count with their last model.

    Args:
        rounds: the rounds table.
        ax: where to draw.
        against: "round", "time_s" (end of the round) or "energy_j" (radio, compute and board of
            all devices until then).

    Raises:
        KeyError: another ``against``.

    Leaves out: rounds without an accuracy (none measured).
    """
    rounds = rounds.sort_values("round")
    x = {
        "round": rounds["round"],
        "time_s": rounds["start_s"] + rounds["duration_s"],
        "energy_j": rounds[["radio_j", "compute_j", "board_j"]].sum(axis=1).cumsum(),
    }[against].to_numpy(dtype=float)
    low, mean, high = (
        100.0 * _floats(rounds[f"accuracy_{name}"]) for name in ("min", "mean", "max")
    )
    known = ~np.isnan(mean)
    if known.any():
        x, low, mean, high = x[known], low[known], mean[known], high[known]
    band = ax.fill_between(x, low, high, alpha=0.2, color=BLUE, linewidth=0.0)
    (line,) = ax.plot(x, mean, color=BLUE, marker="o" if len(x) < 30 else "")
    if len(x) == 1:  # a band over one point has no area
        ax.vlines(x, low, high, color=BLUE, alpha=0.4)
    ax.set_xlabel(AGAINST[against])
    if against == "round":
        count_rounds(ax, x)
    ax.set_ylabel("Accuracy (%)")
    ax.legend([line, band], ["mean of all devices", "worst to best"], loc="lower right")
    return ax


def draw_delay(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the delay [s] within which half and 90 % of all messages arrived, and how many did [%].

    Messages that did not arrive count as infinitely late: a line has a gap where too few came.
    """
    rounds = rounds.sort_values("round")
    x = rounds["round"].to_numpy(dtype=float)
    arrived = 100.0 * rounds["delivered_messages"] / rounds["offered_messages"]
    share = ax.twinx()
    share.grid(visible=False)
    (came,) = share.plot(x, _floats(arrived), color="0.60", linestyle=":")
    share.set_ylim(0.0, 105.0)
    share.set_ylabel("Messages that arrived (%)")
    marker, lines = "o" if len(x) < 30 else "", []
    for name, style, colour in (("median", "-", BLUE), ("p90", "--", VERMILION)):
        delay_s = _floats(rounds[f"delay_{name}_s"])
        shown_s = np.where(np.isfinite(delay_s), delay_s, np.nan)
        lines += ax.plot(x, shown_s, style, color=colour, marker=marker)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(AGAINST["round"])
    count_rounds(ax, x)
    ax.set_ylabel("Delay of all messages (s)")
    legend_above(ax, [*lines, came], ["half", "90 %", "arrived"])
    return ax


def draw_remaining_energy(rounds: pd.DataFrame, devices: pd.DataFrame, ax: Axes) -> Axes:
    """Draw each battery [J] over simulated time, the median, and when devices died or came back."""
    by_round = rounds.set_index("round")
    left_j = devices.pivot(index="round", columns="device", values="remaining_energy_j")
    first = devices[devices["round"] == left_j.index[0]].set_index("device")
    end_s = (by_round["start_s"] + by_round["duration_s"]).loc[left_j.index].to_numpy(dtype=float)
    time_s = np.concatenate([[by_round["start_s"].min()], end_s])
    joules = np.vstack([first["start_energy_j"].loc[left_j.columns], left_j.to_numpy(dtype=float)])
    died_at_s = devices.pivot(index="round", columns="device", values="died_at_s")
    emptied_s = np.vstack([np.full(len(left_j.columns), np.nan), died_at_s.to_numpy(dtype=float)])
    # A battery is empty from its death on, not from the end of that round.
    own_time_s = np.fmin(np.where(joules > 0.0, np.inf, emptied_s), time_s[:, np.newaxis])
    lines = ax.plot(own_time_s, joules, color=BLUE, linewidth=0.7, alpha=0.45)
    (median,) = ax.plot(time_s, np.median(joules, axis=1), color="black")
    handles, labels = [lines[0], median], ["a device", "median"]
    for name, column, marker, colour in (
        ("death", "died_at_s", "x", VERMILION),
        ("revival", "revived_at_s", "^", BLUE),
    ):
        when_s = devices[["device", column]].dropna().drop_duplicates()[column]
        if len(when_s):
            on_axis = np.zeros(len(when_s))
            (mark,) = ax.plot(when_s, on_axis, marker, color=colour, zorder=3, clip_on=False)
            handles, labels = [*handles, mark], [*labels, name]
    finite = joules[np.isfinite(joules) & (joules > 0.0)]  # mains power is an infinite battery
    ax.set_ylim(0.0, 1.05 * float(finite.max()) if len(finite) else 1.0)
    ax.set_xlabel(AGAINST["time_s"])
    ax.set_ylabel("Energy left (J)")
    legend_above(ax, handles, labels)
    return ax


def draw_energy_by_state(devices: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the joules of all devices in each round, stacked by what they were spent on.

    States that never took any energy are left out of the legend.
    """
    columns = [f"{name}_j" for name in STATE_COLOURS]
    by_round = devices.groupby("round")[columns].sum()
    bottom = np.zeros(len(by_round))
    width = 0.9 if len(by_round) < 30 else 1.0  # thin gaps would shimmer
    for name, colour in STATE_COLOURS.items():
        joules = by_round[f"{name}_j"].to_numpy(dtype=float)
        if joules.any():
            label = name.replace("_", " ").replace("cca", "CCA")
            ax.bar(by_round.index, joules, width, bottom, color=colour, label=label, linewidth=0)
            bottom += joules
    ax.grid(visible=False, axis="x")
    ax.set_xlabel(AGAINST["round"])
    count_rounds(ax, by_round.index.to_numpy(dtype=float))
    ax.set_ylabel("Energy of all devices (J)")
    handles, labels = ax.get_legend_handles_labels()
    legend_above(ax, handles, labels)
    return ax


def draw_iterations(
    devices: pd.DataFrame, modality: str, ax: Axes, most: int | None = None
) -> Axes:
    """Draw the local iterations of one modality, devices by rounds; grey where there were none.

    Args:
        devices: the devices table, with ``iterations_<modality>``.
        modality: which one.
        ax: where to draw.
        most: upper end of the colours, to share them among panels; None: the largest count.
    """
    counts = devices.pivot(index="device", columns="round", values=f"iterations_{modality}")
    values = counts.to_numpy(dtype=float)
    shown = np.ma.masked_invalid(np.where(values > 0, values, np.nan))
    top = max(1, int(np.nanmax(values)) if most is None else most)
    x, y = counts.columns.to_numpy(dtype=float), counts.index.to_numpy(dtype=float)
    extent = (x.min() - 0.5, x.max() + 0.5, y.max() + 0.5, y.min() - 0.5)
    ax.set_facecolor(LIGHT)
    ax.imshow(shown, aspect="auto", vmin=0, vmax=top, extent=extent, interpolation="nearest")
    ax.grid(visible=False)
    count_rounds(ax, x)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_title(_shortened(modality))
    ax.set_xlabel(AGAINST["round"])
    ax.set_ylabel("Device")
    return ax


def draw_partition(partition: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the training samples of each device by class, area by number; names say modalities.

    Args:
        partition: the partition table.
        ax: where to draw.

    Leaves out: devices without data, subjects and recordings.
    """
    counts = partition.pivot_table(
        index="device", columns="class", values="samples", aggfunc="sum", fill_value=0
    )
    device, kind = (place.ravel() for place in np.indices(counts.shape))
    size = counts.to_numpy(dtype=float).ravel()
    largest = (250.0 if len(counts) <= 12 else 3000.0 / len(counts)) / max(1.0, size.max())
    some = size > 0
    ax.scatter(kind[some], device[some], s=largest * size[some], color=BLUE, linewidths=0.0)
    names = [str(k) for k in counts.index]
    modalities = modalities_of(partition, "has_")
    has = partition.groupby("device")[[f"has_{m}" for m in modalities]].first().to_numpy()
    if not has.all():
        own = [_shortened(", ".join(np.compress(mask, modalities))) for mask in has]
        names = [f"{k} ({which})" for k, which in zip(names, own, strict=True)]
    step = math.ceil(len(names) / MOST_NUMBERED)
    size_pt = float(np.clip(250 * step / len(names), 3, 8))
    ax.set_yticks(range(0, len(names), step), names[::step], fontsize=size_pt)
    classes = [_shortened(name) for name in counts.columns]
    ax.set_xticks(range(counts.shape[1]), classes, rotation=90, parse_math=False)
    ax.set_xlim(-0.6, counts.shape[1] - 0.4)
    ax.set_ylim(len(counts) - 0.4, -0.6)
    ax.set_ylabel("Device")
    ax.set_title(f"{int(size.sum())} training samples, largest {int(size.max())}")
    return ax


def _shortened(name: str) -> str:
    """Cut a name of the user's to what a small figure has room for."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _mean_links(links: pd.DataFrame) -> pd.DataFrame:
    """Mean rate [Mbit/s] and loss of each pair that peered or sent; index (low, high)."""
    rate_mbps = _floats(links["rate_bps"]) / 1e6
    table = pd.DataFrame(
        {
            "low": links[["src", "dst"]].min(axis=1),
            "high": links[["src", "dst"]].max(axis=1),
            "peer": links["is_peer"].astype(bool),
            "rate_mbps": np.where(np.isfinite(rate_mbps), rate_mbps, np.nan),
            "loss_ratio": _floats(links["loss_ratio"]),
        }
    )
    pairs = table.groupby(["low", "high"]).agg(
        {"peer": "any", "rate_mbps": "mean", "loss_ratio": "mean"}
    )
    # An ad hoc network has traffic without peerings.
    return pairs[pairs["peer"] | pairs["rate_mbps"].notna()]


def _draw_devices(position_m: pd.DataFrame, dead: pd.Series, ax: Axes) -> None:
    x, y = position_m["x_m"], position_m["y_m"]
    n, few = len(position_m), len(position_m) <= 25
    if n > MOST_NUMBERED:  # circles with numbers would hide the links
        ax.scatter(x, y, s=400.0 / n, color=DARK, linewidths=0.0, zorder=3)
    else:
        area, size = (90, 6) if few else (30, 4)
        ax.scatter(x, y, s=area, color="white", edgecolors=DARK, linewidths=0.8, zorder=3)
        for device, at in zip(position_m.index, zip(x, y, strict=True), strict=True):
            ax.annotate(str(device), at, ha="center", va="center_baseline", fontsize=size, zorder=4)
    cross = 70 if few else 25
    ax.scatter(x[dead], y[dead], marker="x", s=cross, color=VERMILION, linewidths=1.4, zorder=5)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.12)
    ax.set_xlabel("x (m)")
    ax.set_ylabel("y (m)")
    handles = [Line2D([], [], color=DARK, linestyle=style) for _, style, _ in LOSS_STYLES]
    labels = [label for _, _, label in LOSS_STYLES]
    handles.append(Line2D([], [], color=VERMILION, marker="x", linestyle=""))
    legend_above(ax, handles, [*labels, "dead"])


def count_rounds(ax: Axes, rounds: NDArray[np.float64]) -> None:
    """Let the axis show these rounds in full, at whole numbers."""
    ax.set_xlim(rounds.min() - 0.5, rounds.max() + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def legend_above(
    ax: Axes, handles: Sequence[Artist], labels: Sequence[str], ncols: int = 4
) -> None:
    """Put the legend over the axes, where it hides nothing."""
    at = (0.0, 1.0)
    ax.legend(handles, labels, loc="lower left", bbox_to_anchor=at, ncols=ncols, borderpad=0.2)


def _floats(column: pd.Series) -> NDArray[np.float64]:
    """Numbers with nan for unmeasured, whichever null the file had."""
    numbers = column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(numbers, dtype=np.float64)
