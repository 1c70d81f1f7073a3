"""What a run cannot go on from is refused, and nothing of it is changed."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from cut_runs import (
    IDEAL,
    change_checkpoint,
    change_manifest,
    contents,
    cut_short,
    refused,
)

from cosim import cli
from cosim.config.assemble import make_learner
from cosim.config.sources import load
from cosim.errors import OutputError
from cosim.records.folder import RunFolder
from cosim.records.manifest import read_manifest, write_manifest
from cosim.records.unfinished import taken_up

pytestmark = pytest.mark.usefixtures("only_the_run")


@pytest.mark.parametrize(
    ("table", "column", "change"),
    [("devices", "remaining_energy_j", 1e-12), ("rounds", "events", 1), ("flows", "finish_s", 1.0)],
)
def test_a_record_that_the_network_does_not_repeat_is_refused_by_round_and_column(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    table: str,
    column: str,
    change: float,
) -> None:
    cut_short(tmp_path / "run", IDEAL, 3, monkeypatch)
    part = tmp_path / "run.partial" / "rounds.parts" / f"{table}-000001.parquet"
    rows = pd.read_parquet(part)
    rows.loc[0, column] += change
    rows.to_parquet(part, index=False)
    change_checkpoint(tmp_path / "run.partial")  # as if it had been recorded so
    line = refused(["resume", str(tmp_path / "run")], capsys)
    assert "expected round 2 to come out as recorded" in line
    assert f"column {column} of its {table}" in line
    # What was finished is still there.
    parts = sorted((tmp_path / "run.partial" / "rounds.parts").glob("rounds-*.parquet"))
    assert [pd.read_parquet(each)["round"].item() for each in parts] == [1, 2, 3]


def test_another_code_package_or_field_than_the_run_began_with_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    folder = tmp_path / "run.partial"
    began = read_manifest(folder)
    for changed, expected in (
        ({"code_version": "0123456789ab"}, "expected code_version 0123456789ab"),
        ({"versions": began.versions | {"torch": "1.0"}}, "expected versions of torch 1.0"),
        ({"config_sha256": "0" * 64}, "expected config_sha256"),
    ):
        change_manifest(folder, **changed)
        assert expected in refused(["resume", str(tmp_path / "run")], capsys)
        write_manifest(folder, began)
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("rounds = 5", "rounds = 9"), encoding="utf-8")
    assert "got config.toml that DIFFERS" in refused(["resume", str(tmp_path / "run")], capsys)


def test_a_changed_file_of_ones_own_is_refused_even_if_another_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learning = Path(cli.__file__).parents[1] / "learning"
    method, model = tmp_path / "a" / "mine.py", tmp_path / "b" / "mine.py"
    for example, own in (
        (learning / "examples" / "own_method.py", method),
        (learning / "examples" / "own_encoder.py", model),
    ):
        own.parent.mkdir()
        shutil.copy(example, own)
    flags = (*IDEAL, f"--learning.method={method}", f"--learning.model={model}")
    cut_short(tmp_path / "run", flags, 2, monkeypatch)
    method.write_text(method.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    line = refused(["resume", str(tmp_path / "run")], capsys)
    assert f"own_files_sha256 of {method}" in line


OWN_DATA = """
from pathlib import Path
import numpy as np

def load():
    rng = np.random.default_rng(int((Path(__file__).parent / "number.txt").read_text()))
    label = np.arange(600) % 3
    values = {name: rng.normal(label[:, None], 1.0, (600, 6)).astype(np.float32) for name in "ab"}
    subject = np.arange(600) // 30
    split = np.where(subject < 15, "train", "test")
    return {"modalities": values, "label": label, "subject": subject, "split": split}
"""


def test_data_that_have_changed_are_refused_where_their_file_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(OWN_DATA, encoding="utf-8")
    (tmp_path / "number.txt").write_text("1", encoding="utf-8")
    flags = (*IDEAL, f"--learning.dataset={tmp_path / 'mine.py'}")
    cut_short(tmp_path / "run", flags, 2, monkeypatch)
    (tmp_path / "number.txt").write_text("2", encoding="utf-8")
    assert "expected data_sha256" in refused(["resume", str(tmp_path / "run")], capsys)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def swap_for_older(path: Path, rounds: int) -> None:
    change_checkpoint(path.parents[1], rounds=rounds)


@pytest.mark.parametrize(
    ("name", "damage", "expected"),
    [
        ("rounds.parts/links-000001.parquet", cut, "got rounds.parts/links-000001.parquet that"),
        ("rounds.parts/links-000001.parquet", Path.unlink, "links-000001.parquet that MISSING"),
        ("checkpoint/learner.pt", cut, "got checkpoint/learner.pt that DIFFERS"),
        ("checkpoint/learner.pt", Path.unlink, "got checkpoint/learner.pt that MISSING"),
        ("checkpoint/learner.pt", partial(swap_for_older, rounds=1), "learner.pt that DIFFERS"),
        ("checkpoint/learner.pt", partial(swap_for_older, rounds=2), "learner.pt that DIFFERS"),
        ("manifest.json", partial(Path.write_text, data="[]"), "got manifest.json that DIFFERS"),
        ("manifest.json", cut, "got manifest.json that DIFFERS"),
        ("manifest.json", Path.unlink, "got manifest.json that MISSING"),
    ],
)
def test_damaged_remains_are_refused_and_nothing_of_them_is_changed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    damage: Callable[[Path], None],
    expected: str,
) -> None:
    cut_short(tmp_path / "run", IDEAL, 3, monkeypatch)
    damage(tmp_path / "run.partial" / name)
    before = contents(tmp_path)
    assert expected in refused(["resume", str(tmp_path / "run")], capsys)
    assert contents(tmp_path) == before


def test_what_lies_under_the_final_name_is_found_before_a_round_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("dear", encoding="utf-8")
    before = contents(tmp_path)
    assert "which holds other files" in refused(["resume", str(tmp_path / "run")], capsys)
    assert contents(tmp_path) == before


def test_a_folder_in_which_a_run_is_under_way_is_refused(tmp_path: Path) -> None:
    config = load([*IDEAL], None, None)
    data = make_learner(config)[0]
    first = RunFolder(tmp_path / "run", config, data)
    with pytest.raises(OutputError, match="expected no run under way"), taken_up(tmp_path / "run"):
        pass
    first.release()
    with taken_up(tmp_path / "run") as left:
        again = RunFolder(tmp_path / "run", config, data, left)
    with pytest.raises(OutputError, match="expected no run under way"), taken_up(tmp_path / "run"):
        pass
    again.release()


@pytest.mark.parametrize("name", ["nothing", "file", "empty.partial", ".", "/"])
def test_what_holds_no_unfinished_run_is_refused(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a run", encoding="utf-8")
    (tmp_path / "empty.partial").mkdir()
    line = refused(["resume", str(tmp_path / name)], capsys)
    assert "expected an unfinished run, got no" in line
