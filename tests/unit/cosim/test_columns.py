"""What is written of columns and fields is what there is."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_runs import go

from cosim.config.assemble import make_learner
from cosim.config.to_scenario import make_scenario
from cosim.loop import Exchanged
from cosim.records.columns import COLUMNS, column_of
from cosim.records.tables import network_tables, partition_table, to_tables

ROOT = Path(__file__).resolve().parents[3]


def test_every_column_of_a_run_is_explained_and_none_that_there_is_not() -> None:
    run = go("--learning.late_weight=0.5")
    scenario = make_scenario(run.config)
    tables = to_tables(run.records[-1], scenario, run.learner)
    data, learner = make_learner(run.config)
    tables["partition"] = partition_table(data, learner)
    assert tables.keys() == COLUMNS.keys()
    for name, table in tables.items():
        said = [column_of(name, column) for column in table.columns]
        assert None not in said, (name, list(table.columns))
        assert {each.name for each in said if each} == {each.name for each in COLUMNS[name]}


def test_the_columns_that_a_resumed_network_repeats_are_said_to_be_its_own() -> None:
    last = go().records[-1]
    parts = (
        last.payload,
        last.traffic,
        last.report,
        last.evaluation,
        SimpleNamespace(last=SimpleNamespace(cost=last.cost)),
    )
    done = Exchanged(*parts, wall_s=0.0)  # of which only these are looked at
    for name, table in network_tables(done).items():
        for column in table.columns:
            found = column_of(name, column)
            assert found is not None
            assert found.doing in ("network", "key"), column


@pytest.mark.parametrize("page", ["columns.md", "fields.md"])
def test_the_pages_are_as_the_code_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["make.py", str(tmp_path)])
    runpy.run_path(str(ROOT / "docs" / "make.py"), run_name="__main__")
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert written == (tmp_path / page).read_text(encoding="utf-8"), "python docs/make.py"
