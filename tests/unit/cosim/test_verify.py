"""Every file of a run folder is held against its hash: by `verify` and before a run goes on."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cut_runs import IDEAL, change_manifest, contents, cut_short, refused

from cosim import cli
from cosim.errors import OutputError
from cosim.records import manifest, paths
from cosim.records.layout import TABLES
from cosim.records.manifest import read_manifest
from cosim.records.verify import examine
from cosim.report import presentation
from cosim.runs import execute

pytestmark = pytest.mark.usefixtures("only_the_run")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in `done`, and one cut short in its third round in `cut`."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presentation, "draw", lambda folder, figures=True: {})
        few = (*IDEAL, "--learning.rounds=3")
        assert cli.main([*few, "--output", str(folder / "done")]) == 0
        cut_short(folder / "cut", few, 2, patch)
    return folder


@pytest.fixture
def copy(runs: Path, tmp_path: Path) -> Path:
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs"


def states(folder: Path) -> dict[str, str]:
    return {finding.name: finding.state for finding in examine(folder)}


def flip(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    bit = int(rng.integers(8 * len(content)))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_a_folder_as_it_was_written_has_a_line_a_file_and_passes(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, folder in (("done", "done"), ("cut", "cut.partial"), ("cut.partial", "cut.partial")):
        assert cli.main(["verify", str(runs / name)]) == 0
        *lines, last = capsys.readouterr().out.splitlines()
        files = {str(path.relative_to(runs / folder)) for path in contents(runs / folder)}
        assert {line.split()[-1] for line in lines} == files | {"log.txt"}
        assert last.endswith(f"{len(files) + 1} of {len(files) + 1} files as written")
    assert set(states(runs / "done").values()) == {"ok"}
    unhashed = {name for name, state in states(runs / "cut.partial").items() if state != "ok"}
    assert unhashed == {"log.txt"}


@pytest.mark.parametrize("folder", ["done", "cut.partial"])
def test_one_flipped_bit_of_any_file_is_named_and_not_gone_on_with(
    copy: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(5)
    hashed = [name for name, state in states(copy / folder).items() if state == "ok"]
    # Manifest, configuration, checkpoint, partition; six tables and the log, or twice six parts.
    assert len(hashed) == 4 + (7 if folder == "done" else 2 * 6)
    for name in hashed:
        whole = (copy / folder / name).read_bytes()
        flip(copy / folder / name, rng)
        assert states(copy / folder)[name] == "DIFFERS", name
        before = contents(copy)
        assert name in refused(["resume", str(copy / folder)], capsys)
        assert contents(copy) == before
        (copy / folder / name).write_bytes(whole)
    assert cli.main(["verify", str(copy / folder)]) == 0


def test_what_is_missing_or_does_not_belong_is_named(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "done" / "flows.parquet").unlink()
    (copy / "done" / "letter.txt").write_text("dear", encoding="utf-8")
    (copy / "done" / "link").symlink_to("config.toml")
    os.mkfifo(copy / "done" / "pipe\nof two lines")
    assert cli.main(["verify", str(copy / "done")]) == 1
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    wrong = {name: state for state, name in lines[:-1] if state != "ok"}
    extra = dict.fromkeys(("letter.txt", "link", "pipe of two lines"), "EXTRA")
    assert wrong == {"flows.parquet": "MISSING", **extra}


def test_a_note_of_the_users_beside_an_unfinished_run_stops_nothing_and_is_named(
    copy: Path,
) -> None:
    (copy / "cut.partial" / "note.txt").write_text("dear", encoding="utf-8")
    assert states(copy / "cut.partial")["note.txt"] == "EXTRA"
    assert cli.main(["resume", str(copy / "cut")]) == 0
    for name in TABLES:
        file = f"{name}.parquet"
        assert (copy / "cut" / file).read_bytes() == (copy / "done" / file).read_bytes()


def test_a_damaged_manifest_leaves_nothing_known_and_is_one_line(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy / "cut.partial" / "manifest.json"
    text = path.read_text(encoding="utf-8")
    for damaged in ("", "[]", text[:-2], text.replace("failed", "wonder"), text + "\n", "[" * 9999):
        path.write_text(damaged, encoding="utf-8")
        found = states(copy / "cut.partial")
        assert found.pop("manifest.json") == "DIFFERS"
        assert set(found.values()) == {"UNKNOWN"}
        assert "got manifest.json that DIFFERS" in refused(["resume", str(copy / "cut")], capsys)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "wonderful"},
        {"rounds": -1},
        {"rounds": "3"},
        {"seed": 1.5},
        {"timings": {"ns3_s": 1.0}},
        {"host": {"system": "Linux"}},
        {"files_sha256": {"config.toml": "abc"}},
        {"another": 1},
    ],
)
def test_a_manifest_of_another_form_is_said_to_be_one_and_not_damaged(
    copy: Path, changes: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy / "done" / "manifest.json"
    fields = json.loads(path.read_text(encoding="utf-8")) | changes
    del fields["manifest_sha256"]
    path.write_bytes(manifest._with_hash(json.dumps(fields).encode().removesuffix(b"}")))
    with pytest.raises(OutputError, match=r"^[^\n]*expected the manifest of this version[^\n]*$"):
        read_manifest(copy / "done")
    found = states(copy / "done")
    assert found.pop("manifest.json") == "OTHER FORM"
    assert set(found.values()) == {"UNKNOWN"}
    (copy / "done").rename(copy / "old.partial")
    said = refused(["resume", str(copy / "old")], capsys)
    assert "got that of another" in said
    assert "damaged" not in said


def test_a_manifest_reads_back_as_it_was_written(copy: Path) -> None:
    before = read_manifest(copy / "done")
    odd = before.model_copy(update={"reason": 'a "quote"\n\u2028 and ü \udcff', "status": "failed"})
    manifest.write_manifest(copy / "done", odd)
    assert read_manifest(copy / "done") == odd


SPY = """
from pathlib import Path
(Path(__file__).parent / "it-ran").touch()
from learning.examples.own_method import METHOD
"""


def test_a_method_of_ones_own_runs_only_after_the_hashes_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    method, ran = tmp_path / "mine.py", tmp_path / "it-ran"
    method.write_text(SPY, encoding="utf-8")
    cut_short(tmp_path / "run", (*IDEAL, f"--learning.method={method}"), 2, monkeypatch)
    part = tmp_path / "run.partial" / "rounds.parts" / "rounds-000000.parquet"
    whole = part.read_bytes()
    for damage in (
        lambda: method.write_text(SPY + "\n", encoding="utf-8"),
        lambda: part.write_bytes(whole[:-1]),
    ):
        ran.unlink()
        damage()
        refused(["resume", str(tmp_path / "run")], capsys)
        assert not ran.exists()
        method.write_text(SPY, encoding="utf-8")
        part.write_bytes(whole)
        assert cli.main(["verify", str(tmp_path / "run")]) == 0
        ran.touch()


def test_a_run_under_way_is_not_verified(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = paths.lock(copy / "cut.partial" / "log.txt")
    assert held is not None
    try:
        said = refused(["verify", str(copy / "cut")], capsys, code=4)
        assert "expected no run under way" in said
    finally:
        os.close(held)


@pytest.mark.parametrize("sealed", [True, False])
def test_a_run_that_was_killed_after_its_last_round_is_only_published(
    copy: Path, monkeypatch: pytest.MonkeyPatch, sealed: bool
) -> None:
    (copy / "done").rename(copy / "again.partial")
    if not sealed:
        before = read_manifest(copy / "again.partial").files_sha256
        left = {name: value for name, value in before.items() if name != "log.txt"}
        change_manifest(copy / "again.partial", sealed=False, files_sha256=left)
        (copy / "again.partial" / "rounds.parts").mkdir()
        (copy / "again.partial" / "rounds.parts" / "flows-000000.parquet").write_bytes(b"left")
        (copy / "again.partial" / "manifest.new").write_bytes(b"half")
    monkeypatch.setattr(execute, "execute", None)  # nothing is simulated again
    assert cli.main(["verify", str(copy / "again")]) == 0
    assert cli.main(["resume", str(copy / "again")]) == 0
    assert set(states(copy / "again").values()) == {"ok"}
    assert not (copy / "again" / "rounds.parts").exists()


@pytest.mark.e2e
def test_the_verb_stands_in_the_script(tmp_path: Path, runs: Path) -> None:
    script = Path(cli.__file__).with_name("run.py")
    done = subprocess.run(
        [sys.executable, str(script), "verify", "nothing"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "verify: expected the folder of a run" in done.stderr
