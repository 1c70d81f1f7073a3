"""From the folder of a study to its tables, figures and page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cosim.errors import OutputError
from cosim.records.layout import FOR_REPORT
from cosim.studies.folder import StudyFolder
from cosim.studies.runs_table import done, runs_table
from cosim.studies.statistics import cells, differences
from cosim.studies.study import Study

TABLE, CELLS, DIFFERENCES = "runs", "cells", "differences"


def collect(
    folder: StudyFolder,
    study: Study,
    mixed_code: bool = False,
    formats: Sequence[str] = FOR_REPORT,
) -> pd.DataFrame:
    """Write the tables of a study, half-finished or not, its figures and page; return the runs.

    formats: of figures, as cosim/records/layout.py has them, PNG among them. Raises OutputError for
    runs of several versions of the code, unless mixed_code.
    """
    table = runs_table(folder, study.target_accuracy)
    finished = done(table)
    versions = sorted(finished["code_version"].unique()) if len(finished) else []
    if len(versions) > 1 and not mixed_code:
        raise OutputError(
            f"collect: expected runs of one version of the code in {folder.root}, got"
            f" {', '.join(versions)}; delete those of the older one, or give --mixed-code"
        )
    tables = {TABLE: table} | (_statistics(finished, study) if len(finished) else {})
    for name in (TABLE, CELLS, DIFFERENCES):
        for suffix, content in _files(tables[name]).items() if name in tables else ():
            folder.put(folder.root / f"{name}{suffix}", content)
        if name not in tables:  # of an earlier form of the study
            for suffix in (".parquet", ".csv"):
                (folder.root / f"{name}{suffix}").unlink(missing_ok=True)
    from cosim.studies import page

    page.write(folder, study, table, tables.get(CELLS), tables.get(DIFFERENCES), formats)
    return table


def _statistics(finished: pd.DataFrame, study: Study) -> dict[str, pd.DataFrame]:
    swept, seeds = [name for name in study.swept if name in finished], len(study.seeds.all)
    every = [cells(finished, swept, column, seeds) for column in study.columns]
    tables = {CELLS: pd.concat(every, ignore_index=True)}
    if study.compare:
        compare = study.compare
        others = [name for name in study.beside(compare.field) if name in finished]
        found = differences(finished, others, compare.field, compare.against, compare.y)
        tables |= {DIFFERENCES: found} if len(found) else {}
    return tables


def export_matlab(table: pd.DataFrame, path: Path) -> None:
    """Write the table of runs as a struct of columns; text and missing numbers as MATLAB has them.

    Dots of field names become underscores, which MATLAB allows in names.
    """
    from scipy.io import savemat

    columns = {}
    for name in table:
        values = table[name]
        number = pd.to_numeric(values, errors="coerce")
        text = values.notna() & number.isna()
        columns[str(name).replace(".", "_")] = (
            values.fillna("").map(str).to_numpy(object) if text.any() else number.to_numpy(float)
        )
    savemat(path, {"runs": columns}, long_field_names=True, oned_as="column")


def _files(table: pd.DataFrame) -> dict[str, bytes]:
    """Return a table as the content of a Parquet and of a CSV file, by their suffix."""
    mixed = [name for name in table if table[name].dropna().map(type).nunique() > 1]
    plain = table.astype(dict.fromkeys(mixed, str))
    return {".parquet": plain.to_parquet(index=False), ".csv": plain.to_csv(index=False).encode()}
