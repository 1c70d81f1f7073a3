"""A study on somebody else's executor: Dask, on a cluster of this machine."""

import subprocess
import sys
from pathlib import Path

import pytest
from made_studies import STUDY, write_study
from script import SCRIPT, assert_refused, run_script

from cosim.records.layout import JOINED

FACTORY = """
from dask.distributed import Client, LocalCluster

def factory(jobs):
    cluster = LocalCluster(
        n_workers=jobs, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    )
    return Client(cluster).get_executor()
"""


@pytest.mark.studies
def test_a_study_through_dask_has_the_tables_of_one_on_local_cores(tmp_path: Path) -> None:
    text = STUDY.replace("count = 2", "count = 1")
    folders = []
    for where in ("local", "dask"):
        (tmp_path / where).mkdir()
        (tmp_path / where / "on_dask.py").write_text(FACTORY)
        study = write_study(tmp_path / where, text)
        executor = ["--executor", "on_dask:factory"] if where == "dask" else []
        words = ["sweep", str(study), "--results", str(tmp_path / where), "--jobs", "2", *executor]
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *words],
            cwd=tmp_path / where,
            env={"PYTHONPATH": str(tmp_path / where), "PATH": "/usr/bin:/bin", "HOME": "/tmp"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "4 done" in done.stdout
        folders.append(study.with_suffix("") / "cases")
    names = sorted(path.name for path in folders[0].iterdir())
    assert names == sorted(path.name for path in folders[1].iterdir())
    for name in names:
        for table in JOINED:
            one, two = (folder / name / table for folder in folders)
            assert one.read_bytes() == two.read_bytes(), (name, table)


@pytest.mark.e2e
def test_an_executor_that_cannot_be_imported_is_one_line(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    done = run_script(tmp_path, "sweep", str(study), "--executor", "no_such_module:factory")
    assert_refused(done, "expected MODULE:FACTORY")
