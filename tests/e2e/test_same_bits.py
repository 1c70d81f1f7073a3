"""The same answer on every processor: what emulated ones compute is what this one does."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
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


def play(emulator: list[str], names: list[str]) -> dict[str, list[str]]:
    # A plain interpreter: an emulator cannot follow the link that makes a virtual environment.
    command = [*emulator, str(Path(sys.executable).resolve()), same_bits.__file__]
    paths = (str(same_bits.ROOT), sysconfig.get_path("purelib"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done: dict[str, list[str]] = {}
    # qemu 7.2 itself was seen to crash, once in some thirty: cases that it left are played again.
    for may_crash in (bool(emulator), False):
        left = [name for name in names if name not in done]
        played = subprocess.run(
            [*command, *left], check=False, capture_output=True, text=True, env=environment
        )
        done |= {line.split("\t")[0]: line.split("\t")[1:] for line in played.stdout.splitlines()}
        if played.returncode:
            assert (may_crash, played.returncode) == (True, -signal.SIGSEGV), played.stderr
        if len(done) == len(names):
            break
    assert list(done) == names
    return done


def test_every_method_and_exchange_gives_the_same_bytes_on_another_processor() -> None:
    names = [name for name, _ in same_bits.cases()]
    assert set(names) > COVERED
    # Each on one of the two, in turn.
    emulated = [name for name in names if name not in COVERED]
    of = {name: emulated[i :: len(PROCESSORS)] for i, name in enumerate(PROCESSORS)}
    with ThreadPoolExecutor() as pool:
        played = {
            name: pool.submit(play, [EMULATOR, "-cpu", processor], of[name])
            for name, processor in PROCESSORS.items()
        }
        here = play([], names)
    # Other cases compute otherwise: a hash of nothing would be equal too.
    assert len({tuple(each) for each in here.values()}) == len(here)
    for name, there in played.items():
        assert there.result() == {case: here[case] for case in of[name]}, name
