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
from cosim.studies.figures import figures_of
from cosim.studies.folder import STATES, STUDY, StudyFolder
from cosim.studies.labels import label, scale_of
from cosim.studies.runs_table import COLUMNS, done
from cosim.studies.study import Study

log = logging.getLogger("cosim")
MOST_ROWS = 2000


def write(folder: StudyFolder, study: Study, table: pd.DataFrame) -> Path:
    """Write figures (PNG, PDF) and report.html; what cannot be drawn is only warned of."""
    shown = []
    (folder.root / "figures").mkdir(exist_ok=True)
    for figure in figures_of(folder, study, table):
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
    quick = " --quick" if folder.root.name.endswith("-quick") else ""
    page = environment.get_template("page.html.jinja").render(
        title=folder.root.name,
        question=study.question,
        answers=answers(folder, study),
        states=[(state, int(counts[state])) for state in STATES if state in counts],
        figures=shown,
        tables=_tables(folder, study, table),
        study=(folder.root / STUDY).read_text(encoding="utf-8"),
        command=f"python cosim/{PROGRAM} sweep {folder.root.name.removesuffix('-quick')}{quick}",
        versions=sorted(done(table)["code_version"].unique()),
        processors=sorted(done(table)["processor"].unique()),
    )
    path = folder.root / "report.html"
    replace_whole(path, page.encode(errors="backslashreplace"))
    return path


def answers(folder: StudyFolder, study: Study) -> list[str]:
    """Say in a sentence each what the numbers make of the question."""
    path = folder.root / "differences.parquet"
    if study.compare is None or not path.exists():
        return []
    found = read_table(path)
    said = []
    for column in study.compare.y:
        rows = found[found["column"] == column] if len(found) else found
        by = scale_of(column)
        clear = [row for row in rows.to_dict("records") if row["p_holm"] < 0.05]
        rows = rows[rows["p_holm"].notna()] if len(rows) else rows
        name = label(study.compare.field)
        if not len(rows):
            said.append(f"{label(column)}: too few pairs of runs for a comparison.")
            continue
        if not clear:
            least = scale_of(column) * rows["detectable"].median()
            said.append(
                f"{label(column)}: no value of {name} differs from {study.compare.against} by Holm"
                f" over {len(rows)} comparisons; {_number(least)} would have been found four times"
                " in five."
            )
        for row in clear:
            others = ", ".join(
                f"{label(key)} {row[key]}" for key in study.swept
                if key in row and key != study.compare.field
            )  # fmt: skip
            said.append(
                f"{label(column)}: {row[study.compare.field]} minus {study.compare.against}"
                f"{' at ' + others if others else ''} is {_number(by * row['mean'])}"
                f" ({_number(by * row['low'])} to {_number(by * row['high'])}, n = {row['n']})."
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
