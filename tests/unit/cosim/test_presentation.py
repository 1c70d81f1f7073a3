"""What cannot be drawn is a warning behind complete tables, and never a failed run."""

import io
import json
import os
from pathlib import Path

import pytest
from cut_runs import IDEAL

from cosim import cli
from cosim.records.manifest import is_complete, read_manifest
from cosim.records.verify import examine
from cosim.report import figure_files, page, presentation, summary
from cosim.terminal import Forgiving

FEW = (*IDEAL, "--learning.rounds=1")


@pytest.fixture(autouse=True)
def two_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the figures stand for all."""
    two = [each for each in figure_files.FIGURES if each.name in ("iterations", "partition")]
    monkeypatch.setattr(figure_files, "FIGURES", two)


def broken(*_: object, **__: object) -> None:
    raise MemoryError("too large\nby far")


@pytest.mark.parametrize(
    ("module", "name", "failed", "files"),
    [
        (figure_files, "draw_partition", {"partition"}, {"figures/iterations.png", "report.html"}),
        (presentation, "read_table", {"figures"}, {"report.html"}),
        (page, "write_report", {"report.html"}, {"figures/partition.png"}),
        (summary, "summarise", {"report.html"}, {"figures/partition.png"}),
    ],
)
def test_what_cannot_be_drawn_is_warned_of_and_the_run_is_complete(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: object,
    name: str,
    failed: set[str],
    files: set[str],
) -> None:
    monkeypatch.setattr(module, name, broken)
    monkeypatch.setattr(page, "summarise", summary.summarise)
    assert cli.main([*FEW, "--output", str(tmp_path / "run")]) == 0
    said = capsys.readouterr()
    folder = tmp_path / "run"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "complete"
    assert set(manifest["not_drawn"]) == failed
    assert files <= manifest["files_sha256"].keys()
    assert {finding.state for finding in examine(folder)} == {"ok"}
    log = (folder / "log.txt").read_text(encoding="utf-8")
    assert "could not be drawn (MemoryError: too large by far)" in log
    assert "Traceback" not in said.err + log
    if "report.html" in files and "partition" in failed:
        shown = (folder / "report.html").read_text(encoding="utf-8")
        assert "partition</strong> could not be drawn: MemoryError: too large by far" in shown
        assert not (folder / "figures" / "partition.png").exists()
    # Nor does it fail when it is asked for again.
    assert cli.main(["resume", str(folder)]) == 0


def test_a_run_interrupted_while_it_draws_is_complete_and_drawn_when_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(figure_files, "draw_iterations", interrupted)
        assert cli.main([*FEW, "--output", str(tmp_path / "run")]) == 130
    assert "all rounds are in" in capsys.readouterr().out
    assert is_complete(tmp_path / "run")
    assert not read_manifest(tmp_path / "run").sealed
    assert cli.main(["verify", str(tmp_path / "run")]) == 0
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "report.html").exists()
    assert (tmp_path / "run" / "figures" / "iterations.png").exists()
    assert {finding.state for finding in examine(tmp_path / "run")} == {"ok"}


def test_figures_for_a_paper_are_drawn_on_request_also_of_a_finished_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert cli.main([*FEW, "--output", str(run), "--no-figures"]) == 0
    assert not list((run / "figures").glob("*"))
    assert cli.main(["resume", str(run)]) == 0
    assert not list((run / "figures").glob("*"))
    for _ in range(2):
        assert cli.main(["resume", str(run), "--pdf"]) == 0
        assert {path.suffix for path in (run / "figures").iterdir()} == {".pdf"}
        assert {finding.state for finding in examine(run)} == {"ok"}
    assert cli.main([*FEW, "--output", str(tmp_path / "both"), "--pdf"]) == 0
    drawn = sorted(path.name for path in (tmp_path / "both" / "figures").iterdir())
    assert len(drawn) == 4
    assert {name.rpartition(".")[2] for name in drawn} == {"pdf", "png"}


def test_a_lost_stream_is_remembered_and_takes_nothing_more() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        stream = Forgiving(full)
        print("one", file=stream)
        assert stream.lost is not None
        assert stream.lost.strerror == os.strerror(28)
        print("two", file=stream)
        stream.flush()


def test_text_that_a_stream_cannot_show_is_escaped() -> None:
    raw = io.BytesIO()
    stream = Forgiving(io.TextIOWrapper(raw, encoding="ascii"))
    print("ü \udcff", file=stream)
    assert raw.getvalue() == b"\\xfc \\udcff\n"
    assert stream.lost is None
