"""A finished run is run again, and the first value that comes out otherwise is named."""

import os
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from cut_runs import IDEAL, change_manifest, contents, cut_short, refused

from cosim import cli
from cosim.files import file_hash
from cosim.records.compare import first_difference
from cosim.records.layout import TABLES
from cosim.records.manifest import read_manifest
from cosim.report import presentation

pytestmark = pytest.mark.usefixtures("only_the_run")
FLAGS = (*IDEAL, "--learning.rounds=3")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presentation, "draw", lambda folder, figures=True: {})
        assert cli.main([*FLAGS, "--output", str(folder / "done")]) == 0
    return folder / "done"


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it; temporary folders are made beside."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


def change_value(run: Path, table: str, column: str, row: int, value: object) -> None:
    """Change one number of a run, with the hashes that then belong to it."""
    path = run / f"{table}.parquet"
    rows = pd.read_parquet(path)
    rows.loc[row, column] = value
    rows.to_parquet(path, engine="pyarrow", compression="zstd", index=False)
    hashes = read_manifest(run).files_sha256 | {path.name: file_hash(path)}
    change_manifest(run, files_sha256=hashes)


def test_an_untouched_run_comes_out_the_same_and_says_first_how_long_that_takes(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_manifest(run, timings=read_manifest(run).timings | {"total_s": 77.4})
    before = contents(run)
    capsys.readouterr()
    assert cli.main(["verify", str(run), "--rerun"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("runs again, some 77 s as it took")
    names = (*TABLES, "partition")
    assert lines[at + 1 : -1] == [f"same        {name}.parquet" for name in names]
    assert lines[-1] == f"{run}: 7 of 7 tables come out the same"
    assert contents(run) == before
    assert os.listdir(run.parent / "tmp") == []


def test_one_changed_number_a_table_is_found_though_all_hashes_agree(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Four devices and twelve links a round: row 6 is device 2 of the second, row 13 device 0 to 2.
    left_j = pd.read_parquet(run / "devices.parquet")["remaining_energy_j"][6]
    change_value(run, "devices", "remaining_energy_j", 6, left_j + 1e-12)
    change_value(run, "rounds", "events", 2, 1)
    change_value(run, "links", "contact_s", 13, -3.0)
    change_value(run, "flows", "outcome", 0, "lost")
    assert cli.main(["verify", str(run)]) == 0
    capsys.readouterr()
    assert cli.main(["verify", str(run), "--rerun"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.removeprefix("DIFFERS     ") for line in lines if line.startswith("DIFF")] == [
        "rounds.parquet: column events, round 3: recorded 1, again 0",
        "devices.parquet: column remaining_energy_j, round 2, device 2: recorded"
        f" {left_j + 1e-12}, again {left_j}",
        "links.parquet: column contact_s, round 2, src 0, dst 2: recorded -3.0, again 3.0",
        "flows.parquet: column outcome, round 1, src 0, dst 1, part specific_acc: recorded lost,"
        " again delivered",
    ]
    assert lines[-1].endswith("3 of 7 tables come out the same")


def test_the_first_row_that_differs_counts_and_in_it_the_first_column(tmp_path: Path) -> None:
    one = pd.DataFrame({"round": [1, 1, 2], "device": [0, 1, 0], "a": [1.0, None, 3.0], "b": 1})
    files = [tmp_path / name for name in ("one.parquet", "other.parquet")]

    def between(other: pd.DataFrame) -> str:
        for table, file in zip((one, other), files, strict=True):
            table.to_parquet(file)
        return first_difference(*files)

    assert between(one.copy()) == ""
    assert between(one.assign(a=[1.0, None, 4.0], b=[1, 7, 1])) == (
        "column b, round 1, device 1: recorded 1, again 7 (and 1 more values)"
    )
    assert between(one.iloc[:2]) == "rows: recorded 3, again 2"
    assert between(one.drop(columns="b")) == "columns: of one only: b"
    assert between(one.astype({"b": "float64"})) == "column b: of another type"
    one.to_parquet(files[1], compression="gzip")
    assert first_difference(*files) == "other bytes, the same values"
    files[0].write_bytes(files[0].read_bytes()[:-9])
    assert first_difference(*files).startswith("cannot be read (")
    files[0].unlink()
    assert first_difference(*files).startswith("cannot be read (")


def test_what_cannot_be_run_again_is_refused_in_a_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_short(tmp_path / "cut", FLAGS, 2, monkeypatch)
    line = refused(["verify", str(tmp_path / "cut"), "--rerun"], capsys)
    assert "--rerun expected a finished run, got one that is failed after 2 rounds" in line
    host = read_manifest(run).host.model_copy(update={"processor": "Another 9000"})
    change_manifest(run, host=host, code_version="0123456789ab")
    capsys.readouterr()
    assert cli.main(["verify", str(run), "--rerun"]) == 0
    said = capsys.readouterr().out
    for what in ("code_version was 0123456789ab", "processor was Another 9000"):
        assert f"other than then: {what}, is " in said
    change_manifest(run, own_files_sha256={"/batteries.csv": "0" * 64})
    line = refused(["verify", str(run), "--rerun"], capsys)
    assert "expected own_files_sha256 of /batteries.csv" in line
    (run / "config.toml").unlink()
    assert "config.toml" in refused(["verify", str(run), "--rerun"], capsys)
    assert os.listdir(tmp_path / "tmp") == []
