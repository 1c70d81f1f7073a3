"""The folder of a study, which alone says what has been done: no database, no head process.

study.toml          the study as it was read last
cases.csv           every run that is expected, those refused with the reason
configs/NAME.toml   the resolved configuration of a run
cases/NAME          its folder; NAME.partial while it is under way or cut short
logs/NAME.log       what it said; NAME.jsonl: a line an attempt; NAME.beat: it is under way
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from cosim.config.sources import to_toml
from cosim.errors import OutputError
from cosim.failures import BAD_INPUT, FINISHED, INTERRUPTED, UNDER_WAY
from cosim.files import one_line, replace_whole
from cosim.records import paths
from cosim.records.layout import MANIFEST
from cosim.records.manifest import read_manifest
from cosim.studies.study import Case

CASES, CONFIGS, RUNS, LOGS, STUDY = "cases.csv", "configs", "cases", "logs", "study.toml"
ORIGIN = "study.json"
STATES = ("done", "under way", "cut", "failed", "refused", "missing")
State = Literal["done", "under way", "cut", "failed", "refused", "missing"]
# A run that shows no sign of life for so long is dead, where locks do not tell.
LONGEST_SILENCE_S = 600.0
# What a run that was killed or interrupted ends with: a signal is a negative number.
CUT_SHORT = (INTERRUPTED, -1, -2, -9, -15)


@dataclass(frozen=True)
class Status:
    """What became of a run, why if it is not done, and by which version of the code if it is."""

    state: State
    why: str = ""
    code_version: str = ""


class StudyFolder:
    """Owns the paths of a study; the runs in it own theirs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, source: Path, quick: bool, cases: list[Case]) -> list[str]:
        """Write what is expected; return the runs that are there and no longer are.

        source: the study's file; quick: in its small size. Raises OutputError in the folder of the
        study of another file.
        """
        origin = {"file": str(source.resolve()), "quick": quick}
        if self._is_claimed() and self.origin() != origin:
            raise OutputError(
                f"study: expected the folder of {source} in {self.root}, got that of"
                f" {self.origin()['file']}; rename one of the files, or give --results"
            )
        try:
            for name in (CONFIGS, RUNS, LOGS):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            # First, so that another process at the same study finds whose folder it is.
            self.put(self.root / ORIGIN, json.dumps(origin).encode())
            for case in cases:
                if case.config is not None:
                    content = to_toml(case.config).encode()
                    self.put(self.config(case.name), content)
            rows = [
                {"case": case.name, "refused": case.refused, "seed": case.seed} | case.values
                for case in cases
            ]
            self.put(self.root / STUDY, source.read_bytes())
            self.put(self.root / CASES, pd.DataFrame(rows).to_csv(index=False).encode())
        except OSError as error:
            raise paths.cannot_write(self.root, error, "--results") from None
        expected = {case.name for case in cases}
        there = (paths.without_partial(path).name for path in (self.root / RUNS).iterdir())
        return sorted({name for name in there if not name.startswith(".")} - expected)

    def _is_claimed(self) -> bool:
        return (self.root / ORIGIN).exists() or (self.root / CASES).exists()

    def origin(self) -> dict[str, Any]:
        """Return the study's file, and whether it is in its small size."""
        try:
            found: dict[str, Any] = json.loads((self.root / ORIGIN).read_text("utf-8"))
        except (OSError, ValueError):
            found = {"file": "no known file", "quick": False}
        return found

    def put(self, path: Path, content: bytes) -> None:
        """Replace a whole file; of two processes none takes away the other's half."""
        if not path.exists() or path.read_bytes() != content:
            replace_whole(path, content, mark=f".{os.getpid()}")

    def expected(self) -> pd.DataFrame:
        """Read cases.csv."""
        try:
            table = pd.read_csv(self.root / CASES, dtype={"case": str, "refused": str})
        except (OSError, ValueError) as error:
            raise OutputError(
                f"study: expected the folder of a study, got {self.root} without {CASES}"
                f" ({one_line(error)}); run `sweep` first"
            ) from None
        return table.fillna({"refused": ""})

    def config(self, name: str) -> Path:
        """Return the configuration of a run."""
        return self.root / CONFIGS / f"{name}.toml"

    def run(self, name: str) -> Path:
        """Return the final folder of a run."""
        return self.root / RUNS / name

    def log(self, name: str) -> Path:
        """Return what a run said."""
        return self.root / LOGS / f"{name}.log"

    def beat(self, name: str) -> Path:
        """Return the file that is touched while a run is under way."""
        return self.root / LOGS / f"{name}.beat"

    def attempts(self, name: str) -> list[dict[str, Any]]:
        """Return the attempts at a run, the last one last; a torn line counts as none."""
        try:
            lines = (self.root / LOGS / f"{name}.jsonl").read_text("utf-8").splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def add_attempt(self, name: str, **fields: Any) -> None:
        """Append a line."""
        line = json.dumps(fields) + "\n"
        with (self.root / LOGS / f"{name}.jsonl").open("a", encoding="utf-8") as file:
            file.write(line)

    def statuses(self, table: pd.DataFrame) -> list[Status]:
        """Say what became of every run of cases.csv."""
        have_locks = self.have_locks()
        reasons = zip(table["case"], table["refused"], strict=True)
        return [
            Status("refused", why) if why else self._status(name, have_locks)
            for name, why in reasons
        ]

    def _status(self, name: str, have_locks: bool) -> Status:
        final = self.run(name)
        partial = paths.partial_of(final)
        if (final / MANIFEST).exists():
            return _finished(final)
        if self.is_under_way(name, have_locks):
            return Status("under way")
        attempts = [each for each in self.attempts(name) if each["rc"] != UNDER_WAY]
        code = attempts[-1]["rc"] if attempts else FINISHED
        began = (partial / MANIFEST).exists()
        if code == BAD_INPUT and began:  # as a full disk: its finished rounds are good
            return Status("cut", self._last_words(name))
        if code != FINISHED and code not in CUT_SHORT:
            return Status("failed", f"exit code {code}: {self._last_words(name)}")
        return Status("cut" if began else "missing")

    def is_under_way(self, name: str, have_locks: bool) -> bool:
        """Tell whether a run is under way, here or elsewhere."""
        partial = paths.partial_of(self.run(name))
        if have_locks:
            return partial.is_dir() and paths.is_held(partial)
        try:
            return time.time() - self.beat(name).stat().st_mtime < LONGEST_SILENCE_S
        except OSError:
            return False

    def have_locks(self) -> bool:
        """Tell whether the file system of the study has locks."""
        try:
            with (self.root / CASES).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def said(self, name: str) -> list[str]:
        """Return the lines of a run's log, none where there is none."""
        try:
            lines = self.log(name).read_text("utf-8", errors="replace").splitlines()
        except OSError:
            return []
        return [line.strip() for line in lines if line.strip()]

    def _last_words(self, name: str) -> str:
        if not self.log(name).exists():
            return "it left no log"
        said = self.said(name)
        errors = [line for line in said if line.startswith("error: ")]
        return one_line((errors or said or ["nothing was said"])[-1].removeprefix("error: "))


def _finished(folder: Path) -> Status:
    try:
        manifest = read_manifest(folder)
    except OutputError as error:
        return Status("failed", str(error))
    if manifest.status != "complete":
        return Status("failed", f"the final folder holds a run that is {manifest.status}")
    return Status("done", code_version=manifest.code_version)
