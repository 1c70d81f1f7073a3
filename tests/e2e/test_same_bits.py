"""The same answer on every processor: what emulated ones compute is what this one does."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import same_bits

from cosim.arithmetic import lacks

EMULATOR = "qemu-x86_64"
# With AVX2 and FMA and without AVX-512, of both vendors; what this machine has stands beside them.
PROCESSORS = {"AMD": "EPYC", "Intel": "Haswell"}
# What these compute, others of the cases compute too: an emulator takes its time.
COVERED = {
    *("fedgen", "dmml_strong", "single_modality", "fedavg_star", "local", "centralised"),
    *("float16", "local scaling", "thirds of unequal size", "own data", "own method"),
}

pytestmark = [
    pytest.mark.emulated,
    pytest.mark.timeout(3000),  # it takes some 40 times as long as without emulation
    pytest.mark.skipif(not shutil.which(EMULATOR), reason=f"no {EMULATOR}: install qemu-user"),
    pytest.mark.skipif(bool(lacks()), reason="this processor has no portable arithmetic"),
]


def start(emulator: list[str], *names: str) -> subprocess.Popen[str]:
    # A plain interpreter: an emulator cannot follow the link that makes a virtual environment.
    python = str(Path(sys.executable).resolve())
    paths = (str(same_bits.ROOT), sysconfig.get_path("purelib"))
    return subprocess.Popen(
        [*emulator, python, same_bits.__file__, *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )


def outcomes(process: subprocess.Popen[str]) -> dict[str, list[str]]:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return {line.split("\t")[0]: line.split("\t")[1:] for line in out.splitlines()}


def test_every_method_and_exchange_gives_the_same_bytes_on_another_processor() -> None:
    names = [name for name, _ in same_bits.cases()]
    assert set(names) > COVERED
    # Each on one of the two, in turn.
    played = [name for name in names if name not in COVERED]
    of = {name: played[i :: len(PROCESSORS)] for i, name in enumerate(PROCESSORS)}
    emulated = {name: start([EMULATOR, "-cpu", PROCESSORS[name]], *of[name]) for name in of}
    here = outcomes(start([]))
    assert list(here) == names
    # Other cases compute otherwise: a hash of nothing would be equal too.
    assert len({tuple(each) for each in here.values()}) == len(here)
    for name, process in emulated.items():
        there = outcomes(process)
        assert there == {case: here[case] for case in of[name]}, name
