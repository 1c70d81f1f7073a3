"""What a run is known by: its configuration, its code, and the files of the user that it reads."""

from pathlib import Path

import pytest
from made_config import make_config

from cosim.config.assemble import make_learner
from cosim.config.sources import load
from cosim.records import code_version, origin
from cosim.records import folder as recording
from cosim.records.folder import RunFolder
from cosim.records.origin import run_id
from learning.data.samples import MultiModalData


def made_data() -> MultiModalData:
    return make_learner(load(["--learning.dataset=made"], None, None))[0]


def test_the_run_id_changes_with_every_field_and_only_with_them() -> None:
    configs = [
        make_config(),
        make_config("--seed=2"),
        make_config("--network.tx_power_dbm=15"),
        make_config("--learning.rounds=3"),
        make_config("--iteration.rule=uniform"),
    ]
    assert len({run_id(config) for config in configs}) == len(configs)
    assert run_id(make_config()) == run_id(configs[0])
    assert recording.default_folder(configs[0]).name == f"mesh80211-{run_id(configs[0])}"


def test_the_run_id_changes_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_id(make_config())
    monkeypatch.setattr(origin, "code_version", lambda: "another")
    assert run_id(make_config()) != before


@pytest.mark.parametrize("field", ["method", "model"])
def test_a_method_or_model_of_ones_own_is_part_of_the_run_and_of_its_id(
    tmp_path: Path, field: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text("METHOD = 1\n")
    config = make_config(f"--learning.{field}={file}")
    first = run_id(config)
    folder = RunFolder(tmp_path / "out", config, made_data())
    assert (folder.path / "mine.py").read_text() == "METHOD = 1\n"
    file.write_text("METHOD = 2\n")
    assert run_id(config) != first


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("energy.device_file", "battery_j\n1\n"),
        ("energy.harvest_file", "time_s,harvest_power_w\n0,0.5\n"),
        ("learning.modality_file", "acc,gyro\n1,1\n"),
        ("network.placement_file", "x_m,y_m,z_m\n0,0,1\n"),
        ("network.loss_trace", "time_s,i,j,loss_db\n0,0,1,60\n"),
    ],
)
def test_a_table_that_a_run_reads_is_kept_and_part_of_its_id(
    tmp_path: Path, field: str, text: str
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(text)
    pattern = ("--learning.modality_pattern=table",) if field == "learning.modality_file" else ()
    config = make_config(f"--{field}={file}", *pattern)
    first = run_id(config)
    folder = RunFolder(tmp_path / "out", config, made_data())
    assert (folder.path / "mine.csv").read_text() == text
    file.write_text(text + "\n")
    assert run_id(config) != first
    file.unlink()  # its reader says so in one line
    assert len(run_id(config)) == 10


def test_two_files_of_one_name_are_both_kept(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(folder)
    config = load(
        [f"--scenario={tmp_path}/a/mine.py", f"--learning.method={tmp_path}/b/mine.py"],
        None,
        f"{tmp_path}/a/mine.py",
    )
    path = RunFolder(tmp_path / "out", config, made_data()).path
    assert [(path / name).read_text() for name in ("mine.py", "2-mine.py")] == ["a", "b"]


def test_a_table_named_like_one_of_the_results_is_kept_beside_it(tmp_path: Path) -> None:
    (tmp_path / "rounds.parquet").write_text("battery_j\n1\n")
    config = make_config(f"--energy.device_file={tmp_path / 'rounds.parquet'}")
    path = RunFolder(tmp_path / "out", config, made_data()).path
    assert (path / "2-rounds.parquet").read_text() == "battery_j\n1\n"
    assert not (path / "rounds.parquet").exists()


def test_only_code_that_can_change_a_number_names_a_run(tmp_path: Path) -> None:
    for package in ("cosim", "learning", "ns3_scenarios"):
        (tmp_path / package / "report").mkdir(parents=True)
        (tmp_path / package / "part.py").write_text("x = 1")
    caption = tmp_path / "cosim" / "report" / "page.py"
    caption.write_text("a caption")
    before = code_version.code_version(tmp_path), code_version.source_version(tmp_path)
    caption.write_text("another caption")
    after = code_version.code_version(tmp_path), code_version.source_version(tmp_path)
    assert after[0] == before[0]
    assert after[1] != before[1]
    for part in ("cosim/part.py", "learning/report/new.py", "ns3_scenarios/part.py"):
        (tmp_path / part).write_text(f"of {part}")
        changed = code_version.code_version(tmp_path)
        assert changed not in (before[0], after[0]), part
        after = changed, ""
    assert all((code_version.ROOT / each).exists() for each in code_version.SHOWS)


def test_the_run_id_changes_with_the_bytes_of_a_data_set_that_is_read_from_a_path(
    tmp_path: Path,
) -> None:
    (tmp_path / "mfeat").mkdir()
    (tmp_path / "mfeat" / "mfeat-fou").write_text("1 2")
    words = ("--learning.dataset=mfeat_digits", f"--learning.data_path={tmp_path / 'mfeat'}")
    before = run_id(make_config(*words))
    assert run_id(make_config(*words)) == before
    (tmp_path / "mfeat" / "mfeat-fou").write_text("1 3")
    assert run_id(make_config(*words)) != before
