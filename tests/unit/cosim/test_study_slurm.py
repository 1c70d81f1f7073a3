"""The script for Slurm: every run of the list in one task, each once, whatever the packing."""

import shlex
from pathlib import Path

import pytest

from cosim.runs import endings
from cosim.studies import slurm
from cosim.studies.folder import StudyFolder
from cosim.studies.study import Slurm

NAMES = [f"run-{i}" for i in range(7)]


@pytest.mark.parametrize(("pack", "tasks"), [(1, 7), (2, 4), (3, 3), (7, 1), (9, 1)])
def test_the_tasks_of_an_array_share_out_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: int, tasks: int
) -> None:
    attempted: list[str] = []
    monkeypatch.setattr(
        slurm.attempts, "attempt", lambda root, name, flags: attempted.append(name) or 0
    )
    text = slurm.script(StudyFolder(tmp_path), NAMES, Slurm(pack=pack, at_once=2))
    assert f"#SBATCH --array=0-{tasks - 1}%2" in text.splitlines()
    (last,) = (line for line in text.splitlines() if line.startswith("exec "))
    words = shlex.split(last)
    listed = Path(words[words.index("sweep") + 1])
    with endings.put_back():
        for task in range(tasks):
            assert slurm.run_task(listed, task, int(words[words.index("--pack") + 1])) == 0
    assert attempted == NAMES


def test_options_are_passed_as_they_stand_over_the_defaults(tmp_path: Path) -> None:
    options = Slurm.model_validate({"time": "2:00:00", "mem_per_cpu": "3G", "exclusive": True})
    lines = slurm.script(StudyFolder(tmp_path), NAMES, options).splitlines()
    assert lines[0] == "#!/bin/bash"
    for line in ("--time=2:00:00", "--mem-per-cpu=3G", "--exclusive", "--requeue"):
        assert lines.count(f"#SBATCH {line}") == 1
    memory = Slurm.model_validate({"mem": "4G", "requeue": False})
    lines = slurm.script(StudyFolder(tmp_path), NAMES, memory).splitlines()
    assert "#SBATCH --mem=4G" in lines
    assert not [line for line in lines if "mem-per-cpu" in line or "requeue" in line]


def test_a_folder_with_a_blank_is_one_word_for_sbatch(tmp_path: Path) -> None:
    folder = tmp_path / "my runs"
    lines = slurm.script(StudyFolder(folder), NAMES, Slurm()).splitlines()
    assert f'#SBATCH --output="{folder}/logs/slurm-%A_%a.out"' in lines
    (last,) = (line for line in lines if line.startswith("exec "))
    assert str(folder / "submissions" / "0001.txt") in shlex.split(last)
