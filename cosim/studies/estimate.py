"""How long the runs of a study take: by those that are finished, or by a trial."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cosim.config.model import RunConfig
from cosim.config.sources import configure, to_toml
from cosim.errors import OutputError
from cosim.failures import FINISHED
from cosim.files import one_line
from cosim.program import COMMAND
from cosim.studies.folder import StudyFolder
from cosim.studies.study import Case

TRIALS = (1, 3)  # rounds


def by_finished(folder: StudyFolder, count: int) -> float | None:
    """Return the seconds of so many runs one after the other, each as the mean of the finished.

    None where none is finished.
    """
    seconds = [
        each["seconds"]
        for name in folder.expected()["case"]
        for each in folder.attempts(str(name))
        if each["rc"] == FINISHED
    ]
    return count * sum(seconds) / len(seconds) if seconds else None


def by_trial(cases: Sequence[Case]) -> float:
    """Return the seconds that these runs take one after the other, by trials of the first.

    A run of one round and one of three say what a round takes, and what a run takes besides. Leaves
    out that other runs may have more devices, data or iterations. Raises OutputError where a trial
    fails.
    """
    configs = [case.config for case in cases if case.config is not None]
    short_s, long_s = (_seconds(configs[0], rounds) for rounds in TRIALS)
    round_s = max(long_s - short_s, 0.0) / (TRIALS[1] - TRIALS[0])
    beside_s = short_s - TRIALS[0] * round_s
    return sum(beside_s + config.learning.rounds * round_s for config in configs)


def _seconds(config: RunConfig, rounds: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "trial.toml"
        file.write_text(to_toml(configure(config, {"learning.rounds": rounds})), encoding="utf-8")
        words = [*COMMAND, "--config", str(file), "--output", str(Path(name) / "run")]
        started = time.perf_counter()
        done = subprocess.run(
            [*words, "--no-figures"], capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode != FINISHED:
            said = one_line((done.stderr.splitlines() or ["nothing"])[-1])
            raise OutputError(
                f"--trial: expected a finished run, got exit code {done.returncode}"
                f" ({said}); try the first run by itself"
            )
        return time.perf_counter() - started
