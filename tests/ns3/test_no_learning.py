"""The network alone over ns-3: its messages, its joules, and a study of it."""

from pathlib import Path

import pandas as pd
import pytest
from made_studies import write_study
from script import run_script

from cosim.records.columns import COLUMNS, NETWORK, column_of

pytestmark = [pytest.mark.ns3, pytest.mark.e2e, pytest.mark.timeout(300)]

TABLES = ("rounds", "devices", "links", "flows", "forwarding")
SMALL = ("--scenario=mesh80211", "--network.num_devices=4", "--learning.rounds=3", "--no-figures")
NONE = (*SMALL, "--learning.method=none")
IDLE = """
import numpy as np
from cosim.policies.policy import Decision, Policy

POLICY = Policy(lambda view: Decision(iterations=np.zeros(len(view.available), int)), "idle")
"""
STUDY = """
    question = "How does the load matter?"

    [fixed]
    scenario = "adhoc80211"
    network.num_devices = 3
    network.sync = "oracle"
    network.shadowing_sigma_db = 0.0
    learning.rounds = 2
    learning.method = "none"

    [grid]
    learning.message_bytes = [2000, 200000]

    [seeds]
    count = 1

    [figure]
    x = "learning.message_bytes"
    y = ["delivered_share", "delay_median_s", "energy_j", "simulated_s"]
"""


def run(folder: Path, name: str, *words: str) -> dict[str, pd.DataFrame]:
    done = run_script(folder, *words, "--output", name)
    assert done.returncode == 0, done.stderr
    return {each: pd.read_parquet(folder / name / f"{each}.parquet") for each in TABLES}


def test_the_messages_are_those_asked_for_and_the_joules_those_of_a_run_that_learns_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "idle.py").write_text(IDLE, encoding="utf-8")
    learning = ("--learning.method=fedproto", "--learning.dataset=made", "--policy=idle.py")
    learnt = run(tmp_path, "learnt", *SMALL, *learning)
    (length,) = set(learnt["flows"]["payload_bytes"])
    alone = run(tmp_path, "alone", *NONE, f"--learning.message_bytes={length}")
    # Four devices on a grid: 8 ordered pairs of neighbours, in each of 3 rounds.
    flows = alone["flows"]
    assert len(flows) == 24
    assert (flows["payload_bytes"] == length).all()
    assert (flows["delivered_bytes"] == length).all()
    assert (flows["chunks"] == -(-length // 1400)).all()
    assert alone["devices"]["received_bytes"].tolist() == 12 * [2 * length]
    compared = 0
    for name, table in alone.items():
        for column in table:
            found = column_of(name, str(column))
            if found is not None and found.doing == NETWORK and column != "part":
                pd.testing.assert_series_equal(table[column], learnt[name][column])
                compared += 1
    assert compared > len(COLUMNS["devices"])
    assert alone["devices"]["radio_j"].sum() > 0


def test_a_file_of_links_is_sent_as_it_is_over_several_hops(tmp_path: Path) -> None:
    rows = [(0, 3, 30_000, 1), (3, 0, 700, 2), (1, 3, 5_000, 2), (2, 3, 1, 3)]
    text = "".join(f"{','.join(map(str, row))}\n" for row in rows)
    (tmp_path / "given.csv").write_text(f"src,dst,bytes,round\n{text}", encoding="utf-8")
    line = ("--network.placement=line", "--network.shadowing_sigma_db=0")
    found = run(tmp_path, "given", *NONE, *line, "--learning.traffic_file=given.csv")
    flows = found["flows"]
    columns = ["src", "dst", "delivered_bytes", "round"]
    assert sorted(map(tuple, flows[columns].to_numpy())) == sorted(rows)
    assert set(flows["outcome"]) == {"delivered"}
    # Device 3 is 90 m away from device 0, which is heard for some 50 m.
    links = found["links"]
    far = links[(links["src"] == 0) & (links["dst"] == 3) & (links["round"] == 1)].iloc[0]
    assert far["hops"] > 1
    assert far["frames"] == 0


def test_a_study_of_the_load_has_its_figures_and_none_of_accuracy(tmp_path: Path) -> None:
    path = write_study(tmp_path, STUDY)
    done = run_script(tmp_path, "sweep", str(path), "--results", str(tmp_path), "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert "could not be drawn" not in done.stderr
    root = path.with_suffix("")
    asked = {"delivered_share", "delay_median_s", "energy_j", "simulated_s"}
    drawn = {figure.stem for figure in (root / "figures").glob("*.png")}
    assert drawn == asked | {"delay", "energy_by_state"}
    runs = pd.read_csv(root / "runs.csv")
    assert (runs["state"] == "done").all()
    assert runs["accuracy_last"].isna().all()
    # On the line of three devices 4 messages a round, in 2 rounds.
    assert (runs["sent_bytes"] == 8 * runs["learning.message_bytes"]).all()
    small, large = (group for _, group in runs.groupby("learning.message_bytes"))
    for column in ("delay_median_s", "energy_j", "simulated_s"):
        assert large[column].min() > small[column].max()
