"""Figures of a study: tables in, matplotlib figures out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cosim.records.parquet import read_table
from cosim.report.figure_files import WIDTH_IN
from cosim.report.figures import STATE_COLOURS
from cosim.studies.checks import as_text
from cosim.studies.drawing import MARKERS, draw_arms, draw_line, legend_above
from cosim.studies.folder import StudyFolder
from cosim.studies.labels import KNOWN, label, scale_of
from cosim.studies.runs_table import done
from cosim.studies.statistics import FEW_SEEDS, cells, groups
from cosim.studies.study import Study

MOST_LINES = 8
# The batteries' limit is a line where it fits so much of the bars' height, else a number.
MOST_OF_HEIGHT = 2.0


@dataclass(frozen=True)
class StudyFigure:
    """One figure of a study: its file, heading and caption, and what makes it."""

    name: str
    heading: str
    caption: str
    make: Callable[[], Figure]


def figures_of(folder: StudyFolder, study: Study, table: pd.DataFrame) -> list[StudyFigure]:
    """Return the figures that a study can have now."""
    finished, found = done(table), []
    for column in study.figure.y:
        known = column in finished and finished[column].notna().any()
        if known:
            found.append(_over_x(study, finished, column))
        if known and _are_numbers(finished, study.figure.x, study.figure.lines):
            found.append(_heat_map(study, finished, column))
    progress_of = cache(partial(progress, folder))  # four figures show the same rounds
    scored = "accuracy_last" in finished and finished["accuracy_last"].notna().any()
    learnt = finished[finished["accuracy_last"].notna()] if scored else finished.iloc[:0]
    curves = [_curves(progress_of, study, learnt, against) for against in AGAINST]
    found += curves if len(learnt) else []
    found += [_by_state(folder, study, finished), _delays(folder, study, finished)]
    found += [_pareto(study, learnt)] if len(learnt) else []
    return found


def _over_x(study: Study, finished: pd.DataFrame, column: str) -> StudyFigure:
    """Draw a column along the swept field x, a line for each value of another."""
    x = study.figure.x
    swept = [name for name in study.swept if name in finished]
    # A line for each combination of what else is swept: nothing is pooled but seeds.
    beside = [name for name in study.beside(x or "") if name in finished]
    lines = _lines(finished, beside)
    left_out = f" The first {MOST_LINES} of {len(lines)} lines." if len(lines) > MOST_LINES else ""

    def make() -> Figure:
        figure = Figure(figsize=(WIDTH_IN, 2.6))
        ax = figure.subplots()
        if x is None or x not in finished:
            shown = cells(finished, swept, column, len(study.seeds.all))
            draw_arms(ax, _scaled(shown, column), swept)
        else:
            drawn = [
                (name, cells(group, [x], column, len(study.seeds.all)))
                for name, group in lines[:MOST_LINES]
            ]
            every, counts = list(finished[x].unique()), {n for _, c in drawn for n in c["n"]}
            for index, (name, shown) in enumerate(drawn):
                place = index, len(drawn), every
                draw_line(ax, _scaled(shown, column), x, name, place, len(counts) > 1)
            named = ", ".join(label(name) for name in beside)
            each = f"n = {min(counts)}" if len(counts) == 1 else "n at each point"
            if min(counts) < FEW_SEEDS:
                each += f", no interval below {FEW_SEEDS}"
            legend_above(ax, f"{named}; {each}" if named else each)
            ax.set_xlabel(label(x) if named else f"{label(x)}, {each}")
        ax.set_ylabel(label(column))
        return figure

    meaning = KNOWN[column].meaning if column in KNOWN else column
    return StudyFigure(
        column,
        label(column),
        f"{meaning[:1].upper()}{meaning[1:]}: mean over seeds, the number n of runs,"
        f" and the 95 % interval where there are {FEW_SEEDS} or more.{left_out}",
        make,
    )


def _scaled(shown: pd.DataFrame, column: str) -> pd.DataFrame:
    """Put a column as it is shown; no interval where a cell has few seeds."""
    numbers = ["mean", "low", "high"]
    found = shown.assign(**{name: scale_of(column) * shown[name] for name in numbers})
    found.loc[found["n"] < FEW_SEEDS, ["low", "high"]] = np.nan
    return found


def _heat_map(study: Study, finished: pd.DataFrame, column: str) -> StudyFigure:
    """Draw a column over two swept numbers, a field a combination."""
    x, y = str(study.figure.x), str(study.figure.lines)

    def make() -> Figure:
        figure = Figure(figsize=(WIDTH_IN, 2.8))
        ax = figure.subplots()
        means = scale_of(column) * finished.pivot_table(index=y, columns=x, values=column)
        image = ax.imshow(means.to_numpy(float), origin="lower", aspect="auto")
        ax.set_xticks(range(means.shape[1]), [f"{value:g}" for value in means.columns])
        ax.set_yticks(range(means.shape[0]), [f"{value:g}" for value in means.index])
        ax.grid(visible=False)
        ax.set_xlabel(label(x))
        ax.set_ylabel(label(y))
        figure.colorbar(image, ax=ax, label=label(column))
        return figure

    caption = "Mean over seeds and over whatever else is swept."
    return StudyFigure(f"{column}_map", f"{label(column)}, map", caption, make)


def _are_numbers(finished: pd.DataFrame, *fields: str | None) -> bool:
    """Tell whether fields are swept over three numbers or more each."""
    return all(
        name is not None
        and name in finished
        and pd.api.types.is_numeric_dtype(finished[name])
        and finished[name].nunique() > 2
        for name in fields
    )


def _named(study: Study, finished: pd.DataFrame) -> str:
    """Name what tells the arms apart."""
    return ", ".join(label(name) for name in study.swept if name in finished)


def _lines(finished: pd.DataFrame, fields: list[str]) -> list[tuple[str, pd.DataFrame]]:
    """Return the runs of each combination of fields, by its name."""
    return [
        (", ".join(as_text(value) for _, value in pairs), group)
        for pairs, group in groups(finished, fields)
    ]


def arms_of(study: Study, finished: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the combinations of swept fields, by a short name, with their runs."""
    lines = _lines(finished, [name for name in study.swept if name in finished])
    return [(name or "all runs", group) for name, group in lines]


