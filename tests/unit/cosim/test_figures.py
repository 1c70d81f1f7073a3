"""What the figures show, read back from their artists and derived again from the tables."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from made_tables import RADIO_STATES, Run, made_run
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from cosim.report.figure_files import FIGURES, write_figure
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
from cosim.report.radio_figures import draw_radio_causes


def draw_all(tables: dict[str, pd.DataFrame], folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    return [path for figure in FIGURES for path in write_figure(figure, tables, folder)]


def lay_out(tables: dict[str, pd.DataFrame]) -> None:
    with matplotlib.style.context(STYLE):
        for figure in FIGURES:
            made = figure.make(tables)
            made.draw_without_rendering()
            assert made.axes[0].has_data() or made.axes[0].texts


def empty_axes() -> Axes:
    return Figure().subplots()


def tables_of(run: Run) -> dict[str, pd.DataFrame]:
    return {name: getattr(run, name) for name in ("rounds", "devices", "links", "partition")}


def test_topology_colours_each_measured_pair_by_the_mean_rate_of_both_directions() -> None:
    run = made_run(deaths={4: 6})
    rates: dict[tuple[int, int], list[float]] = {}
    for row in run.links.to_dict("records"):
        if row["is_peer"] and pd.notna(row["rate_bps"]):
            pair = (min(row["src"], row["dst"]), max(row["src"], row["dst"]))
            rates.setdefault(pair, []).append(row["rate_bps"] / 1e6)
    expected = sorted(float(np.mean(each)) for each in rates.values())
    ax = draw_topology(run.devices, run.links, empty_axes())
    shown = [c.get_array() for c in ax.collections if isinstance(c, LineCollection)]
    drawn = np.concatenate([array for array in shown if array is not None])
    assert len(expected) == 12  # a 3x3 grid
    np.testing.assert_allclose(np.sort(drawn), expected)


def test_topology_shows_the_links_of_a_network_that_has_no_peerings() -> None:
    run = made_run()
    measured = run.links[run.links["rate_bps"].notna()]
    pairs = {frozenset(pair) for pair in zip(measured["src"], measured["dst"], strict=True)}
    run.links["is_peer"] = False
    ax = draw_topology(run.devices, run.links, empty_axes())
    drawn = [c.get_segments() for c in ax.collections if isinstance(c, LineCollection)]
    assert sum(len(segments) for segments in drawn) == len(pairs) > 0


def test_topology_keeps_peers_that_were_never_measured_without_a_colour() -> None:
    run = made_run(rounds=1)
    run.links["rate_bps"] = pd.array([pd.NA] * len(run.links), dtype="Float64")
    ax = draw_topology(run.devices, run.links, empty_axes())
    plain, *coloured = [c for c in ax.collections if isinstance(c, LineCollection)]
    assert len(plain.get_segments()) == 12
    assert not any(len(each.get_segments()) for each in coloured)


def test_topology_dashes_links_by_their_mean_loss() -> None:
    run = made_run(rounds=2)
    run.links["loss_ratio"] = 0.2
    ax = draw_topology(run.devices, run.links, empty_axes())
    counts = [len(c.get_segments()) for c in ax.collections if isinstance(c, LineCollection)]
    assert counts == [0, 0, 12, 0]  # unmeasured, below 10 %, 10-30 %, above


def test_topology_crosses_out_the_dead_where_they_stand() -> None:
    run = made_run(deaths={4: 6, 2: 9})
    ax = draw_topology(run.devices, run.links, empty_axes())
    crosses = np.asarray(ax.collections[-1].get_offsets())
    np.testing.assert_array_equal(crosses, [[60.0, 0.0], [30.0, 30.0]])  # devices 2 and 4


@pytest.mark.parametrize("against", ["round", "time_s", "energy_j"])
def test_accuracy_is_in_per_cent_against_the_chosen_axis(against: str) -> None:
    run = made_run()
    ax = draw_accuracy(run.rounds, empty_axes(), against)
    x, y = ax.lines[0].get_data()
    spent_j = [
        sum(run.devices[run.devices["round"] <= r][["radio_j", "compute_j"]].sum())
        for r in range(12)
    ]
    expected = {"round": range(12), "time_s": np.arange(10.0, 121.0, 10.0), "energy_j": spent_j}
    np.testing.assert_allclose(x, expected[against])
    by_round = run.devices.groupby("round")["accuracy"]
    np.testing.assert_allclose(y, 100.0 * by_round.mean())
    band = ax.collections[0].get_paths()[0].get_extents()
    assert band.ymin == pytest.approx(100.0 * by_round.min().min())
    assert band.ymax == pytest.approx(100.0 * by_round.max().max())


def test_accuracy_joins_the_rounds_that_were_evaluated_and_counts_joules_of_all() -> None:
    run = made_run()
    skipped = run.rounds["round"] % 2 == 0
    run.rounds.loc[skipped, ["accuracy_mean", "accuracy_min", "accuracy_max"]] = np.nan
    full = draw_accuracy(made_run().rounds, empty_axes(), "energy_j").lines[0].get_xydata()
    seen = draw_accuracy(run.rounds, empty_axes(), "energy_j").lines[0].get_xydata()
    np.testing.assert_allclose(np.asarray(seen), np.asarray(full)[1::2])


def test_accuracy_against_something_unknown_is_refused() -> None:
    with pytest.raises(KeyError, match="price"):
        draw_accuracy(made_run(rounds=1).rounds, empty_axes(), "price")


def test_a_delay_has_a_gap_where_too_few_messages_came_and_says_how_many_did() -> None:
    run = made_run(rounds=4)
    run.rounds["delay_median_s"] = [0.25, 0.5, np.inf, 0.5]
    run.rounds["delay_p90_s"] = [0.5, np.inf, np.inf, 0.75]
    run.rounds[["offered_messages", "delivered_messages"]] = [[8, 8], [8, 6], [8, 2], [8, 8]]
    ax = draw_delay(run.rounds, empty_axes())
    half, most = (np.asarray(line.get_ydata()) for line in ax.lines)
    np.testing.assert_array_equal(half, [0.25, 0.5, np.nan, 0.5])
    np.testing.assert_array_equal(most, [0.5, np.nan, np.nan, 0.75])
    (came,) = ax.figure.axes[-1].lines
    np.testing.assert_array_equal(came.get_ydata(), [100.0, 75.0, 25.0, 100.0])


def test_a_battery_line_reaches_zero_at_the_recorded_death() -> None:
    run = made_run(deaths={4: 6})
    ax = draw_remaining_energy(run.rounds, run.devices, empty_axes())
    time_s, joules = ax.lines[4].get_data()
    assert joules[0] == 120.0  # the start of the run, not the end of its first round
    assert np.asarray(time_s)[np.asarray(joules) == 0.0].min() == 67.5
    cross_s, cross_j = ax.lines[-1].get_data()
    np.testing.assert_array_equal([cross_s, cross_j], [[67.5], [0.0]])


def test_a_run_without_deaths_promises_no_crosses() -> None:
    run = made_run()
    legend = draw_remaining_energy(run.rounds, run.devices, empty_axes()).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a device", "median"]


def test_an_infinite_battery_leaves_the_axis_finite() -> None:
    run = made_run(rounds=2)
    run.devices[["start_energy_j", "remaining_energy_j"]] = np.inf
    ax = draw_remaining_energy(run.rounds, run.devices, empty_axes())
    assert ax.get_ylim() == (0.0, 1.0)


def test_a_boards_joules_are_drawn_and_counted() -> None:
    run = made_run(deaths={4: 6}, board_j=0.5)
    ax = draw_energy_by_state(run.devices, empty_axes())
    labels = [bars.get_label() for bars in ax.containers]
    heights = [bar.get_height() for bar in ax.containers[labels.index("board")]]
    assert heights == pytest.approx(7 * [9 * 0.5] + 5 * [8 * 0.5])
    (line,) = draw_accuracy(run.rounds, empty_axes(), "energy_j").lines
    spent_j = run.devices[["radio_j", "compute_j", "board_j"]].to_numpy().sum()
    assert line.get_xdata()[-1] == pytest.approx(spent_j)


def test_stacked_bars_reach_the_joules_that_all_devices_spent() -> None:
    run = made_run(deaths={4: 6})
    ax = draw_energy_by_state(run.devices, empty_axes())
    for r in range(12):
        tops = [bars[r].get_y() + bars[r].get_height() for bars in ax.containers]
        part = run.devices[run.devices["round"] == r]
        spent_j = sum(part[f"{state}_j"].sum() for state in (*RADIO_STATES, "compute", "board"))
        assert max(tops) == pytest.approx(spent_j)
    legend = ax.get_legend()
    assert legend is not None
    labels = {text.get_text() for text in legend.get_texts()}
    assert labels == {"compute", "tx", "rx", "CCA busy", "switching", "idle"}  # no sleep, no off


def test_causes_reach_what_radios_drew_above_idling_and_the_forecast_is_drawn_beside() -> None:
    run = made_run(deaths={4: 6})
    ax = draw_radio_causes(run.devices, empty_axes())
    (foreseen,) = ax.lines
    for r in range(12):
        tops = [bars[r].get_y() + bars[r].get_height() for bars in ax.containers]
        part = run.devices[run.devices["round"] == r]
        assert max(tops) == pytest.approx(part["radio_j"].sum() - part["idle_j"].sum())
        # Each of nine devices foresaw 5 J.
        assert foreseen.get_ydata()[r] == pytest.approx(9 * 5.0 - part["idle_j"].sum())
    legend = ax.get_legend()
    assert legend is not None
    labels = {text.get_text() for text in legend.get_texts()}
    assert labels == {"sending", "receiving", "foreseen"}


def test_radios_that_were_off_all_the_time_are_drawn_with_the_nothing_that_was_foreseen() -> None:
    devices = made_run().devices
    drawn = [name for name in devices.columns if name.endswith("ing_j")]  # sending, receiving, ...
    idle_j = devices["idle_j"]
    devices = devices.assign(**dict.fromkeys(drawn, 0.0), radio_j=0.0, idle_j=0.0)
    devices = devices.assign(away_j=-idle_j, communication_forecast_j=0.0)
    ax = draw_radio_causes(devices, empty_axes())
    (foreseen,) = ax.lines
    assert list(foreseen.get_ydata()) == [0.0] * 12
    assert not ax.containers


def test_the_heat_map_holds_the_counts_and_masks_the_zeros() -> None:
    run = made_run(deaths={4: 6})
    image = draw_iterations(run.devices, "gyro", empty_axes(), most=50).images[0]
    shown = np.ma.asarray(image.get_array())
    for row in run.devices.to_dict("records"):
        cell = shown[row["device"], row["round"]]
        if row["iterations_gyro"] == 0:
            assert cell is np.ma.masked
        else:
            assert cell == row["iterations_gyro"]
    assert shown.mask[4, 7:].all()
    assert image.get_clim() == (0, 50)


def test_the_partition_has_a_dot_per_device_and_class_whose_area_is_its_samples() -> None:
    ax = draw_partition(made_run(devices=4).partition, empty_axes())
    dots = ax.collections[0]
    at = [tuple(map(int, place)) for place in np.asarray(dots.get_offsets())]
    assert at == [(c, k) for k in range(4) for c in range(k + 1)]  # class, device
    area = np.asarray(dots.get_sizes())
    np.testing.assert_allclose(area / area[0], [k + 1 for k in range(4) for _ in range(k + 1)])
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["0 (acc, gyro)", "1 (acc)", "2 (gyro)", "3 (acc, gyro)"]
    assert ax.get_title() == "600 training samples, largest 80"  # 20 (1 + 2 2 + 3 3 + 4 4)


@pytest.mark.parametrize(("n", "numbered"), [(100, 100), (101, 0)])
def test_of_many_devices_the_map_has_dots_and_the_data_every_other_number(
    n: int, numbered: int
) -> None:
    run = made_run(devices=n, rounds=1)
    ax = draw_topology(run.devices, run.links, empty_axes())
    assert len(ax.texts) == numbered
    ticks = draw_partition(run.partition, empty_axes()).get_yticks().tolist()
    assert ticks == list(range(0, n, 1 if numbered else 2))


def test_modalities_are_read_from_the_column_names() -> None:
    assert modalities_of(made_run(rounds=1, modalities=("b", "a_c")).devices) == ["b", "a_c"]


def test_all_figures_are_written_twice_with_the_same_bytes_at_700_pixels(tmp_path: Path) -> None:
    run = made_run(devices=4, rounds=3, deaths={1: 1})
    before = dict(matplotlib.rcParams)
    first = draw_all(tables_of(run), tmp_path / "first")
    second = draw_all(tables_of(run), tmp_path / "second")
    assert [path.name for path in first] == [path.name for path in second]
    assert {path.suffix for path in first} == {".png", ".pdf"}
    assert len(first) == 20
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
        if one.suffix == ".png":  # 3.5 in at 200 dpi; the width stands in the IHDR chunk
            assert int.from_bytes(one.read_bytes()[16:20], "big") == 700
    assert dict(matplotlib.rcParams) == before


def test_a_run_of_one_round_with_nothing_measured_draws() -> None:
    run = made_run(devices=1, rounds=1, modalities=("acc",))
    run.rounds[["accuracy_mean", "accuracy_min", "accuracy_max"]] = np.nan
    assert run.links.empty
    lay_out(tables_of(run))


def test_a_run_in_which_everyone_dies_at_once_draws() -> None:
    run = made_run(devices=3, rounds=3, deaths={0: 0, 1: 0, 2: 0})
    run.links["rate_bps"] = np.inf  # an ideal network is not a measurement
    iterations = [name for name in run.devices if name.startswith("iterations_")]
    run.devices[iterations] = 0
    lay_out(tables_of(run))
