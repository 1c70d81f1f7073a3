"""Which figures a run has, each once, and how they become files; figures.py draws them."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cosim.report.figures import (
    STYLE,
    draw_accuracy,
    draw_delay,
    draw_energy_by_state,
    draw_iterations,
    draw_partition,
    draw_remaining_energy,
    draw_topology,
)
from cosim.report.radio_figures import draw_radio_causes
from cosim.report.summary import modalities_of

WIDTH_IN = 3.5
# Without dates and program names, which would change the bytes from run to run.
FORMATS: dict[str, dict[str, Any]] = {
    "png": {"dpi": 200, "metadata": {"Software": None}},
    "pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
}
Tables = Mapping[str, pd.DataFrame]
Make = Callable[[Tables], Figure]


@dataclass(frozen=True)
class RunFigure:
    """One figure: its file, heading and caption in the report, and what makes it.

    make: the tables rounds, devices, links and partition of a run with at least one round; raises
    KeyError where it misses one. of_learning: a run without learning has none.
    """

    name: str
    heading: str
    caption: str
    make: Make
    of_learning: bool = False


def _one(draw: Callable[[Tables, Axes], Axes], height_in: float = 2.4) -> Make:
    """Make a figure of one panel."""

    def make(tables: Tables) -> Figure:
        figure = Figure(figsize=(WIDTH_IN, height_in))
        draw(tables, figure.subplots())
        return figure

    return make


def _iterations_figure(tables: Tables) -> Figure:
    devices = tables["devices"]
    names = modalities_of(devices)
    most = int(devices[[f"iterations_{name}" for name in names]].max().max())
    figure = Figure(figsize=(WIDTH_IN, 0.6 + 1.5 * len(names)))
    panels = figure.subplots(len(names), sharex=True, squeeze=False)[:, 0]
    for name, ax in zip(names, panels, strict=True):
        draw_iterations(devices, name, ax, most).label_outer()
    label = "Local iterations (grey: none)"
    whole = MaxNLocator(integer=True, min_n_ticks=1)
    figure.colorbar(panels[0].images[0], ax=panels, label=label, ticks=whole)
    return figure


def _partition_figure(tables: Tables) -> Figure:
    partition = tables["partition"]
    height_in = 1.5 + min(0.22 * partition["device"].nunique(), 6.0)
    figure = Figure(figsize=(WIDTH_IN, height_in))
    draw_partition(partition, figure.subplots())
    return figure


# In the order of the report.
FIGURES = (
    RunFigure(
        "topology",
        "Topology",
        "Devices at their last positions in metres. Colour is the mean PHY rate of a "
        "link in Mbit/s over all rounds, line style its mean frame loss; thin grey "
        "links peered but were never measured. A cross marks a dead device.",
        _one(lambda of, ax: draw_topology(of["devices"], of["links"], ax), 3.2),
    ),
    RunFigure(
        "accuracy_rounds",
        "Accuracy by round",
        "Test accuracy in per cent: mean over all devices, the dead with their last "
        "model, and the band from the worst to the best. A wide band means that some "
        "devices do not profit from the others.",
        _one(lambda of, ax: draw_accuracy(of["rounds"], ax, "round")),
        of_learning=True,
    ),
    RunFigure(
        "accuracy_time",
        "Accuracy by simulated time",
        "The same against the simulated clock in seconds. Compare runs here when their "
        "rounds last differently long.",
        _one(lambda of, ax: draw_accuracy(of["rounds"], ax, "time_s")),
        of_learning=True,
    ),
    RunFigure(
        "accuracy_energy",
        "Accuracy by energy",
        "The same against the joules that all devices have spent on radio and compute: "
        "what a point of accuracy costs.",
        _one(lambda of, ax: draw_accuracy(of["rounds"], ax, "energy_j")),
        of_learning=True,
    ),
    RunFigure(
        "delay",
        "Delay",
        "Seconds within which half and 90 % of all messages of a round arrived, and the "
        "share that did. What did not arrive counts as infinitely late, so a line has a "
        "gap where too few came.",
        _one(lambda of, ax: draw_delay(of["rounds"], ax)),
    ),
    RunFigure(
        "remaining_energy",
        "Energy left",
        "Battery of each device in joules, and the median. Lines that part show who "
        "carries the traffic or trains more; a cross marks a death.",
        _one(lambda of, ax: draw_remaining_energy(of["rounds"], of["devices"], ax)),
    ),
    RunFigure(
        "energy_by_state",
        "Energy by state",
        "Joules of all devices in each round. Only compute, at the bottom, if any, follows "
        "from the iteration plan; idle is the price of listening.",
        _one(lambda of, ax: draw_energy_by_state(of["devices"], ax)),
    ),
    RunFigure(
        "radio_causes",
        "What the radio is for",
        "Joules of all radios above those of idle ones in each round, by what they were drawn for, "
        "and the forecast that plans went by. Overheard: receiving messages between others; "
        "protocol: beacons, peering, paths.",
        _one(lambda of, ax: draw_radio_causes(of["devices"], ax)),
    ),
    RunFigure(
        "partition",
        "Training data",
        "Samples of each device by class: the larger the dot, the more. Where devices "
        "lack a modality, those that they have stand behind their number.",
        _partition_figure,
        of_learning=True,
    ),
    RunFigure(
        "iterations",
        "Local iterations",
        "Iterations of each device and round, a panel for each modality. Grey: the "
        "device lacks the modality, did not train, or is dead.",
        _iterations_figure,
        of_learning=True,
    ),
)


def figures_of(tables: Tables) -> list[RunFigure]:
    """Return the figures that a run has, in the order of the report."""
    learns = bool(modalities_of(tables["devices"]))
    return [each for each in FIGURES if learns or not each.of_learning]


def write_figure(
    which: RunFigure, tables: Tables, folder: Path, formats: Sequence[str] = tuple(FORMATS)
) -> list[Path]:
    """Write a figure in these formats, all or none; the same tables give the same bytes.

    folder: is there already.
    """
    return save_figure(lambda: which.make(tables), folder / which.name, formats)


def save_figure(
    make: Callable[[], Figure], stem: Path, formats: Sequence[str] = tuple(FORMATS)
) -> list[Path]:
    """Write a figure in our style, as `write_figure` does; stem: the path without its suffix."""
    files = {each: stem.with_suffix(f".{each}") for each in formats}
    with matplotlib.style.context(STYLE):
        try:
            figure = make()
            with warnings.catch_warnings():
                # A name in a script that the font lacks shows as boxes; the tables have it.
                warnings.filterwarnings("default", message="Glyph .* missing", category=UserWarning)
                for each, path in files.items():
                    figure.savefig(path, **FORMATS[each])
                    figure.set_layout_engine("none")  # laid out once: all hold the same picture
        except BaseException:
            for path in files.values():
                path.unlink(missing_ok=True)
            raise
    return list(files.values())
