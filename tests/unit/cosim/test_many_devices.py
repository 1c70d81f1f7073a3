"""More than a hundred devices: pairs that have nothing to do with each other leave no row."""

from pathlib import Path

import numpy as np
import pytest
from cut_runs import assert_same_run, cut_short

from cosim import cli
from cosim.records.parquet import read_table
from cosim.runs import endings

DEVICES, SPACING_M = 101, 30
FLAGS = (
    *("--scenario=adhoc80211", "--network.kind=analytic", "--network.placement=line"),
    *(f"--network.num_devices={DEVICES}", f"--network.spacing_m={SPACING_M}"),
    *("--network.neighbour_distance_m=61", "--learning.method=none", "--learning.rounds=3"),
    "--learning.message_bytes=5000",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many") / "run"
    with endings.put_back():
        assert cli.main([*FLAGS, "--no-figures", "--output", str(folder)]) == 0
    return folder


def test_links_are_of_pairs_that_have_something_to_tell(run: Path) -> None:
    links = read_table(run / "links.parquet")
    # On a line, each has those one and two places away.
    near = {(i, j) for i in range(DEVICES) for j in range(DEVICES) if 1 <= abs(i - j) <= 2}
    for _, table in links.groupby("round"):
        assert set(zip(table["src"], table["dst"], strict=True)) == near


def test_a_run_of_a_hundred_devices_has_a_row_for_each_pair(tmp_path: Path) -> None:
    flags = (*FLAGS, "--network.num_devices=100", "--learning.rounds=1", "--no-figures")
    assert cli.main([*flags, "--output", str(tmp_path / "run")]) == 0
    assert len(read_table(tmp_path / "run" / "links.parquet")) == 100 * 99


def test_many_devices_go_on_where_they_were_cut_short(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(tmp_path / "cut", (*FLAGS, "--no-figures"), 1, monkeypatch)
    assert cli.main(["resume", str(tmp_path / "cut")]) == 0
    assert_same_run(run, tmp_path / "cut")
    delivered = read_table(run / "rounds.parquet")["delivered_bytes"]
    pairs = 2 * (DEVICES - 1 + DEVICES - 2)
    np.testing.assert_array_equal(delivered, pairs * 5000)
