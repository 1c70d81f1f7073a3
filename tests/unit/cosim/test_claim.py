"""A run's folder is made in one step: nobody finds half of one, and the first of two gets it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cut_runs import IDEAL, fail_in, refused

from cosim import cli
from cosim.config.assemble import make_learner
from cosim.config.sources import load
from cosim.errors import OutputError
from cosim.records import folder as recording
from cosim.records import manifest, paths
from cosim.records.folder import RunFolder
from cosim.runs import endings, execute
from learning.data.samples import MultiModalData

pytestmark = pytest.mark.usefixtures("only_the_run")
CONFIG = load([*IDEAL], None, None)


@pytest.fixture(scope="module")
def data() -> MultiModalData:
    return make_learner(CONFIG)[0]


@pytest.mark.parametrize("step", ["mkdir", "lock", "write", "claim"])
def test_a_signal_while_the_folder_is_made_leaves_nothing_or_a_run_to_go_on_with(
    tmp_path: Path, data: MultiModalData, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def then_signal(module: object, name: str) -> None:
        whole = getattr(module, name)

        def stopped(*arguments: object, **options: object) -> object:
            result = whole(*arguments, **options)
            raise KeyboardInterrupt
            return result

        monkeypatch.setattr(module, name, stopped)

    where = {"mkdir": (Path, "mkdir"), "write": (manifest, "write_manifest")}
    then_signal(*where.get(step, (paths, step)))
    with pytest.raises(KeyboardInterrupt):
        RunFolder(tmp_path / "deep" / "run", CONFIG, data)
    monkeypatch.undo()
    left = [str(path.relative_to(tmp_path)) for path in tmp_path.glob("deep/*")]
    if step == "claim":
        assert left == ["deep/run.partial"]
        assert cli.main(["resume", str(tmp_path / "deep" / "run")]) == 0
    else:
        assert os.listdir(tmp_path) == []


def test_of_many_that_begin_at_once_one_gets_the_folder_and_the_others_hear_of_it(
    tmp_path: Path, data: MultiModalData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its hidden folder whole before the first claims the name."""
    all_made = threading.Barrier(4)
    claim, numbers = paths.claim, iter(range(4))

    def together(new: Path, final: Path) -> None:
        all_made.wait(timeout=60)
        claim(new, final)

    monkeypatch.setattr(paths, "claim", together)
    hidden = paths.hidden_name
    monkeypatch.setattr(
        paths, "hidden_name", lambda final: Path(f"{hidden(final)}-{next(numbers)}")
    )
    got: list[RunFolder | str] = []

    def begin() -> None:
        try:
            got.append(RunFolder(tmp_path / "run", CONFIG, data))
        except OutputError as error:
            got.append(str(error))

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [each for each in got if isinstance(each, str)]
    assert len(errors) == 3
    assert all("expected no run under way" in each and "delete" not in each for each in errors)
    assert os.listdir(tmp_path) == ["run.partial"]


def test_a_run_that_began_and_ended_meanwhile_is_not_run_over(
    tmp_path: Path, data: MultiModalData, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = manifest.write_manifest

    def another_ends(folder: Path, said: manifest.Manifest) -> None:
        write(folder, said)
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "manifest.json").write_text("{}", encoding="utf-8")

    monkeypatch.setattr(manifest, "write_manifest", another_ends)
    with pytest.raises(OutputError, match="holds a run that is not whole"):
        RunFolder(tmp_path / "run", CONFIG, data)
    assert os.listdir(tmp_path) == ["run"]


def test_hidden_folders_of_the_dead_are_removed_and_of_the_living_kept(
    tmp_path: Path, data: MultiModalData
) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    mine = paths.hidden_name(tmp_path / "run").name.removesuffix(f"-{os.getpid()}")
    assert mine.startswith(".cosim-new-")
    alive = subprocess.Popen(["sleep", "60"])
    try:
        names = [f"{mine}-{pid}" for pid in (dead.pid, os.getpid(), alive.pid)]
        names += [".cosim-new-elsewhere-1", f"{mine}-nonsense"]
        for name in names:
            (tmp_path / name).mkdir()
            (tmp_path / name / "config.toml").touch()
        RunFolder(tmp_path / "run", CONFIG, data).release()
    finally:
        alive.kill()
        alive.wait()
    assert sorted(os.listdir(tmp_path)) == sorted([*names[2:], "run.partial"])
    assert socket.gethostname()[:1] in mine


def test_a_run_that_fails_before_its_first_round_leaves_nothing_and_says_nothing_of_keeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        fail_in(0, patch)
        assert cli.main([*IDEAL, "--output", str(tmp_path / "new" / "deep" / "run")]) == 3
    said = capsys.readouterr()
    assert "kept" not in said.out + said.err
    assert os.listdir(tmp_path) == []


def test_a_resumed_run_that_fails_before_its_first_round_is_not_said_to_keep_any(
    tmp_path: Path,
    data: MultiModalData,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    RunFolder(tmp_path / "run", CONFIG, data).release()
    fail_in(0, monkeypatch)
    assert cli.main(["resume", str(tmp_path / "run")]) == 3
    said = capsys.readouterr()
    assert "kept" not in said.out + said.err
    assert "resume" in said.out


@pytest.mark.parametrize("name", ["discard", "end"])
def test_an_error_while_a_run_is_ended_does_not_hide_the_first(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    def gone(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", str(tmp_path))

    monkeypatch.setattr(recording.RunFolder, name, gone)
    fail_in(0 if name == "discard" else 2, monkeypatch)
    assert cli.main([*IDEAL, "--output", str(tmp_path / "run")]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "error: it died"
    assert sum("could not be written" in line for line in lines) == 1


def test_a_results_folder_that_vanishes_costs_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add = recording.RunFolder.add

    def vanish(self: RunFolder, *arguments: object) -> None:
        self.path.rename(tmp_path / "elsewhere")
        add(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(recording.RunFolder, "add", vanish)
    line = refused([*IDEAL, "--output", str(tmp_path / "run")], capsys)
    assert "could not write round 1" in line
    assert "no round was finished" in line


def test_a_hang_up_is_as_a_termination_unless_it_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        for given, expected in (
            (signal.SIG_DFL, endings.interrupt),
            (signal.SIG_IGN, signal.SIG_IGN),
        ):
            signal.signal(signal.SIGHUP, given)
            assert cli.main(["resume", "/nothing"]) == 2
            assert signal.getsignal(signal.SIGHUP) == expected
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interrupt_that_python_drops_ends_the_run_after_its_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deleted:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0)  # where Python looks for signals

    to_tables = execute.to_tables

    def and_be_told(*arguments: Any) -> Any:
        Deleted()
        return to_tables(*arguments)

    dropped: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: dropped.append(found.exc_type))
    monkeypatch.setattr(execute, "to_tables", and_be_told)
    words = [*IDEAL, "--learning.rounds=3", "--output", str(tmp_path / "run")]
    assert cli.main(words) == 130
    assert dropped == [KeyboardInterrupt]
    assert manifest.read_manifest(tmp_path / "run.partial").rounds == 1
