"""Figures, report and closing words of a finished run: what cannot be drawn is only warned of."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from cosim.files import file_hash, is_regular, one_line
from cosim.records import paths
from cosim.records.layout import (
    FIGURES,
    FOR_PAPER,
    FOR_REPORT,
    HALVES,
    LOG,
    MANIFEST,
    PARTITION,
    PARTS,
    REPORT,
    TABLES,
    names_in,
)
from cosim.records.manifest import read_manifest, write_manifest
from cosim.records.parquet import read_table
from cosim.records.verify import refuse_changed
from cosim.report import page, summary

log = logging.getLogger("cosim")


def draw(folder: Path, formats: Sequence[str] = FOR_REPORT) -> dict[str, str]:
    """Draw figures and report of a complete run; return what is not drawn, and why."""
    not_drawn = _draw_figures(folder, formats) if formats else {}
    try:
        page.write_report(folder, not_drawn)
    except Exception as error:
        not_drawn[REPORT] = _warned(REPORT, error)
    return not_drawn


def _draw_figures(folder: Path, formats: Sequence[str]) -> dict[str, str]:
    from cosim.report import figure_files  # brings matplotlib

    not_drawn: dict[str, str] = {}
    try:
        tables = {
            name: read_table(folder / file)
            for name, file in (*((t, f"{t}.parquet") for t in TABLES), ("partition", PARTITION))
        }
        (folder / FIGURES).mkdir(exist_ok=True)
        for figure in figure_files.figures_of(tables):
            try:
                figure_files.write_figure(figure, tables, folder / FIGURES, formats)
            except Exception as error:  # whatever it is, the results stand
                not_drawn[figure.name] = _warned(f"figure {figure.name}", error)
    except Exception as error:
        not_drawn[FIGURES] = _warned(FIGURES, error)
    return not_drawn


def _warned(what: str, error: Exception) -> str:
    reason = one_line(f"{type(error).__name__}: {error}")
    log.warning("%s could not be drawn (%s); the tables are complete", what, reason)
    return reason


def seal(folder: Path, not_drawn: dict[str, str]) -> None:
    """Take away the parts, and put the hash of every other file into the manifest."""
    try:
        shutil.rmtree(folder / PARTS, ignore_errors=True)
        for name in HALVES:
            (folder / name).unlink(missing_ok=True)
        before = read_manifest(folder)
        added = {
            name: file_hash(folder / name)
            for name in names_in(folder)
            if name not in before.files_sha256 and name != MANIFEST and is_regular(folder / name)
        }
        changes = {"not_drawn": not_drawn, "files_sha256": before.files_sha256 | added}
        write_manifest(folder, before.model_copy(update={**changes, "sealed": True}))
    except OSError as error:
        log.warning("%s could not be sealed: %s", folder, one_line(error))


def finish(folder: Path, formats: Sequence[str] = FOR_REPORT) -> None:
    """Do what is left to do for a complete run that was interrupted after its last round.

    Where nothing is left, figures for a paper are added.
    """
    refuse_changed(folder, "a finished run")
    before = read_manifest(folder)
    if before.sealed and (formats != FOR_PAPER or any((folder / FIGURES).glob("*.pdf"))):
        return
    try:
        held = paths.lock(folder / LOG)
    except OSError as error:  # of somebody else, or on a read-only disk
        if formats == FOR_PAPER:
            _warned("figures as PDF", error)
        return
    if held is None:  # its own process is at it
        return
    try:
        if before.sealed:
            seal(folder, before.not_drawn | _draw_figures(folder, ("pdf",)))
        else:
            seal(folder, draw(folder, formats))
    finally:
        os.close(held)


def closing_words(folder: Path) -> str:
    """Say what a run came to, and where its report is."""
    try:
        tables = {
            name: read_table(folder / f"{name}.parquet") for name in ("rounds", "devices", "flows")
        }
        manifest = read_manifest(folder).model_dump()
        words = summary.render_summary(summary.summarise(**tables, manifest=manifest))
    except Exception as error:
        words = f"No summary: {one_line(f'{type(error).__name__}: {error}')}"
    if (folder / REPORT).exists():
        return f"{words}\nReport     {folder / REPORT}"
    return f"{words}\nResults    {folder}"
