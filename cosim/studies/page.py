"""The page of a study: question, answer, figures, tables, and how to make it again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cosim.files import one_line
from cosim.program import PROGRAM
from cosim.records.layout import REPORT
from cosim.report.figure_files import FORMATS, save_figure
from cosim.report.page import render, shown
from cosim.studies.checks import as_text
from cosim.studies.columns import COLUMNS
from cosim.studies.figures import figures_of
from cosim.studies.folder import STATES, STUDY, StudyFolder
from cosim.studies.labels import label, scale_of
from cosim.studies.runs_table import done
from cosim.studies.study import READY, Study
from cosim.studies.warned import warned

log = logging.getLogger("cosim")
MOST_ROWS = 2000
# Where a column has more comparisons than this, those that show nothing are only counted.
MOST_ANSWERS = 8
HOLM_LEVEL = 0.05


def write(
    folder: StudyFolder,
    study: Study,
    runs: pd.DataFrame,
    cells: pd.DataFrame | None,
    differences: pd.DataFrame | None,
    formats: Sequence[str],
) -> Path:
    """Write figures (PNG first) and report.html; what cannot be drawn is only warned of."""
    drawn = []
    (folder.root / "figures").mkdir(exist_ok=True)
    for figure in figures_of(folder, study, runs) if len(done(runs)) else ():
        stem = folder.root / "figures" / figure.name
        for other in FORMATS.keys() - set(formats):  # of fewer runs
            stem.with_suffix(f".{other}").unlink(missing_ok=True)
        try:
            png, *_ = save_figure(figure.make, stem, formats)
        except Exception as error:  # whatever it is, the tables stand
            log.warning("figure %s could not be drawn (%s)", figure.name, one_line(error))
            continue
        drawn.append(shown(png, figure.heading, figure.caption))
    counts = runs["state"].value_counts()
    origin = folder.origin()
    named = Path(str(origin["file"]))
    study_name = named.stem if named.parent == READY else str(named)
    page = render(
        Path(__file__).with_name("page.html.jinja"),
        title=folder.root.name,
        question=study.question,
        answers=answers(study, differences),
        states=[(state, int(counts[state])) for state in STATES if state in counts],
        warned=warned(folder, runs["case"]),
        figures=drawn,
        tables=_tables(study, runs, cells, differences),
        study=(folder.root / STUDY).read_text(encoding="utf-8"),
        command=f"{PROGRAM} sweep {study_name}{' --quick' if origin['quick'] else ''}",
        versions=_values(runs, "code_version"),
        processors=_values(runs, "processor"),
    )
    path = folder.root / REPORT
    folder.put(path, page)
    return path


def _values(table: pd.DataFrame, column: str) -> list[str]:
    return sorted(done(table)[column].unique()) if column in table else []


def answers(study: Study, differences: pd.DataFrame | None) -> list[str]:
    """Say in a sentence each what the numbers make of the question."""
    if study.compare is None or differences is None:
        return []
    tests = int(differences["p_holm"].notna().sum())
    return [
        sentence
        for column in study.compare.y
        for sentence in _answer(study, differences[differences["column"] == column], column, tests)
    ]


def _answer(study: Study, rows: pd.DataFrame, column: str, tests: int) -> list[str]:
    """Say what the comparisons of one column come to; tests: of all columns, as Holm counts."""
    compare, by, name = study.compare, scale_of(column), label(column)
    if compare is None or not (rows["n"] > 1).any():
        return [f"{name}: too few pairs of runs for a comparison."]
    said, level = [], 0
    for row in rows[rows["n"] > 1].to_dict("records"):
        others = [
            f"{label(key)} {as_text(row[key])}" for key in study.beside(compare.field) if key in row
        ]
        where = f" ({', '.join(others)})" if others else ""
        differs = row["p_holm"] < HOLM_LEVEL or (row["sd"] == 0 and row["mean"] != 0)
        if not differs and len(rows) > MOST_ANSWERS:
            level += 1
            continue
        between = f"{_number(by * row['low'])} to {_number(by * row['high'])}, n = {row['n']}"
        verdict = ""
        if not differs:
            verdict = f"; not told apart from nothing by Holm over the study's {tests} comparisons"
            if pd.notna(row["detectable"]):
                verdict += f", which find {_number(by * row['detectable'])} four times in five"
        said.append(
            f"{name}: {as_text(row[compare.field])} minus {row['against']}{where} is"
            f" {_number(by * row['mean'])} ({between}){verdict}."
        )
    if level:
        controls = ", ".join(dict.fromkeys(rows["against"]))
        said.append(
            f"{name}: {level} other comparisons with {controls} are not told apart from nothing, by"
            f" Holm over the study's {tests}."
        )
    return said


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _tables(
    study: Study,
    runs: pd.DataFrame,
    cells: pd.DataFrame | None,
    differences: pd.DataFrame | None,
) -> list[dict[str, Any]]:
    """Return the tables of the page: cells, differences, runs."""
    names = [each.name for each in COLUMNS if each.name in runs]
    columns = ["case", "state", "why", *(n for n in study.swept if n in runs), "seed", *names]
    named = {
        "Means over seeds": cells,
        "Differences by seed": differences,
        "Runs": runs[columns].head(MOST_ROWS),
    }
    return [_table(heading, table) for heading, table in named.items() if table is not None]


def _table(heading: str, table: pd.DataFrame) -> dict[str, Any]:
    rows = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    return {"heading": heading, "columns": list(table), "rows": rows}


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