def progress(folder: StudyFolder, case: str) -> pd.DataFrame:
    """Return a run's evaluated rounds: accuracy, and round, simulated s, J and bytes until then."""
    rounds = read_table(folder.run(case) / "rounds.parquet").sort_values("round")
    devices = read_table(folder.run(case) / "devices.parquet")
    sent = devices.groupby("round")["sent_bytes"].sum().cumsum()
    found = pd.DataFrame(
        {
            "round": rounds["round"].to_numpy(),
            "time_s": (rounds["start_s"] + rounds["duration_s"]).to_numpy(),
            "energy_j": rounds[["radio_j", "compute_j", "board_j"]].sum(axis=1).cumsum().to_numpy(),
            "sent_bytes": sent.reindex(rounds["round"]).to_numpy(),
            "accuracy": rounds["accuracy_mean"].to_numpy(dtype=float),
        }
    )
    return found.dropna(subset="accuracy")


AGAINST = {
    "round": "Round",
    "time_s": "Simulated time (s)",
    "energy_j": "Energy of all devices (J)",
    "sent_bytes": "Payload of all devices (bytes)",
}


def _curves(
    progress_of: Callable[[str], pd.DataFrame], study: Study, finished: pd.DataFrame, against: str
) -> StudyFigure:
    """Draw the accuracy of each arm: mean over seeds at the mean of x, and the 95 % interval."""
    arms = arms_of(study, finished)

    def make() -> Figure:
        figure = Figure(figsize=(WIDTH_IN, 2.8))
        ax = figure.subplots()
        for name, group in arms[:MOST_LINES]:
            all_runs = pd.concat([progress_of(case) for case in group["case"]])
            x = all_runs.groupby("round")[against].mean()
            shown = cells(all_runs.assign(arm=all_runs["round"]), ["arm"], "accuracy", 1)
            shown = _scaled(shown, "accuracy_last")
            line = ax.plot(x.to_numpy(), shown["mean"], label=f"{name} (n = {len(group)})")[0]
            low, high = (shown[side].fillna(shown["mean"]) for side in ("low", "high"))
            ax.fill_between(x.to_numpy(), low, high, color=line.get_color(), alpha=0.15, lw=0)
        ax.set_xlabel(AGAINST[against])
        ax.set_ylabel("Accuracy (%)")
        legend_above(ax, _named(study, finished))
        return figure

    left_out = f" The first {MOST_LINES} of {len(arms)}." if len(arms) > MOST_LINES else ""
    return StudyFigure(
        f"accuracy_by_{against}",
        f"Accuracy, along: {AGAINST[against]}",
        f"Test accuracy, mean over devices and seeds, and the 95 % interval over seeds where there"
        f" are {FEW_SEEDS} or more.{left_out}",
        make,
    )


