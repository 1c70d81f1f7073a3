"""The page of a study: question, answer, figures, tables, and how to make it again."""

from __future__ import annotations

import base64
import logging
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cosim.files import one_line, replace_whole
from cosim.program import PROGRAM
from cosim.records.parquet import read_table
from cosim.report.figure_files import save_figure
from cosim.studies.columns import COLUMNS
from cosim.studies.figures import figures_of
from cosim.studies.folder import STATES, STUDY, StudyFolder
from cosim.studies.labels import label, scale_of
from cosim.studies.runs_table import done
from cosim.studies.study import READY, Study

log = logging.getLogger("cosim")
MOST_ROWS = 2000


def write(folder: StudyFolder, study: Study, table: pd.DataFrame) -> Path:
    """Write figures (PNG, PDF) and report.html; what cannot be drawn is only warned of."""
    shown = []
    (folder.root / "figures").mkdir(exist_ok=True)
    for figure in figures_of(folder, study, table) if len(done(table)) else ():
        try:
            png, _ = save_figure(figure.make, folder.root / "figures" / figure.name)
        except Exception as error:  # whatever it is, the tables stand
            log.warning("figure %s could not be drawn (%s)", figure.name, one_line(error))
            continue
        data = base64.b64encode(png.read_bytes()).decode("ascii")
        shown.append({"heading": figure.heading, "caption": figure.caption, "data": data})
    counts = table["state"].value_counts()
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    origin = folder.origin()
    named = Path(str(origin["file"]))
    study_name = named.stem if named.parent == READY else str(named)
    page = environment.get_template("page.html.jinja").render(
        title=folder.root.name,
        question=study.question,
        answers=answers(folder, study),
        states=[(state, int(counts[state])) for state in STATES if state in counts],
        figures=shown,
        tables=_tables(folder, study, table),
        study=(folder.root / STUDY).read_text(encoding="utf-8"),
        command=f"{PROGRAM} sweep {study_name}{' --quick' if origin['quick'] else ''}",
        versions=_values(table, "code_version"),
        processors=_values(table, "processor"),
    )
    path = folder.root / "report.html"
    replace_whole(path, page.encode(errors="backslashreplace"))
    return path


def _values(table: pd.DataFrame, column: str) -> list[str]:
    return sorted(done(table)[column].unique()) if column in table else []


def answers(folder: StudyFolder, study: Study) -> list[str]:
    """Say in a sentence each what the numbers make of the question."""
    path = folder.root / "differences.parquet"
    if study.compare is None or not path.exists():
        return []
    found = read_table(path)
    tests = int(found["p_holm"].notna().sum()) if len(found) else 0
    return [
        sentence
        for column in study.compare.y
        for sentence in _answer(study, found[found["column"] == column], column, tests)
    ]


def _answer(study: Study, rows: pd.DataFrame, column: str, tests: int) -> list[str]:
    """Say what the comparisons of one column come to; tests: of all columns, as Holm counts."""
    compare, by, name = study.compare, scale_of(column), label(column)
    if compare is None or not (rows["n"] > 1).any():
        return [f"{name}: too few pairs of runs for a comparison."]
    clear = rows[(rows["p_holm"] < 0.05) | ((rows["sd"] == 0) & (rows["mean"] != 0))]
    said = []
    for row in clear.to_dict("records"):
        others = [f"{label(key)} {row[key]}" for key in study.beside(compare.field) if key in row]
        where = f" at {', '.join(others)}" if others else ""
        between = f"{_number(by * row['low'])} to {_number(by * row['high'])}, n = {row['n']}"
        said.append(
            f"{name}: {row[compare.field]} minus {compare.against}{where} is"
            f" {_number(by * row['mean'])} ({between})."
        )
    if not said:
        least = by * rows["detectable"].median()
        found = (
            f"; {_number(least)} would have been found four times in five"
            if pd.notna(least)
            else ""
        )
        said.append(
            f"{name}: no value of {label(compare.field)} differs from {compare.against}, by Holm"
            f" over the study's {tests} comparisons{found}."
        )
    return said


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _tables(folder: StudyFolder, study: Study, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the tables of the page: cells, differences, runs."""
    found = []
    for name, heading in (("cells", "Means over seeds"), ("differences", "Differences by seed")):
        path = folder.root / f"{name}.parquet"
        if path.exists():
            found.append(_table(heading, read_table(path)))
    names = [each.name for each in COLUMNS if each.name in table]
    columns = ["case", "state", "why", *(n for n in study.swept if n in table), "seed", *names]
    found.append(_table("Runs", table[columns].head(MOST_ROWS)))
    return found


def _table(heading: str, table: pd.DataFrame) -> dict[str, Any]:
    rows = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    return {"heading": heading, "columns": list(table), "rows": rows}


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
