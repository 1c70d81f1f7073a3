"""What ns-3 reported once is enough for any machine: no ns-3 there, the same bytes."""

import os
from pathlib import Path

import pandas as pd
import pytest
from script import TABLES, assert_refused, run_script

from cosim.records.manifest import read_manifest

pytestmark = [pytest.mark.e2e, pytest.mark.ns3, pytest.mark.timeout(300)]

SMALL = ("--network.num_devices=4", "--learning.dataset=made", "--learning.rounds=3")
SMALL += ("--iteration.max_iterations=4", "--no-figures")
# Python runs this file before any other: the packages of ns-3 are neither there nor to be imported.
ABSENT = """
import sys
from importlib import metadata

NAMES = ("ns3", "cppyy", "cppyy_backend", "cppyy_cling", "cppyy-cling", "CPyCppyy")
_distribution, _version = metadata.distribution, metadata.version


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def of(found):
    def look(name):
        if name in NAMES:
            raise metadata.PackageNotFoundError(name)
        return found(name)

    return look


sys.meta_path.insert(0, Absent())
metadata.distribution, metadata.version = of(_distribution), of(_version)
"""


@pytest.fixture(scope="module")
def without_ns3(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the wheel of ns-3 is missing."""
    folder = tmp_path_factory.mktemp("absent")
    (folder / "sitecustomize.py").write_text(ABSENT, encoding="utf-8")
    return os.environ | {"PYTHONPATH": str(folder)}


def replay(folder: Path, run: str, *more: str, environment: dict[str, str]) -> None:
    words = ("--config", f"{run}/config.toml", "--network.kind", "replay", "--network.replay", run)
    done = run_script(
        folder, *words, *more, "--no-figures", "--output", "again", environment=environment
    )
    assert done.returncode == 0, done.stderr
    for name in (*TABLES, "partition"):
        one, other = (folder / each / f"{name}.parquet" for each in (run, "again"))
        assert one.read_bytes() == other.read_bytes(), name


@pytest.mark.parametrize(
    "flags",
    [
        # A mesh that is too slow for its messages, whose rests follow; in the third round all die.
        (
            *("--scenario=mesh80211", "--network.rate_manager=constant", "--network.mcs=0"),
            *("--network.interferers=2", "--network.interference_mbps=4"),
            *("--network.round_period_s=2", "--energy.battery_j=4.5"),
            *("--learning.feature_dim=512", "--learning.late_weight=0.5"),
        ),
        # Powers and neighbours of a policy's choice.
        ("--scenario=adhoc80211", "--policy=power_control", "--energy.radio_profile=esp32_s2"),
        ("--scenario=adhoc80211", "--policy=random_codec"),
        # Datagrams sent once, most of whose messages come in part.
        (
            *("--scenario=adhoc80211", "--network.transport=udp", "--network.fading=nakagami"),
            *("--network.nakagami_m=0.5", "--network.tx_power_dbm=3", "--network.spacing_m=32"),
        ),
        ("--scenario=adhoc80211", "--network.transport=broadcast", "--network.broadcast_mcs=7"),
        # Devices that move, sleep, die and come back to life.
        (
            *("--scenario=d2d", "--network.disc_radius_m=30", "--network.round_period_s=4"),
            *("--energy.radio_sleep", "--energy.battery_j=2", "--energy.reserve_j=0"),
            *("--energy.harvest_power_w=0.5", "--energy.revival_j=0.5"),
        ),
    ],
    ids=["mesh", "power", "codecs", "udp", "broadcast", "d2d"],
)
def test_a_run_of_ns3_is_replayed_byte_by_byte_where_there_is_no_ns3(
    tmp_path: Path, without_ns3: dict[str, str], flags: tuple[str, ...]
) -> None:
    live = run_script(tmp_path, *SMALL, *flags, "--output", "run")
    assert live.returncode == 0, live.stderr
    replay(tmp_path, "run", environment=without_ns3)
    said = read_manifest(tmp_path / "again")
    assert (said.network_kind, said.versions["ns3"]) == ("replay", "absent")
    assert (
        said.files_sha256["rounds.parquet"]
        == (read_manifest(tmp_path / "run").files_sha256["rounds.parquet"])
    )
    assert said.timings["ns3_s"] < 0.1 * read_manifest(tmp_path / "run").timings["ns3_s"]
    flows = pd.read_parquet(tmp_path / "run" / "flows.parquet")
    some = (flows["arrived_chunks"] > 0) & (flows["arrived_chunks"] < flows["chunks"])
    assert ((flows["chunk_map"] != "") == some).all()
    if "--learning.late_weight=0.5" in flags:
        assert some.any()
        assert flows["is_rest"].any()
        assert {"late", "dead"} < set(flows["outcome"])
    if "--network.transport=udp" in flags:
        assert some.any()
    devices = pd.read_parquet(tmp_path / "run" / "devices.parquet")
    assert devices["revived_at_s"].notna().any() == ("--energy.revival_j=0.5" in flags)


def test_there_is_no_ns3_where_these_are_replayed(
    tmp_path: Path, without_ns3: dict[str, str]
) -> None:
    done = run_script(tmp_path, *SMALL, "--output", "no", environment=without_ns3)
    assert_refused(done, "expected the Python package ns3")


def test_a_rerun_of_ns3_comes_out_the_same(tmp_path: Path) -> None:
    live = run_script(tmp_path, *SMALL, "--output", "run")
    assert live.returncode == 0, live.stderr
    again = run_script(tmp_path, "verify", "run", "--rerun")
    assert again.returncode == 0, again.stdout
    assert "7 of 7 tables come out the same" in again.stdout


def test_measured_links_drive_a_run(tmp_path: Path, without_ns3: dict[str, str]) -> None:
    rows = ["time_s,i,j,rate_bps,delay_s,loss"]
    rows += [f"0,{i},{j},2e6,0.02,0.05" for i in range(4) for j in range(4) if i != j]
    rows += ["3.5,0,1,0,0,0"]  # an outage from the second round on
    (tmp_path / "campaign.csv").write_text("\n".join(rows), encoding="utf-8")
    trace = ("--network.kind=trace", "--network.link_trace=campaign.csv")
    done = run_script(tmp_path, *SMALL, *trace, "--output", "run", environment=without_ns3)
    assert done.returncode == 0, done.stderr
    assert "last row begins at 3.5 s, the run may last 9 s" in done.stderr
    flows = pd.read_parquet(tmp_path / "run" / "flows.parquet")
    outage = (flows["round"] == 3) & (flows["src"] == 0) & (flows["dst"] == 1)
    assert set(flows["outcome"][outage]) == {"unreachable"}
    assert set(flows["outcome"][flows["round"] == 1]) == {"delivered"}
    assert (tmp_path / "run" / "campaign.csv").exists()
