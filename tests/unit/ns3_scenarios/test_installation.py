"""Built files are used only whole, and the user's environment does not reach cppyy."""

import os
from pathlib import Path

import pytest

from ns3_scenarios import installation
from ns3_scenarios.errors import NetworkUnavailableError

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def built(tmp_path: Path) -> Path:
    path = tmp_path / "native.so"
    path.write_bytes(CONTENT)
    noted = tmp_path / ("native.so" + installation.CHECKSUM)
    noted.write_text(installation.checksum(path), encoding="ascii")
    return path


def test_a_checksum_is_the_crc_32_of_the_check_value(tmp_path: Path) -> None:
    path = tmp_path / "digits"
    path.write_bytes(b"123456789")
    assert installation.checksum(path) == "cbf43926"  # the check value of CRC-32


def test_what_was_never_built_is_not_there_and_what_is_whole_is(built: Path) -> None:
    assert installation.is_built(built)
    assert not installation.is_built(built.with_name("other.so"))


@pytest.mark.parametrize(
    "damaged", [CONTENT[:-1], b"", CONTENT + b"\0", CONTENT[:99] + b"\x01" + CONTENT[100:]]
)
def test_a_built_file_that_is_cut_short_or_changed_is_refused(built: Path, damaged: bytes) -> None:
    built.write_bytes(damaged)
    with pytest.raises(NetworkUnavailableError, match=r"cut short or changed; .*precompile"):
        installation.is_built(built)


def test_a_built_file_without_its_checksum_is_refused(built: Path) -> None:
    built.with_name(built.name + installation.CHECKSUM).unlink()
    with pytest.raises(NetworkUnavailableError, match="cut short or changed"):
        installation.is_built(built)


def test_the_compiler_hears_nothing_of_the_users_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    foreign = {
        "CLING_STANDARD_PCH": "/theirs.pch",
        "CLING_REBUILD_PCH": "1",
        "CLING_ENABLE_CUDA": "1",
        "CPPYY_BACKEND_LIBRARY": "theirs.so",
        "EXTRA_CLING_ARGS": "-std=c++11",
        "CPLUS_INCLUDE_PATH": "/theirs",
        "CPATH": "/theirs",
    }
    os.environ.update(foreign)
    before = dict(os.environ)
    installation.clean_environment(Path("/ours.pch"))
    assert os.environ["CLING_STANDARD_PCH"] == "/ours.pch"
    assert os.environ["CLING_REBUILD_PCH"] == "0"
    assert not set(os.environ.values()) & {"/theirs", "/theirs.pch", "theirs.so", "-std=c++11"}
    kept = {name: value for name, value in before.items() if name not in foreign}
    assert kept.items() <= os.environ.items()


@pytest.mark.parametrize("name", ["NS_GLOBAL_VALUE", "NS_ATTRIBUTE_DEFAULT"])
def test_a_variable_that_changes_the_simulation_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "RngRun=7")
    with pytest.raises(NetworkUnavailableError, match=f"{name}: expected no such variable"):
        installation.check_installation()
