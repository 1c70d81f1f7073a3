"""What a study costs beside its runs, and how long it takes to say how one stands.

python tests/benchmarks/study_overhead.py [--runs 60] [--many 5000]

Sweeps that many tiny runs (ideal network, made data, two rounds) on the cores allowed, and prints
the seconds that the engine spent a run beyond the run's own process; then the same command again,
with nothing to do; then `--status` of a study of many runs, all done (the manifest of one of the
tiny runs in the folder of each).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cosim.cores import cores
from cosim.program import COMMAND
from cosim.studies.folder import StudyFolder
from cosim.studies.study import cases_of, read_study

STUDY = """
[fixed]
network.kind = "ideal"
network.num_devices = 2
learning.dataset = "made"
learning.rounds = 2
iteration.max_iterations = 1
[seeds]
count = {runs}
"""


def sweep_s(study: Path, *more: str) -> float:
    """Give the command; return its seconds."""
    started = time.perf_counter()
    words = [*COMMAND, "sweep", str(study), "--results", str(study.parent), *more]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--many", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        study = Path(name) / "tiny.toml"
        study.write_text(STUDY.format(runs=options.runs), encoding="utf-8")
        total_s, again_s = sweep_s(study), sweep_s(study)
        logs = sorted((study.with_suffix("") / "logs").glob("*.jsonl"))
        own_s = sum(json.loads(log.read_text(encoding="utf-8"))["seconds"] for log in logs)
        beside_s = total_s - own_s / cores()
        print(f"{options.runs} runs on {cores()} cores: {total_s:.1f} s")
        print(f"a run: {own_s / len(logs):.2f} s, and {beside_s / len(logs):.3f} s beside it")
        print(f"again, with nothing to do: {again_s:.1f} s")
        manifest = next((study.with_suffix("") / "cases").glob("*/manifest.json")).read_bytes()
        many = study.with_name("many.toml")
        many.write_text(STUDY.format(runs=options.many), encoding="utf-8")
        folder = StudyFolder(many.with_suffix(""))
        cases = cases_of(read_study(many), many.parent)
        folder.write(many, False, cases)
        for case in cases:
            folder.run(case.name).mkdir()
            (folder.run(case.name) / "manifest.json").write_bytes(manifest)
        status_s = [sweep_s(many, "--status") for _ in range(3)]
        print(f"--status of {options.many} runs: {', '.join(f'{s:.1f}' for s in status_s)} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