def _by_state(folder: StudyFolder, study: Study, finished: pd.DataFrame) -> StudyFigure:
    """Stack the joules of each arm by what drew them; a dash: what all batteries held at first."""
    arms = arms_of(study, finished)

    def make() -> Figure:
        figure = Figure(figsize=(WIDTH_IN, 3.0))
        ax = figure.subplots()
        bottom = np.zeros(len(arms))
        tables = [
            [read_table(folder.run(case) / "devices.parquet") for case in group["case"]]
            for _, group in arms
        ]
        for state, colour in STATE_COLOURS.items():
            joules = np.array(
                [np.mean([each[f"{state}_j"].sum() for each in runs]) for runs in tables]
            )
            if joules.any():
                ax.bar(range(len(arms)), joules, 0.7, bottom, color=colour, label=state)
                bottom += joules
        for place, runs in enumerate(tables):
            held = np.mean([each.loc[each["round"] == 1, "start_energy_j"].sum() for each in runs])
            if held < MOST_OF_HEIGHT * bottom.max():
                ax.plot([place - 0.4, place + 0.4], [held, held], "--", color="0.2", lw=1)
            else:
                ax.annotate(f"of {held:,.0f} J", (place, bottom[place]), (0, 2), ha="center",
                            textcoords="offset points", fontsize=5)  # fmt: skip
        ax.set_xticks(range(len(arms)), [name for name, _ in arms], rotation=30, ha="right")
        ax.tick_params(axis="x", labelsize=5)
        ax.set_xlabel(_named(study, finished))
        ax.set_ylabel("Energy of all devices (J)")
        legend_above(ax)
        return figure

    return StudyFigure(
        "energy_by_state",
        "Energy by state",
        "Joules of all devices in a run, mean over seeds, and what their batteries held at first: a"
        " dashed line, or a number where it is far above.",
        make,
    )


def _delays(folder: StudyFolder, study: Study, finished: pd.DataFrame) -> StudyFigure:
    """Draw the distribution of delay of all messages; what did not arrive is infinitely late."""
    arms = arms_of(study, finished)

    def make() -> Figure:
        figure = Figure(figsize=(WIDTH_IN, 2.6))
        ax = figure.subplots()
        for name, group in arms[:MOST_LINES]:
            flows = pd.concat([read_table(folder.run(c) / "flows.parquet") for c in group["case"]])
            came = flows.loc[flows["outcome"] == "delivered", "delay_s"].to_numpy(float)
            if len(flows):
                share = 100 * np.arange(1, len(came) + 1) / len(flows)
                ax.plot(np.sort(came), share, label=name, lw=1)
        ax.set_ylim(0, 100)
        ax.set_xlabel("Delay (s)")
        ax.set_ylabel("Messages that arrived within (%)")
        legend_above(ax, _named(study, finished))
        return figure

    return StudyFigure(
        "delay",
        "Delay of messages",
        "Share of all messages that arrived whole within a delay. What did not arrive counts as"
        " infinitely late, so a line ends below 100 % by what was lost.",
        make,
    )


def _pareto(study: Study, finished: pd.DataFrame) -> StudyFigure:
    """Draw every run, and the means of the arms, by joules and accuracy."""
    arms = arms_of(study, finished)

    def make() -> Figure:
        figure = Figure(figsize=(WIDTH_IN, 2.8))
        ax = figure.subplots()
        for index, (name, group) in enumerate(arms):
            accuracy = 100 * group["accuracy_last5"].astype(float)
            dots = ax.scatter(group["energy_j"], accuracy, s=6, alpha=0.4)
            colour = tuple(np.asarray(dots.get_facecolor())[0][:3])
            shown = name if index < MOST_LINES else None
            ax.scatter(
                group["energy_j"].mean(), accuracy.mean(), s=30, color=[colour], label=shown,
                marker=MARKERS[index % len(MARKERS)],
            )  # fmt: skip
        ax.set_xlabel("Energy of all devices (J)")
        ax.set_ylabel("Accuracy (%)")
        legend_above(ax, _named(study, finished))
        return figure

    return StudyFigure(
        "pareto",
        "Accuracy and energy",
        "A dot a run, a large mark the mean of an arm: upper left is better.",
        make,
    )
