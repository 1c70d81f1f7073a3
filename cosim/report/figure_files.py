"""Which figures a run has, and how they become files; figures.py draws them."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

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
    modalities_of,
)

WIDTH_IN = 3.5


def makers(tables: Mapping[str, pd.DataFrame]) -> dict[str, Callable[[], Figure]]:
    """Return what makes each figure of a run, by its name, in the order of the report.

    Args:
        tables: "rounds", "devices", "links" and "partition" of a run with at least one round.

    Raises:
        KeyError: a table is missing.
    """
    rounds, devices, links = tables["rounds"], tables["devices"], tables["links"]
    partition = tables["partition"]

    def single(draw: Callable[[Axes], Axes], height_in: float = 2.4) -> Callable[[], Figure]:
        def make() -> Figure:
            figure = Figure(figsize=(WIDTH_IN, height_in))
            draw(figure.subplots())
            return figure

        return make

    return {
        "topology": single(lambda ax: draw_topology(devices, links, ax), 3.2),
        "accuracy_rounds": single(lambda ax: draw_accuracy(rounds, ax, "round")),
        "accuracy_time": single(lambda ax: draw_accuracy(rounds, ax, "time_s")),
        "accuracy_energy": single(lambda ax: draw_accuracy(rounds, ax, "energy_j")),
        "delay": single(lambda ax: draw_delay(rounds, ax)),
        "remaining_energy": single(lambda ax: draw_remaining_energy(rounds, devices, ax)),
        "energy_by_state": single(lambda ax: draw_energy_by_state(devices, ax)),
        "iterations": lambda: _iterations_figure(devices),
        "partition": lambda: _partition_figure(partition),
    }


def write_figure(make: Callable[[], Figure], path: Path) -> list[Path]:
    """Write a figure as PNG (200 dpi) and PDF, both or none; the same tables give the same bytes.

    path: without its suffix, in a folder that exists.
    """
    with matplotlib.style.context(STYLE):
        try:
            return _save(make(), path)
        except BaseException:
            for suffix in (".png", ".pdf"):
                path.with_suffix(suffix).unlink(missing_ok=True)
            raise


def _iterations_figure(devices: pd.DataFrame) -> Figure:
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


def _partition_figure(partition: pd.DataFrame) -> Figure:
    height_in = 1.5 + min(0.22 * partition["device"].nunique(), 6.0)
    figure = Figure(figsize=(WIDTH_IN, height_in))
    draw_partition(partition, figure.subplots())
    return figure


def _save(figure: Figure, stem: Path) -> list[Path]:
    """Save without dates and program names, which would change the bytes from run to run."""
    png, pdf = stem.with_suffix(".png"), stem.with_suffix(".pdf")
    with warnings.catch_warnings():
        # A name in a script that the font lacks shows as boxes; the tables have it.
        warnings.filterwarnings("default", message="Glyph .* missing", category=UserWarning)
        figure.savefig(png, dpi=200, metadata={"Software": None})
        figure.set_layout_engine("none")  # laid out once: both files hold the same picture
        figure.savefig(pdf, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return [png, pdf]
