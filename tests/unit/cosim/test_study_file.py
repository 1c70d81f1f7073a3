"""A study file makes the runs that a plain loop over its fields makes; what cannot be meant is
refused in one line."""

import textwrap
from itertools import product
from pathlib import Path

import pytest
from made_studies import STUDY, write_study

from cosim import cli
from cosim.errors import ConfigError
from cosim.studies.equal import equal_cases
from cosim.studies.study import Study, cases_of, find_study, read_study, ready_names

TIED = """[zip]
    learning.method = ["dmml", "dmml", "local"]
    learning.rounds = [2, 3, 2]
"""
ARMS = "[arms]\n"
SET = '[[set]]\nwhen = {learning.method = "local"}\n'


def test_a_grid_with_seeds_is_every_combination_and_each_has_its_fields(tmp_path: Path) -> None:
    cases = cases_of(read_study(write_study(tmp_path)))
    found = {
        (case.config.learning.learning_rate, case.config.learning.method, case.config.seed)
        for case in cases
        if case.config
    }
    assert found == set(product((0.05, 0.2), ("dmml", "local"), (1, 2)))
    assert len({case.name for case in cases}) == len(cases) == 8
    assert all(case.config and case.config.network.kind == "ideal" for case in cases)
    assert all(name == Path(name).name and len(name) < 120 for name in (c.name for c in cases))


