"""A run without learning in its folder: tables, words, pictures, resuming, replay and studies."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cut_runs import assert_same_run, cut_short, refused
from made_studies import write_study

from cosim import cli
from cosim.errors import ConfigError
from cosim.records.columns import column_of
from cosim.records.layout import TABLES
from cosim.records.parquet import read_table
from cosim.report.figure_files import FIGURES
from cosim.runs import endings
from cosim.studies.figures import figures_of
from cosim.studies.folder import StudyFolder
from cosim.studies.study import Study, read_study

NONE = ("--learning.method=none", "--network.num_devices=4", "--learning.rounds=4")
ANALYTIC = (*NONE, "--network.kind=analytic", "--learning.message_bytes=4321")
STUDY = """
    [grid]
    learning.message_bytes = [1000, 3000]

    [fixed]
    learning.method = "none"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "run"
    with endings.put_back():
        assert cli.main([*ANALYTIC, "--output", str(folder)]) == 0
    return folder


def test_every_column_is_explained_and_none_has_a_made_up_score(run: Path) -> None:
    for name in TABLES:
        table = read_table(run / f"{name}.parquet")
        said = {str(column): column_of(name, str(column)) for column in table}
        assert None not in said.values()
        learnt = [column for column in table if re.match(r"accuracy|macro|train_loss", str(column))]
        assert table[learnt].isna().all(axis=None)
    devices, flows = (read_table(run / f"{name}.parquet") for name in ("devices", "flows"))
    assert not [column for column in devices if re.match("iterations|contribution", str(column))]
    assert devices[["samples", "flop", "compute_j", "compute_s"]].to_numpy().sum() == 0
    assert set(flows["part"]) == {"message"}
    assert (flows["payload_bytes"] == 4321).all()
    # 8 ordered pairs of neighbours, 4 rounds.
    assert len(flows) == 32
    assert read_table(run / "rounds.parquet")["offered_bytes"].tolist() == 4 * [8 * 4321]


def test_words_and_pictures_leave_out_what_is_of_learning(run: Path) -> None:
    log = (run / "log.txt").read_text(encoding="utf-8")
    page = (run / "report.html").read_text(encoding="utf-8")
    body = page.partition("<body>")[2].partition("Versions, seeds and provenance")[0]
    for text in (log.replace("learning 0", ""), re.sub(r"data:image[^\"]+", "", body)):
        assert not re.search(r"accuracy|evaluated|budget|samples|nan\b", text, re.IGNORECASE)
    assert "could not" not in log
    drawn = {path.stem for path in (run / "figures").iterdir()}
    assert drawn == {each.name for each in FIGURES if not each.of_learning}
    assert drawn >= {"topology", "delay", "remaining_energy", "energy_by_state"}


@pytest.mark.usefixtures("only_the_run")
def test_a_run_cut_short_is_resumed_to_the_same_bytes(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(tmp_path / "cut", ANALYTIC, 2, monkeypatch)
    assert cli.main(["resume", str(tmp_path / "cut")]) == 0
    assert_same_run(run, tmp_path / "cut")


@pytest.mark.usefixtures("only_the_run")
def test_a_run_is_verified_and_rerun_and_replayed_from_its_record(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", str(run), "--rerun"]) == 0
    assert "7 of 7 tables come out the same" in capsys.readouterr().out
    again = ("--config", str(run / "config.toml"), "--network.kind=replay")
    words = [*again, f"--network.replay={run}", f"--output={tmp_path / 'again'}"]
    assert cli.main(words) == 0
    for name in (*TABLES, "partition"):
        one, other = (folder / f"{name}.parquet" for folder in (run, tmp_path / "again"))
        assert one.read_bytes() == other.read_bytes()
    # Other messages are not what the record answers to.
    words = [*again, f"--network.replay={run}", "--learning.message_bytes=4322"]
    said = refused([*words, f"--output={tmp_path / 'other'}"], capsys, 2)
    assert "4322" in said


@pytest.mark.usefixtures("only_the_run")
def test_a_traffic_file_is_kept_in_the_folder_and_part_of_what_the_run_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given.csv"
    given.write_text("src,dst,bytes\n0,3,77\n", encoding="utf-8")
    words = [*NONE, "--network.kind=ideal", f"--learning.traffic_file={given}", "--no-figures"]
    ids = []
    for length in (77, 78):
        given.write_text(f"src,dst,bytes\n0,3,{length}\n", encoding="utf-8")
        assert cli.main([*words, f"--results={tmp_path}"]) == 0
        (made,) = {path for path in tmp_path.iterdir() if path.is_dir()} - set(ids)
        ids.append(made)
        assert (made / "given.csv").read_bytes() == given.read_bytes()
        assert set(read_table(made / "flows.parquet")["payload_bytes"]) == {length}
    assert "no neighbour" not in capsys.readouterr().err


@pytest.mark.parametrize(("accuracy", "names"), [([None, None], 0), ([None, 0.5], 5)])
def test_a_study_has_figures_of_accuracy_where_some_run_learns(
    tmp_path: Path, accuracy: list[float | None], names: int
) -> None:
    study = Study.model_validate({"grid": {"learning.message_bytes": [1000, 3000]}})
    table = pd.DataFrame({"learning.message_bytes": [1000, 3000], "state": "done"})
    table["accuracy_last"] = np.array(accuracy, dtype=float)
    table = table.assign(energy_j=1.0, accuracy_last5=table["accuracy_last"], seed=1, case="one")
    found = [each.name for each in figures_of(StudyFolder(tmp_path), study, table)]
    drawn = [name for name in found if name.startswith("accuracy_by") or name == "pareto"]
    assert len(drawn) == names
    assert {"energy_j", "energy_by_state", "delay"} <= set(found)


def test_a_study_whose_figures_would_be_of_accuracy_that_no_run_has_is_refused(
    tmp_path: Path,
) -> None:
    said = "y: expected columns that runs with learning.method none have, got accuracy_last5"
    with pytest.raises(ConfigError, match=said):
        read_study(write_study(tmp_path, STUDY))
    asked = '    [figure]\n    y = ["delay_median_s"]\n'
    assert read_study(write_study(tmp_path, STUDY + asked)).figure.y == ("delay_median_s",)
    both = STUDY.replace('    learning.method = "none"\n', "")
    read_study(write_study(tmp_path, both + '    [[case]]\n    learning.method = "none"\n'
                           '    [[case]]\n    learning.method = "dmml"\n'))  # fmt: skip


def test_fields_that_have_no_effect_without_learning_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*NONE, "--network.kind=ideal", "--no-figures", f"--output={tmp_path / 'run'}"]
    more = ["--learning.learning_rate=0.2", "--iteration.rule=uniform"]
    assert cli.main([*words, *more]) == 0
    log = (tmp_path / "run" / "log.txt").read_text(encoding="utf-8")
    for name in ("learning.learning_rate 0.2", "iteration.rule uniform"):
        assert f"warning: {name} has no effect with learning.method none" in log
