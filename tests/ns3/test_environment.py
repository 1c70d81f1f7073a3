"""Nothing of the user's environment changes what is loaded, or the files that were built."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ns3_scenarios
from ns3_scenarios.installation import checksum, native_build

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]

# The metric of test_paths.py, by hand: it takes the header to know it and the library to run it.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from ns3_scenarios.session import load_ns3
native = load_ns3().cosim_native
print(native.AirtimeUnits(native.Band(20e6, 0.0, 7.3e6, 121.9e6), 6.0, 0.0))
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with its built files, which other tests do not use."""
    if not native_build(".pch").exists():
        pytest.skip("python -m ns3_scenarios.precompile has built nothing")
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(Path(ns3_scenarios.__file__).parent, root / "ns3_scenarios")
    return root


def load_in(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root)],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        env=os.environ | environment,
    )


def header_in(root: Path) -> Path:
    return root / "ns3_scenarios" / "native" / "built" / native_build(".pch").name


def test_a_header_that_is_older_than_the_package_of_cppyy_is_used_and_left_alone(
    copied: Path,
) -> None:
    header = header_in(copied)
    os.utime(header, (1_577_836_800, 1_577_836_800))  # 2020-01-01
    before = (checksum(header), header.stat().st_mtime, header.stat().st_ino)
    done = load_in(copied)
    assert done.stdout.split()[-1] == "58", done.stderr
    assert (checksum(header), header.stat().st_mtime, header.stat().st_ino) == before


def test_a_foreign_environment_changes_nothing(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "libns3.44-core.so").write_text("not a library")
    (tmp_path / "cmath").write_text("#error theirs")
    foreign = {
        "CLING_STANDARD_PCH": str(tmp_path / "theirs.pch"),
        "CLING_REBUILD_PCH": "1",
        "EXTRA_CLING_ARGS": "-std=c++11 -DNULL=theirs",
        "CPPYY_BACKEND_LIBRARY": "theirs",
        "CPLUS_INCLUDE_PATH": str(tmp_path),
        "LD_LIBRARY_PATH": str(tmp_path),
        "ROOTSYS": str(tmp_path),
        "HOME": str(tmp_path / "nowhere"),
        "TMPDIR": str(tmp_path / "nowhere"),
    }
    before = checksum(header_in(copied))
    done = load_in(copied, **foreign)
    assert done.stdout.split()[-1] == "58", done.stderr
    assert checksum(header_in(copied)) == before
    assert not (tmp_path / "theirs.pch").exists()


def test_a_built_file_that_is_cut_short_is_refused_in_words(copied: Path) -> None:
    library = header_in(copied).with_suffix(".so")
    whole = library.read_bytes()
    library.write_bytes(whole[: len(whole) // 2])
    done = load_in(copied)
    library.write_bytes(whole)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "as it was built, found it cut short or changed; build it again with" in last