def test_zip_goes_in_step_cases_are_added_to_each_and_excluded_ones_left_out(
    tmp_path: Path,
) -> None:
    text = """
        [fixed]
        network.kind = "ideal"
        learning.dataset = "made"
        [grid]
        learning.rounds = [1, 2]
        [zip]
        learning.batch_size = [8, 16]
        learning.learning_rate = [0.1, 0.2]
        [[case]]
        learning.method = "dmml"
        [[case]]
        learning.method = "fedprox"
        learning.method_options = { proximal_weight = 0.5 }
        [[exclude]]
        learning.rounds = 2
        learning.method = "dmml"
        [seeds]
        list = [3, 5]
    """
    expected = {
        (rounds, batch, method, seed)
        for rounds, (batch, _), method, seed in product(
            (1, 2), ((8, 0.1), (16, 0.2)), ("dmml", "fedprox"), (3, 5)
        )
        if (rounds, method) != (2, "dmml")
    }
    configs = [case.config for case in cases_of(read_study(write_study(tmp_path, text)))]
    found = {
        (c.learning.rounds, c.learning.batch_size, c.learning.method, c.seed) for c in configs if c
    }
    assert found == expected
    for config in configs:
        assert config is not None
        options = config.learning.method_options
        assert options == ({"proximal_weight": 0.5} if config.learning.method == "fedprox" else {})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("learning.learning_rate = [0.05", "learning.lerning_rate = [0.05", "did you mean"),
        ("[0.05, 0.2]", "[]", "at least one value"),
        ("[grid]", "[zip]\nlearning.batch_size = [1]\n[grid]", None),
        ("[grid]", "[zip]\na = 1\n[grid]", "list"),
        ("[grid]", "[zip]\nlearning.rounds = [1, 2]\nlearning.batch_size = [4]\n[grid]", "length"),
        ("[grid]", "[zip]\nlearning.method = ['local']\n[grid]", "in both"),
        ("[figure]", "[figur]", "unknown key"),
        ('x = "learning.learning_rate"', 'x = "learning.rounds"', "expected a swept field"),
        ("count = 2", "count = 0", "greater than or equal"),
        ("[grid]", "[grid]\nseed = [1, 2]", "expected in [seeds]"),
        ("[fixed]", "[fixed", "expected TOML"),
        ("[0.05, 0.2]", "[1, 1.0]", "expected each value once"),
        ("count = 2", "list = [1, 2, 2]", "expected each value once"),
        ("[seeds]", '[[case]]\nlearning.method = "dmml"\n[seeds]', "[[case]] and [grid]"),
        ('against = "local"', 'against = "locl"', "expected a value of learning.method"),
        ('against = "local"', 'against = { dmml = "locl" }', "expected a value of learning.method"),
        ('against = "local"', 'against = { dmml = "dmml" }', "another value for dmml, got itself"),
        ('against = "local"', "against = {}", "got an empty table"),
        ('against = "local"', 'against = { dmml = "local" }', None),
        ('against = "local"', 'against = "local"\ny = ["acuracy"]', "did you mean"),
        ('learning.method = ["dmml", "local"]', TIED, "got 2 for dmml; vary it in [grid]"),
        ("[seeds]", '[slurm]\nt = "1:00"\n[seeds]', "long names"),
        ("count = 2", "count = 2\nfields.learning.fld = [1]", "did you mean learning.fold"),
        ("count = 2", "count = 2\nfields.learning.fold = []", "got an empty list"),
        ("count = 2", "count = 2\nfields.learning.fold = [1]", "each of 2 seeds, got 1"),
        ("count = 2", "count = 2\nfields.learning.method = ['dmml', 'local']", "and elsewhere"),
        ("[seeds]", ARMS + "a = {learning.batch_size = 8}\nb = {}\n[seeds]", None),
        ("[seeds]", ARMS + "a = {learning.batchsize = 8}\n[seeds]", "unknown field"),
        ("[seeds]", ARMS + "a = {learning.learning_rate = 0.1}\n[seeds]", "and elsewhere"),
        ("[grid]", "[grid]\narm = ['a', 'b']", "unknown field arm"),
        ("[seeds]", SET + "fields = {learning.batch_size = 8}\n[seeds]", None),
        ("[seeds]", SET + "fields = {learning.batchsize = 8}\n[seeds]", "unknown field"),
        ("[seeds]", SET + "fields = {learning.learning_rate = 0.1}\n[seeds]", "and elsewhere"),
        ("[seeds]", SET + "fields = {}\n[seeds]", "expected fields, got none"),
        ("[seeds]", SET.replace("local", "loc") + "fields = {seed = 1}\n[seeds]", "[seeds]"),
        ("[seeds]", SET.replace("local", "lo") + "fields = {learning.fold = 1}\n[seeds]", "agree"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    said: str | None,
) -> None:
    assert old in STUDY
    path = write_study(tmp_path, **{old: new})
    if said is None:
        assert cases_of(read_study(path))
        return
    assert cli.main(["sweep", str(path), "--results", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "out").exists()


def test_what_goes_with_a_seed_or_an_arm_is_in_its_runs_alone_and_is_not_swept(
    tmp_path: Path,
) -> None:
    seeds = "count = 3\nfields.learning.fold = [4, 2, 0]\n[[set]]\n"
    setting = """
        when = { learning.method = "dmml", learning.fold = 2 }
        fields = { learning.batch_size = 8 }
        [[set]]
        when = { learning.method = "local" }
        fields = { learning.batch_size = 4 }
    """
    text = STUDY.replace('dataset = "made"', 'dataset = "watch"').replace(
        "iteration.max_iterations = 2", "learning.batch_size = 16"
    )
    path = write_study(tmp_path, text, **{"count = 2": seeds + setting})
    study = read_study(path)
    assert study.swept == ("learning.learning_rate", "learning.method")
    for case in cases_of(study):
        assert case.config is not None, case.refused
        learning = case.config.learning
        fold = {1: 4, 2: 2, 3: 0}[case.seed]
        batch = 4 if learning.method == "local" else 8 if fold == 2 else 16
        assert (learning.fold, learning.batch_size) == (fold, batch)
        assert case.values["learning.fold"] == fold
        assert case.values.get("learning.batch_size", 16) == batch


def test_an_arm_is_a_name_for_fields_that_replace_those_of_all_runs(tmp_path: Path) -> None:
    arms = """
        [arms]
        "as it is" = {}
        small = { learning.batch_size = 4, network.num_devices = 2 }
        [seeds]
    """
    study = read_study(write_study(tmp_path, **{"[seeds]": arms}))
    assert study.swept == ("arm", "learning.learning_rate", "learning.method")
    cases = cases_of(study)
    assert len(cases) == 2 * 2 * 2 * 2
    for case in cases:
        assert case.config is not None, case.refused
        is_small = case.values["arm"] == "small"
        assert case.config.network.num_devices == (2 if is_small else 3)
        assert (case.config.learning.batch_size == 4) == is_small
    # The quick size of a study keeps its arms.
    quick = '[quick]\ngrid = { "learning.method" = ["local"] }\n'
    text = STUDY.replace("[compare]\n", "").replace('field = "learning.method"\n', "")
    text = textwrap.dedent(text.replace('against = "local"\n', "")).replace("lines =", "# lines =")
    path = write_study(tmp_path, text.replace("x =", "# x =") + quick, **{"[seeds]": arms})
    assert len(cases_of(read_study(path, quick=True))) == 2 * 2


def test_files_of_ones_own_count_from_the_folder_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("from learning.methods.dmml import METHOD\n")
    path = write_study(tmp_path, **{'"local"]': '"mine.py"]', '"local"': '"dmml"'})
    names = []
    for where in (tmp_path, tmp_path.parent):
        monkeypatch.chdir(where)
        cases = cases_of(read_study(path), path.parent)
        assert [case.refused for case in cases if case.refused] == []
        names.append([case.name for case in cases])
    assert names[0] == names[1]


def test_more_runs_than_anybody_means_need_a_yes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_study(tmp_path, **{"count = 2": "count = 10000"})
    assert cli.main(["sweep", str(path), "--results", str(tmp_path / "out")]) == 2
    assert "got 40000; give --yes" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_root_that_cannot_be_written_is_one_line_that_names_the_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    path = write_study(tmp_path)
    assert cli.main(["sweep", str(path), "--results", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --results: expected a folder that can be written")
    assert line.endswith("choose another with --results DIR")


def test_what_is_zipped_or_a_case_goes_with_its_partners_and_the_rest_varies_beside_it() -> None:
    study = Study(
        grid={"a": [1]}, zip={"b": [1], "c": [2]}, case=[{"d": 1, "e": 1}, {"d": 2, "e": 1}]
    )
    assert study.swept == ("a", "b", "c", "d", "e")
    assert study.beside("a") == ("b", "c", "d", "e")
    assert study.beside("b") == study.beside("c") == ("a", "d", "e")
    assert study.beside("e") == ("a", "b", "c")


def test_runs_that_differ_in_nothing_that_matters_are_named_as_equal(tmp_path: Path) -> None:
    text = STUDY.replace("learning.learning_rate = [0.05, 0.2]", "network.mesh_root = [0, 1]")
    text = text.replace('x = "learning.learning_rate"', 'x = "network.mesh_root"')
    cases = cases_of(read_study(write_study(tmp_path, text)))
    groups = equal_cases(cases)
    assert len(groups) == 4
    for first, second in groups:
        assert first.split("mesh_root=")[1][1:-8] == second.split("mesh_root=")[1][1:-8]
    assert equal_cases(cases_of(read_study(write_study(tmp_path)))) == []


def test_every_ready_study_is_understood_in_both_sizes_and_refuses_no_run() -> None:
    for name in ready_names():
        for quick in (False, True):
            study = read_study(find_study(name), quick)
            cases = cases_of(study)
            assert [case.refused for case in cases if case.refused] == [], name
            assert study.question, name
            assert equal_cases(cases) == [], name
        assert len(cases) <= 16, (name, "the quick size takes minutes")
    with pytest.raises(ConfigError, match="expected a TOML file or one of"):
        find_study("no_such_study")
