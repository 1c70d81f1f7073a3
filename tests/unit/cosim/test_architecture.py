"""The two sides know neither each other nor the co-simulator; ns-3 stays behind one file."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("learning", {"cosim", "ns3_scenarios"}), ("ns3_scenarios", {"cosim", "learning", "torch"})],
)
def test_a_side_imports_neither_the_other_nor_the_co_simulator(
    package: str, forbidden: set[str]
) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert len(files) > 5
    for path in files:
        assert forbidden.isdisjoint(imports(path)), path


def test_only_the_session_imports_cppyy() -> None:
    users = [
        path.name
        for package in ("cosim", "learning", "ns3_scenarios")
        for path in (ROOT / package).rglob("*.py")
        if {"cppyy", "libcppyy", "ns", "ns3"} & set(imports(path))
    ]
    assert users == ["session.py"]


@pytest.mark.e2e
def test_a_benchmark_finds_all_that_it_imports() -> None:
    scripts = sorted(str(path) for path in (ROOT / "tests" / "benchmarks").glob("*.py"))
    assert len(scripts) > 10
    # Each in a fork, with the modules that all need loaded once.
    code = f"""
import os, runpy, sys
import cosim.runs.execute, hypothesis
sys.path[0] = {str(ROOT / "tests" / "benchmarks")!r}
for script in {scripts!r}:
    if os.fork() == 0:
        try:
            runpy.run_path(script, run_name="imported")
        except BaseException as error:
            print(script, repr(error), flush=True)
        os._exit(0)
    os.wait()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
