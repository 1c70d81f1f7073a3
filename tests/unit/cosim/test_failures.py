"""Errors of the operating system and odd values: one line, and nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cut_runs import IDEAL, refused

from cosim import cli, failures
from cosim.config.sources import load
from cosim.files import one_line, read_regular
from cosim.runs import execute

pytestmark = pytest.mark.usefixtures("only_the_run")
TOMLS = {
    "nul.toml": b'[energy]\ndevice_file = "a\\u0000b"\n',
    "break.toml": b'[learning]\ndata_path = "a\\nb.zip"\ndataset = "uci_har"\n',
    "method.toml": b'[learning]\nmethod = "a\\u0000b.py"\n',
    "scenario.toml": b'scenario = "a\\nb\\u0000.py"\n',
    "bytes.toml": b"\xff\xfe",
    "deep.toml": b"a = " + 100_000 * b"[",
    "big.toml": b"seed = 1" + 5000 * b"0",
}
ODD = ("folder", "loop", "pipe", "/dev/zero", "/proc/self/mem", "nothing", "a" * 300, "two\nlines")
COMMANDS = [
    *(("--config", name) for name in (*ODD, *TOMLS)),
    *(("--output", name) for name in ("loop/x", "a" * 300, "a" * 250, "file/x", "/proc/x")),
    *((f"--energy.device_file={name}",) for name in ODD),
    *(("--network.kind=replay", f"--network.replay={name}") for name in ODD),
    *(("--network.kind=trace", f"--network.link_trace={name}") for name in ODD),
    *((f"--learning.data_path={name}", "--learning.dataset=uci_har") for name in ODD),
    *((f"--learning.method={name}",) for name in ("folder.py", "pipe.py", "zero.py", "none.py")),
    *((verb, name) for verb in ("resume", "verify") for name in (*ODD, "")),
]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("folder", "folder.py"):
        Path(name).mkdir()
    for name in ("pipe", "pipe.py"):
        os.mkfifo(name)
    Path("loop").symlink_to("pool")
    Path("pool").symlink_to("loop")
    Path("zero.py").symlink_to("/dev/zero")
    Path("file").touch()
    for name, content in TOMLS.items():
        Path(name).write_bytes(content)
    return tmp_path


def test_what_is_no_plain_file_and_odd_names_cost_one_line_each(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(os.listdir(there))
    for command in COMMANDS:
        words = list(command) if command[0] in ("resume", "verify") else [*IDEAL, *command]
        if not any(word == "--output" for word in words) and len(words) > 2:
            words += ["--output", "out"]
        assert cli.main(words) == 2, command
        said = capsys.readouterr()
        (line,) = said.err.splitlines()
        assert line.startswith("error: "), command
        assert said.out == ""
        assert sorted(os.listdir(there)) == before, command


def test_a_working_folder_that_is_gone_costs_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    try:
        assert "working folder" in refused([*IDEAL, "--output", "out"], capsys)
    finally:
        os.chdir(tmp_path)


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (OSError(28, "No space left", "x\ny"), 2, "error: x y: No space left"),
        (OSError("odd\nwords"), 2, "error: odd words"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad\nbyte"), 2, "error: UnicodeDecodeError: "),
        (MemoryError(), 3, "error: expected enough memory, got too little (none left)"),
        (RecursionError("too\ndeep"), 3, "error: RecursionError: too deep"),
    ],
)
def test_an_error_of_the_system_is_one_line_with_its_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
    expected: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(execute, "make_learning_side", fail)
    assert (
        cli.main([*IDEAL, "--output", str(tmp_path / "run")]) == code == failures.exit_code(error)
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(expected)
    assert os.listdir(tmp_path) == []


def test_a_line_has_no_breaks_no_control_characters_and_an_end() -> None:
    assert one_line("a\n b\r\tc") == "a b c"
    assert one_line("\x1b[31m\x00ü\udcff\u202e") == "\\x1b[31m\\x00ü\\udcff\\u202e"
    assert len(one_line("a" * 10**6)) < 3000


def test_a_regular_file_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(file)
    assert read_regular(tmp_path / "link", 5) == b"12345"
    with pytest.raises(OSError, match="larger than"):
        read_regular(file, 4)
    with pytest.raises(OSError, match="a device or pipe"):
        read_regular(Path("/dev/zero"), 4)


SLOW = """
import sys, threading, time
from types import SimpleNamespace
from cosim import cli
from cosim.commands import validate

def slow(*_):
    print("begun", flush=True)
    time.sleep(1000)

validate.check_installation = lambda: None
validate.CHECKS = [SimpleNamespace(rows=slow)]
sys.exit(cli.main(["validate"]))
"""


@pytest.mark.e2e
def test_validation_waits_for_nothing_when_it_is_terminated() -> None:
    root = Path(cli.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"interrupted\n")


def test_zero_has_no_sign() -> None:
    config = load(["--network.shadowing_sigma_db=-0.0", "--energy.reserve_j=-0"], None, None)
    assert np.copysign(1.0, config.network.shadowing_sigma_db) == 1.0
    assert np.copysign(1.0, config.energy.reserve_j) == 1.0
