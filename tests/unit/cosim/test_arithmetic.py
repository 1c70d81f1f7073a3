"""Which arithmetic a program runs in, and that it is the one it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cosim import arithmetic
from cosim.errors import ConfigError

WITH_ALL = "processor\t: 0\nflags\t\t: fpu sse2 avx fma avx2 bmi2\n"


class StartedError(Exception):
    """In place of a program that starts again."""


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process look as if it had begun with `prepare`, in an environment of its own."""
    monkeypatch.setattr(os, "environ", {"HOME": "/root", "MKL_CBWR": "AUTO"})
    monkeypatch.setattr(arithmetic, "_given", {})
    monkeypatch.setattr(arithmetic, "_program", set())
    monkeypatch.setattr(arithmetic, "lacks", lambda: [])

    def start(path: str, arguments: list[str], environment: dict[str, str]) -> None:
        raise StartedError(path, arguments, environment)

    monkeypatch.setattr(os, "execve", start)
    arithmetic.load_portable()
    arithmetic.may_start_again()


def cpuinfo(folder: Path, text: str) -> Path:
    (folder / "cpuinfo").write_text(text, encoding="utf-8")
    return folder / "cpuinfo"


def test_a_processor_is_asked_for_whole_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert arithmetic.lacks(cpuinfo(tmp_path, WITH_ALL)) == []
    assert arithmetic.lacks(cpuinfo(tmp_path, WITH_ALL.replace("fma ", "fma4 "))) == ["FMA"]
    assert arithmetic.lacks(cpuinfo(tmp_path, "flags : sse2 avx\n")) == ["AVX2", "FMA"]
    assert arithmetic.lacks(cpuinfo(tmp_path, "")) == ["AVX2", "FMA"]
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert len(arithmetic.lacks(cpuinfo(tmp_path, WITH_ALL))) == 1


@pytest.mark.usefixtures("prepared")
def test_fast_starts_the_same_command_again_in_the_environment_that_was_given() -> None:
    assert os.environ["MKL_CBWR"] == "COMPATIBLE"
    with pytest.raises(StartedError) as again:
        arithmetic.ensure("fast")
    path, arguments, environment = again.value.args
    assert (path, arguments) == (sys.executable, [sys.executable, *sys.orig_argv[1:]])
    choice = environment.pop("DMML_COSIM_ARITHMETIC")
    assert environment.pop("OPENBLAS_NUM_THREADS") == "1"  # a run has its own threads
    assert environment == {"HOME": "/root", "MKL_CBWR": "AUTO"}
    # In the new program, which has the same number, nothing is changed; in its children it is.
    os.environ.clear()
    os.environ |= environment | {"DMML_COSIM_ARITHMETIC": choice}
    arithmetic.load_portable()
    assert os.environ["MKL_CBWR"] == "AUTO"
    arithmetic.ensure("fast")
    os.environ["DMML_COSIM_ARITHMETIC"] = "fast:1"
    arithmetic.load_portable()
    assert os.environ["MKL_CBWR"] == "COMPATIBLE"


@pytest.mark.usefixtures("prepared")
def test_a_configuration_that_reads_otherwise_the_second_time_is_refused() -> None:
    os.environ["DMML_COSIM_ARITHMETIC"] = f"fast:{os.getpid()}"
    with pytest.raises(ConfigError, match="expected fast as when .* got portable; give a file"):
        arithmetic.ensure("portable")


@pytest.mark.usefixtures("prepared")
def test_portable_is_refused_where_the_processor_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "lacks", lambda: ["AVX2", "FMA"])
    with pytest.raises(ConfigError) as refusal:
        arithmetic.ensure("portable")
    assert "without AVX2 and FMA; use --learning.arithmetic fast" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    arithmetic.ensure("fast")


@pytest.mark.usefixtures("prepared")
def test_portable_is_refused_where_a_library_does_not_follow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arithmetic, "_mkl_branch", lambda: None)
    monkeypatch.setattr(arithmetic, "_without_tuned_kernels", lambda: None)
    with pytest.raises(ConfigError, match=r"MKL in mode None.*; use --learning.arithmetic fast"):
        arithmetic.ensure("portable")


def test_a_library_call_runs_in_what_is_loaded_and_says_so() -> None:
    arithmetic.ensure("portable")
    # Tests load the libraries before this package.
    assert arithmetic.in_use() == "fast"
    (said,) = arithmetic.remarks("portable")
    assert "computes in fast" in said
    assert arithmetic.remarks("fast") == []


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("odd", "in_use"),
    [
        ("", "portable"),
        ("MKL_CBWR=AUTO", "fast"),
        ("ATEN_CPU_CAPABILITY=default", "fast"),
    ],
)
def test_what_is_in_use_is_asked_of_the_libraries(odd: str, in_use: str) -> None:
    if arithmetic.lacks():
        pytest.skip("needs AVX2 and FMA")
    code = (
        "import os, sys; from cosim import arithmetic as a; a.may_start_again();"
        " os.environ.update(word.split('=') for word in sys.argv[1:]);"
        " a._without_tuned_kernels(); print(a.in_use())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *odd.split()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.strip() == in_use
