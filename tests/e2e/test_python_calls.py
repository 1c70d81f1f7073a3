"""Python that a user writes, run as it stands: the notebook, and the README's lines."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.e2e


def run_python(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_notebook_runs_in_another_folder_in_portable_arithmetic(tmp_path: Path) -> None:
    notebook = json.loads((ROOT / "docs" / "first_run.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    assert all(not cell["outputs"] for cell in notebook["cells"] if "outputs" in cell)
    said = run_python("\n".join(cells), tmp_path)
    assert "5 rounds" in said
    folder = tmp_path / "results" / "notebook"
    assert (folder / "accuracy_joules.png").stat().st_size > 5_000
    spent = {}
    for name in ("usual", "weak"):
        manifest = json.loads((folder / name / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["host"]["arithmetic"] == "portable"
        assert manifest["network_kind"] == "ns3"
        spent[name] = pd.read_parquet(folder / name / "devices.parquet")
    assert not spent["usual"].equals(spent["weak"])


def test_the_lines_of_python_in_the_readme_run(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(lines.splitlines()) <= 10
    run_python(lines, tmp_path)
    assert (tmp_path / "results" / "mine" / "report.html").exists()
