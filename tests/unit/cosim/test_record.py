"""The life of a run folder, and the places where none can be made."""

import hashlib
import json
import os
import platform
import shutil
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cosim.config.assemble import make_learner
from cosim.config.model import RunConfig
from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from cosim.errors import OutputError
from cosim.loop import RoundRecord, run_rounds
from cosim.records import folder as recording
from cosim.records.folder import RunFolder
from cosim.records.layout import TABLES
from cosim.records.manifest import is_complete
from cosim.records.tables import partition_table, to_tables
from cosim.report.presentation import seal
from learning.data.samples import TRAIN, MultiModalData
from learning.learner import Learner
from ns3_scenarios.ideal import IdealNetwork

SMALL = ("--network.num_devices=4", "--network.kind=ideal", "--learning.dataset=made")
FEW = ("--learning.rounds=2", "--learning.batch_size=8", "--learning.feature_dim=8")
# Nobody forwards over the ideal network.
FILLED = tuple(name for name in TABLES if name != "forwarding")
TIMINGS = {"ns3_s": 1.0, "learning_s": 2.0, "total_s": 3.5, "waited_s": 0.5}


def make_config(*flags: str) -> RunConfig:
    plans = ("--iteration.max_iterations=2", "--network.round_period_s=5")
    return load([*SMALL, *FEW, *plans, *flags], None, None)


@dataclass
class Run:
    config: RunConfig
    data: MultiModalData
    learner: Learner
    records: list[RoundRecord]
    tables: list[dict[str, pd.DataFrame]]


@pytest.fixture(scope="module")
def run() -> Run:
    torch.set_num_threads(1)
    config = make_config()
    scenario, (data, learner) = make_scenario(config), make_learner(config)
    records, tables = [], []
    for each in run_rounds(config, scenario, learner, IdealNetwork(scenario)):
        records.append(each)
        tables.append(to_tables(each, scenario, learner))
    return Run(config, data, learner, records, tables)


def fill(folder: RunFolder, run: Run, rounds: int = 2) -> None:
    folder.add_partition(partition_table(run.data, run.learner))
    for tables in run.tables[:rounds]:
        folder.add(tables, run.learner.state(), [])


def contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_run_under_way_lives_in_a_partial_folder_and_not_under_its_name(
    tmp_path: Path, run: Run
) -> None:
    folder = RunFolder(tmp_path / "deep" / "run", run.config, run.data)
    assert folder.path == tmp_path / "deep" / "run.partial"
    assert not (tmp_path / "deep" / "run").exists()
    files = ("config.toml", "manifest.json", "log.txt")
    assert contents(tmp_path) == {f"deep/run.partial/{name}" for name in files}
    manifest = json.loads((folder.path / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["status"], manifest["rounds"]) == ("running", 0)
    assert load([], folder.path / "config.toml", None) == run.config
    assert folder.log.parent == folder.ns3_log.parent == folder.path


def test_each_finished_round_can_be_read_before_the_run_ends(tmp_path: Path, run: Run) -> None:
    folder = RunFolder(tmp_path / "run", run.config, run.data)
    for done in (1, 2):
        folder.add(run.tables[done - 1], run.learner.state(), [])
        assert folder.num_rounds == done
        for name in TABLES:
            parts = sorted((folder.path / "rounds.parts").glob(f"{name}-*.parquet"))
            assert len(parts) == done
            got = set(pd.read_parquet(parts[-1])["round"])
            assert got == ({done} if name in FILLED else set())
        stored = torch.load(folder.path / "checkpoint" / "learner.pt", weights_only=True)
        state = stored["learner"]
        assert stored["rounds"] == done
        mine = run.learner.state()
        assert state.keys() == mine.keys()
        assert all(torch.equal(state[key], mine[key]) for key in mine)


def test_a_finished_run_gets_its_name_and_leaves_nothing_partial(tmp_path: Path, run: Run) -> None:
    folder = RunFolder(tmp_path / "run", run.config, run.data)
    fill(folder, run)
    folder.complete()
    assert not (tmp_path / "run").exists()
    folder.publish()
    assert os.listdir(tmp_path) == ["run"]
    assert folder.path == tmp_path / "run"
    seal(folder.path, {})
    tables = {f"{name}.parquet" for name in TABLES}
    assert contents(tmp_path / "run") == {
        "config.toml",
        "log.txt",
        "manifest.json",
        "checkpoint/learner.pt",
        "partition.parquet",
        *tables,
    }
    assert is_complete(tmp_path / "run")


def test_an_empty_folder_that_the_user_made_is_taken(tmp_path: Path, run: Run) -> None:
    (tmp_path / "run").mkdir()
    folder = RunFolder(tmp_path / "run", run.config, run.data)
    fill(folder, run, 1)
    folder.complete()
    folder.publish()
    assert (tmp_path / "run" / "manifest.json").exists()


def test_tables_come_back_as_they_were_written(tmp_path: Path, run: Run) -> None:
    folder = RunFolder(tmp_path / "run", run.config, run.data)
    fill(folder, run)
    joined = folder.complete()
    for name in TABLES:
        read = pd.read_parquet(folder.path / f"{name}.parquet")
        pd.testing.assert_frame_equal(read, joined[name])
        rows = [row for table in run.tables for row in table[name].to_dict("records")]
        assert len(read) == len(rows)
        assert (len(read) > 0) == (name in FILLED)
        for got, expected in zip(read.to_dict("records"), rows, strict=True):
            assert got.keys() == expected.keys()
            for column, value in expected.items():
                same = got[column] == value or (pd.isna(got[column]) and pd.isna(value))
                assert same, (name, column)


def test_row_counts_and_sums_are_those_of_the_records(run: Run) -> None:
    for record, tables in zip(run.records, run.tables, strict=True):
        assert {name: len(table) for name, table in tables.items()} == {
            "rounds": 1,
            "devices": 4,
            "links": 4 * 3,
            "flows": len(record.traffic.src),
            "forwarding": 0,
            "plans": 4 * (run.config.learning.rounds - record.round_index),
        }
        (row,) = tables["rounds"].to_dict("records")
        assert row["offered_bytes"] == sum(record.traffic.payload_bytes.tolist())
        assert row["compute_j"] == pytest.approx(sum(record.report.energy.compute_j))
        assert row["accuracy_mean"] == pytest.approx(sum(record.evaluation.accuracy) / 4)
        assert row["delivered_messages"] == row["offered_messages"] == len(record.traffic.src)
        for k in range(4):
            sent = sum(
                int(size)
                for src, size in zip(record.traffic.src, record.traffic.payload_bytes, strict=True)
                if src == k
            )
            # Lossless on a square: what a device sends it also receives.
            assert tables["devices"]["sent_bytes"][k] == sent
            assert tables["devices"]["received_bytes"][k] == sent


def test_no_column_holds_wall_time(run: Run) -> None:
    for table in run.tables[0].values():
        assert not {"ns3_s", "learning_s", "wall_s"} & set(table.columns)


def test_the_same_records_written_twice_give_the_same_bytes(tmp_path: Path, run: Run) -> None:
    for name in ("one", "two"):
        folder = RunFolder(tmp_path / name, run.config, run.data)
        fill(folder, run)
        folder.complete()
        folder.publish()
    for name in TABLES:
        one, two = ((tmp_path / run_name / f"{name}.parquet") for run_name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    shorter = RunFolder(tmp_path / "three", run.config, run.data)
    fill(shorter, run, 1)
    shorter.complete()
    first = (tmp_path / "one" / "rounds.parquet").read_bytes()
    assert (shorter.path / "rounds.parquet").read_bytes() != first


def test_the_manifest_hashes_every_file_and_says_how_a_run_ended(tmp_path: Path, run: Run) -> None:
    folder = RunFolder(tmp_path / "run", run.config, run.data)
    fill(folder, run)
    folder.timings |= TIMINGS
    folder.complete()
    folder.publish()
    seal(folder.path, {})
    manifest = json.loads((folder.path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["files_sha256"] == {
        name: hashlib.sha256((folder.path / name).read_bytes()).hexdigest()
        for name in contents(folder.path) - {"manifest.json"}
    }
    text = (folder.path / "config.toml").read_bytes()
    assert manifest["config_sha256"] == hashlib.sha256(text).hexdigest()
    expected = {"status": "complete", "rounds": 2, "network_kind": "ideal", "seed": 1}
    expected |= {"scenario": "mesh80211", "sync": "fixed_period", "RngSeed": 1, "RngRun": 1}
    assert {key: manifest[key] for key in expected} == expected
    assert manifest["timings"] == TIMINGS
    assert manifest["versions"]["python"] == platform.python_version()
    assert manifest["versions"]["torch"] == torch.__version__
    assert manifest["versions"]["numpy"] == np.__version__


def test_a_run_that_ends_early_says_why_and_joins_no_tables(tmp_path: Path, run: Run) -> None:
    folder = RunFolder(tmp_path / "run", run.config, run.data)
    fill(folder, run, 1)
    folder.end("failed", "it broke")
    manifest = json.loads((folder.path / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["status"], manifest["reason"]) == ("failed", "it broke")
    assert not list(folder.path.glob("rounds.parquet"))
    part = pd.read_parquet(folder.path / "rounds.parts" / "flows-000000.parquet")
    pd.testing.assert_frame_equal(part, run.tables[0]["flows"])


def refused(folder: Path, run: Run) -> str:
    """The one line of the refusal; nothing may have changed on the disk."""
    top = folder
    while not top.exists():
        top = top.parent
    root = top.parent
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    with pytest.raises(OutputError) as error:
        RunFolder(folder, run.config, run.data)
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("--output: expected ")
    assert str(folder) in message or str(top) in message
    return message


def test_a_folder_that_holds_a_run_is_refused(tmp_path: Path, run: Run) -> None:
    folder = RunFolder(tmp_path / "run", run.config, run.data)
    fill(folder, run, 1)
    folder.complete()
    folder.publish()
    assert "holds a finished run; choose another" in refused(tmp_path / "run", run)


def test_a_folder_with_other_files_is_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("dear", encoding="utf-8")
    assert "holds other files" in refused(tmp_path / "run", run)


def test_the_remains_of_an_unfinished_run_are_refused_and_kept(tmp_path: Path, run: Run) -> None:
    folder = RunFolder(tmp_path / "run", run.config, run.data)
    fill(folder, run, 1)
    assert "expected no run under way" in refused(tmp_path / "run", run)
    folder.release()
    message = refused(tmp_path / "run", run)
    assert f"got an unfinished run in {tmp_path / 'run.partial'}" in message
    assert f"`run.py resume {tmp_path / 'run'}`" in message


def test_other_files_under_the_name_of_an_unfinished_run_are_refused_and_none_taken(
    tmp_path: Path, run: Run
) -> None:
    (tmp_path / "run.partial").mkdir()
    (tmp_path / "run.partial" / "letter.txt").write_text("dear", encoding="utf-8")
    assert "holds other files than those of a run" in refused(tmp_path / "run", run)
    (tmp_path / "empty.partial").mkdir()
    RunFolder(tmp_path / "empty", run.config, run.data).release()
    assert (tmp_path / "empty.partial" / "manifest.json").exists()


def test_a_name_that_unfinished_runs_have_is_refused(tmp_path: Path, run: Run) -> None:
    message = refused(tmp_path / "run.partial", run)
    assert "expected a name that does not end in .partial" in message


@pytest.mark.parametrize("below", [".", "deep/run"])
def test_a_file_in_the_way_is_refused(tmp_path: Path, run: Run, below: str) -> None:
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    message = refused(file / below, run)
    assert "is a file" in message or "holds other files" in message
    assert file.read_text(encoding="utf-8") == "x"


def test_a_read_only_place_is_refused(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = tmp_path / "locked"
    above.mkdir()
    if os.geteuid() == 0:  # root may write everywhere
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != above)
    else:
        above.chmod(0o555)
    try:
        assert f"({above} is read-only)" in refused(above / "run", run)
    finally:
        above.chmod(0o755)


def test_a_full_disk_is_refused_with_its_megabytes(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 3e6, 3_000_000))
    message = refused(tmp_path / "run", run)
    assert "expected 50 MB of free space, got 3 MB" in message


def test_a_folder_that_cannot_be_made_is_refused_and_nothing_is_left(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def fail_below(self: Path, *args: object, **options: object) -> None:
        if self.name == "checkpoint":
            raise OSError(28, "No space left on device")
        make(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", fail_below)
    with pytest.raises(OutputError, match=r"^--output: [^\n]*\(No space left on device\)[^\n]*$"):
        RunFolder(tmp_path / "run", run.config, run.data)
    assert os.listdir(tmp_path) == []


def test_a_round_that_cannot_be_written_is_told_and_earlier_ones_stay(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "run", run.config, run.data)
    fill(folder, run, 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"^--output: could not write round 2 to [^\n]*$"):
        folder.add(run.tables[1], run.learner.state(), [])
    assert folder.num_rounds == 1
    kept = pd.read_parquet(folder.path / "rounds.parts" / "rounds-000000.parquet")
    pd.testing.assert_frame_equal(kept, run.tables[0]["rounds"])


def test_a_torn_round_is_in_no_table_and_the_manifest_counts_as_many_rounds_as_there_are(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "run", run.config, run.data)
    fill(folder, run, 1)
    write = recording.replace_whole

    def interrupted(path: Path, content: bytes) -> None:
        if path.name.startswith("links-"):  # rounds and devices are written by then
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(recording, "replace_whole", interrupted)
    with pytest.raises(KeyboardInterrupt):
        folder.add(run.tables[1], run.learner.state(), [])
    monkeypatch.undo()
    folder.complete()
    counted = json.loads((folder.path / "manifest.json").read_text(encoding="utf-8"))["rounds"]
    for name in FILLED:
        assert pd.read_parquet(folder.path / f"{name}.parquet")["round"].nunique() == counted == 1


def test_the_partition_says_who_holds_each_recording(tmp_path: Path, run: Run) -> None:
    data, folder = run.data, RunFolder(tmp_path / "run", run.config, run.data)
    folder.add_partition(partition_table(data, run.learner))
    table = pd.read_parquet(folder.path / "partition.parquet")
    assert table["samples"].sum() == (data.split == TRAIN).sum()
    assert table.groupby("recording")["device"].nunique().max() == 1
    for row in table.sample(10, random_state=0).to_dict("records"):
        own = data.recording == row["recording"]
        assert set(data.subject[own]) == {row["subject"]}
        names = np.array(data.class_names)[data.label[own]]
        assert row["samples"] == (names == row["class"]).sum()
        assert row["has_acc"] == run.learner.available[row["device"], 0]
    counts = table.groupby("device")["samples"].sum()
    np.testing.assert_array_equal(counts, run.learner.samples_per_device)
