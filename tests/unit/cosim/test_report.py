"""The page is read back with a parser: what it holds, and that it needs nothing else."""

import base64
import shutil
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_tables import Run, made_run, write_run_folder
from matplotlib.figure import Figure

from cosim.report.figure_files import FIGURES
from cosim.report.page import write_report

VOID = {"meta", "img", "input"}


@dataclass
class Page:
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    text: str = ""


class Reader(HTMLParser):
    """Collects what the tests ask for; fails on tags closed in the wrong order."""

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append(tag)
        self.page.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.page.open_tags.append(tag)
        if tag in {"td", "th", "dd"}:
            self.page.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.page.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        self.page.text += data
        if self.page.open_tags and self.page.open_tags[-1] in {"td", "th", "dd"}:
            self.page.cells[-1] += data


def read(path: Path) -> Page:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.page.open_tags == []
    return reader.page


def made_folder(tmp_path: Path, run: Run) -> Path:
    folder = tmp_path / "mesh-0123"
    write_run_folder(folder, run)
    (folder / "figures").mkdir()
    for name in ("topology", "energy_by_state"):
        Figure(figsize=(1, 1)).savefig(folder / "figures" / f"{name}.png", dpi=20)
    return folder


def test_the_page_needs_no_network_and_no_other_file(tmp_path: Path) -> None:
    page = read(write_report(made_folder(tmp_path, made_run())))
    assert not {"link", "iframe", "object"} & set(page.tags)
    assert all(value.startswith("data:") for name, value in page.attributes if name == "src")
    assert not [name for name, _ in page.attributes if name in {"href", "srcset", "onclick"}]


def test_images_are_the_files_of_the_folder_with_a_caption_each(tmp_path: Path) -> None:
    folder = made_folder(tmp_path, made_run())
    page = read(write_report(folder))
    sources = [value for name, value in page.attributes if name == "src"]
    images = [base64.b64decode(source.split(",", 1)[1]) for source in sources]
    names = ("topology", "energy_by_state")  # in the order of FIGURES
    assert images == [(folder / "figures" / f"{name}.png").read_bytes() for name in names]
    text = " ".join(page.text.split())
    for each in FIGURES:
        assert (f"{each.heading}. {each.caption}" in text) == (each.name in names)


def test_a_folder_without_figures_says_so(tmp_path: Path) -> None:
    folder = made_folder(tmp_path, made_run(rounds=1))
    shutil.rmtree(folder / "figures")
    page = read(write_report(folder))
    assert "img" not in page.tags
    assert "no figures yet" in page.text


def test_the_device_table_holds_sums_over_rounds_and_the_last_known_state(tmp_path: Path) -> None:
    run = made_run(deaths={4: 6})
    page = read(write_report(made_folder(tmp_path, run)))
    rows = [row for row in run.devices.to_dict("records") if row["device"] == 4]
    at = page.cells.index("Device")
    header = page.cells[at : at + 13]
    cells = dict(zip(header, page.cells[at + 13 * 5 : at + 13 * 6], strict=True))
    assert cells["Device"] == "4"
    assert cells["x (m)"] == cells["y (m)"] == "30.0"
    assert cells["Iterations acc"] == str(sum(row["iterations_acc"] for row in rows))
    assert cells["Radio (J)"] == f"{sum(row['radio_j'] for row in rows):.1f}"
    assert cells["Compute (J)"] == "14.0"  # 2 J in each of rounds 0 to 6
    assert cells["Sent (kB)"] == "48.0"
    assert cells["Left (J)"] == "0.0"
    assert cells["Died (s)"] == "67.5"
    assert cells["Accuracy"] == f"{100 * rows[6]['accuracy']:.1f} %"


def test_headline_numbers_agree_with_the_tables(tmp_path: Path) -> None:
    run = made_run(deaths={4: 6})
    page = read(write_report(made_folder(tmp_path, run)))
    spent_j = run.devices["radio_j"].sum() + run.devices["compute_j"].sum()
    for value in (
        f"{100 * run.rounds['accuracy_mean'].iloc[-1]:.1f} %",
        f"{spent_j:,.0f} J",
        f"{100 * run.devices['compute_j'].sum() / spent_j:.1f} %",
        "8 of 9",
        "120 s",
    ):
        assert value in page.cells


def test_configuration_seeds_and_versions_are_shown_as_written(tmp_path: Path) -> None:
    folder = made_folder(tmp_path, made_run())
    page = read(write_report(folder))
    assert (folder / "config.toml").read_text(encoding="utf-8") in page.text  # "<mesh> & friends"
    pairs = dict(zip(page.cells[:-1], page.cells[1:], strict=True))
    assert pairs["seeds.network"] == "12"
    assert pairs["versions.ns3"] == "3.44"
    assert "details" in page.tags


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = made_folder(tmp_path, made_run())
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first


def test_a_run_without_any_accuracy_shows_that_there_is_none(tmp_path: Path) -> None:
    run = made_run(devices=2, rounds=1)
    run.rounds[["accuracy_mean", "accuracy_min", "accuracy_max"]] = np.nan
    run.devices["accuracy"] = np.nan
    page = read(write_report(made_folder(tmp_path, run)))
    assert page.cells.count("n/a") >= 3  # the headline and both devices
    assert not any("nan" in cell.lower() for cell in page.cells)


def test_an_incomplete_folder_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    folder = made_folder(tmp_path, made_run(rounds=1))
    (folder / "manifest.json").unlink()
    (folder / "flows.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks manifest\.json, flows\.parquet"):
        write_report(folder)
