"""One command that starts a run, goes on with it, or leaves it, whatever is there already."""

from pathlib import Path

import pytest
from cut_runs import IDEAL, assert_same_run, cut_short, refused

from cosim import cli
from cosim.records import paths
from cosim.records.layout import LOG

pytestmark = pytest.mark.usefixtures("only_the_run")


def test_it_starts_then_goes_on_then_leaves_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*IDEAL, "--output", str(tmp_path / "whole"), "--or-resume"]) == 0
    cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    again = [*IDEAL, "--output", str(tmp_path / "run"), "--or-resume"]
    assert cli.main(again) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "run")
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    capsys.readouterr()
    assert cli.main(again) == 0
    assert "finished already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == stamps


@pytest.mark.parametrize("cut", [True, False])
def test_a_run_of_another_configuration_is_not_taken_for_this_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cut: bool,
) -> None:
    if cut:
        cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    else:
        assert cli.main([*IDEAL, "--output", str(tmp_path / "run")]) == 0
    other = [*IDEAL, "--learning.learning_rate=0.07", "--output", str(tmp_path / "run")]
    said = refused([*other, "--or-resume"], capsys)
    assert "learning_rate = 0.07" in said


def test_a_run_under_way_has_an_exit_code_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_short(tmp_path / "run", IDEAL, 2, monkeypatch)
    held = paths.lock(tmp_path / "run.partial" / LOG)
    assert held is not None
    for words in (
        [*IDEAL, "--output", str(tmp_path / "run"), "--or-resume"],
        [*IDEAL, "--output", str(tmp_path / "run")],
        ["resume", str(tmp_path / "run")],
        ["verify", str(tmp_path / "run")],
    ):
        assert cli.main(words) == 4
        assert "under way" in capsys.readouterr().err


def test_runs_without_a_name_go_under_the_given_root(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*IDEAL, "--results", str(tmp_path / "mine")]
    assert cli.main(flags) == 0
    (folder,) = (tmp_path / "mine").iterdir()
    assert folder.name.startswith("mesh80211-")
    assert cli.main(flags) == 0
    assert "finished already" in capsys.readouterr().out
    assert list((tmp_path / "mine").iterdir()) == [folder]
