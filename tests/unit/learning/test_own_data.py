import runpy
from pathlib import Path

import numpy as np
import pytest
from learning_reference import everything_arrives, make_setup
from pydantic import ValidationError

import learning
from learning.data.catalogue import load
from learning.errors import LearningError
from learning.learner import Learner

EXAMPLE = Path(learning.__file__).parent / "examples" / "own_data.py"


def arrays(**changes):
    """Six samples of two kinds, as an npz holds them."""
    given = {
        "acc": np.ones((6, 3, 32)),
        "heat": np.arange(12.0).reshape(6, 2),
        "label": np.array([0, 1, 0, 1, 0, 1]),
        "subject": np.array([1, 1, 1, 2, 2, 2]),
        "split": np.array([0, 0, 0, 1, 2, 2]),
    }
    return {name: value for name, value in (given | changes).items() if value is not None}


def from_npz(tmp_path, **changes):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays(**changes))
    return load(make_setup(dataset=str(path)))


def from_file(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_text("import numpy as np\n" + text)
    return load(make_setup(dataset=str(path)))


def test_the_example_is_learnt_with_both_of_its_sensors():
    setup = make_setup(dataset=str(EXAMPLE), method="dmml_strong", batch_size=16)
    learner = Learner(setup, load(setup))
    for r in range(12):
        learner.train(r, 4 * learner.available, np.ones(4, bool))
        learner.mix(everything_arrives(learner), np.ones(4, bool))
    scores = learner.evaluate()
    # One sensor leaves two states of four in doubt.
    assert scores.accuracy.min() > 0.9
    assert scores.modality_accuracy.max() < 0.75


def test_an_own_file_gives_the_arrays_that_it_returns():
    given = runpy.run_path(str(EXAMPLE))["load"]()
    data = load(make_setup(dataset=str(EXAMPLE)))
    for m, values in given["modalities"].items():
        np.testing.assert_array_equal(data.modalities[m], values.astype(np.float32))
    names = np.array(data.class_names)
    np.testing.assert_array_equal(names[data.label], given["label"])
    np.testing.assert_array_equal(
        np.array(["train", "validation", "test"])[data.split], given["split"]
    )
    np.testing.assert_array_equal(data.recording, given["recording"])


def test_in_an_npz_all_other_arrays_are_modalities_and_samples_recordings(tmp_path):
    data = from_npz(tmp_path)
    assert {m: x.shape for m, x in data.modalities.items()} == {"acc": (6, 3, 32), "heat": (6, 2)}
    assert data.recording.tolist() == list(range(6))
    assert data.class_names == ("class_0", "class_1")
    assert data.split.tolist() == [0, 0, 0, 1, 2, 2]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"label": None}, "mine.npz: expected modalities, label, subject, split, got no label"),
        ({"heat": np.ones((5, 2))}, "array heat: expected 6 samples, got 5"),
        ({"subject": np.arange(5)}, "array subject: expected 6 samples, got 5"),
        ({"heat": np.full((6, 2), np.nan)}, "modality heat: expected finite values, got NaN"),
        ({"heat": np.ones(6)}, "modality heat: expected float32"),
        ({"heat": np.ones((6, 0))}, "modality heat: expected float32"),
        ({"heat": np.array(["hot"] * 6)}, "modality heat: expected numbers, got <U3"),
        ({"acc": None, "heat": None}, "modalities: expected at least one array by name, got none"),
        ({"label": np.zeros(6, int)}, "label: expected at least two classes to train on"),
        ({"label": np.ones(6)}, "label: expected whole numbers"),
        ({"split": np.zeros(6, int)}, "split: expected int8 with 0"),
        ({"split": np.array(["train"] * 5 + ["tset"])}, "split: expected train | validation"),
        ({"class_names": np.array(["only"])}, r"label: expected 0..0, got 0..1"),
        (
            {"class_names": np.array(["a", "a"])},
            "class_names: expected different names, got a twice",
        ),
        ({"class_names": np.array("ab")}, "class_names: expected C different names, got <U2 ()"),
        ({"split": np.array([0, 0, 256, 0, 2, 2])}, "split: expected train | validation | test"),
        ({"split": np.array([["train"], ["test"]])}, "split: expected whole numbers (N,), got <U5"),
        ({"recording": np.array([0, 1, 2, 2, 3, 4])}, "recording: expected one split each, got"),
    ],
)
def test_an_npz_that_does_not_fit_is_refused_in_one_line(tmp_path, changes, expected):
    with pytest.raises(LearningError) as refusal:
        from_npz(tmp_path, **changes)
    message = str(refusal.value)
    assert "mine.npz" in message
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n", "mine.py: expected a definition of load"),
        ("def load():\n    return 3\n", "mine.py, load: expected a mapping, got int"),
        ("def load():\n    return {'label': [0]}\n", "got no modalities, subject, split"),
        ("def load():\n    return np.nothing\n", "line 3: AttributeError"),
        ("def load(:\n", "SyntaxError"),
        ("def load():\n    raise SystemExit(3)\n", "SystemExit: 3"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_own_line(tmp_path, text, expected):
    with pytest.raises(LearningError) as refusal:
        from_file(tmp_path, text)
    message = str(refusal.value)
    assert "mine.py" in message
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x93NUMPY"])
def test_a_file_that_is_no_npz_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(LearningError, match="an npz of plain arrays"):
        load(make_setup(dataset=str(path)))


def test_an_array_renamed_npz_and_ragged_lists_are_refused_in_one_line(tmp_path):
    np.save(tmp_path / "mine.npy", np.arange(3))
    (tmp_path / "mine.npy").rename(tmp_path / "mine.npz")
    with pytest.raises(LearningError, match="an npz of plain arrays"):
        load(make_setup(dataset=str(tmp_path / "mine.npz")))
    ragged = (
        "{'modalities': {'a': [[1, 2], [3]]}, 'label': [0, 1], 'subject': [0, 1], 'split': 'x'}"
    )
    with pytest.raises(LearningError, match="modality a: expected an array"):
        from_file(tmp_path, f"def load():\n    return {ragged}\n")


def test_labels_may_be_years_bytes_or_objects_and_become_names(tmp_path):
    years = from_npz(tmp_path, label=np.array([2020, 2022] * 3))
    assert years.class_names == ("class_2020", "class_2022")
    assert years.label.tolist() == [0, 1] * 3
    assert from_npz(tmp_path, label=np.array([b"sit", b"walk"] * 3)).class_names == ("sit", "walk")
    objects = "'label': np.array(['b', 'a', 'b', 'a'], dtype=object), 'subject': [0, 0, 1, 1]"
    rest = "'modalities': {'x': np.eye(4)}, 'split': ['train', 'train', 'test', 'test']"
    data = from_file(tmp_path, f"def load():\n    return {{{objects}, {rest}}}\n")
    assert (data.class_names, data.label.tolist()) == (("a", "b"), [1, 0, 1, 0])


def test_a_file_of_pickled_objects_is_not_read(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, label=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(LearningError, match="an npz of plain arrays"):
        load(make_setup(dataset=str(path)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValidationError, match=r"absent\.npz; choose"):
        load(make_setup(dataset=str(tmp_path / "absent.npz")))


def test_a_fold_of_own_data_holds_out_machines_where_test_machines_are_new():
    data = load(make_setup(dataset=str(EXAMPLE), fold=1, evaluate_on="validation"))
    machines = [set(data.subject[data.split == part].tolist()) for part in (0, 1, 2)]
    assert not machines[0] & machines[1]
    assert machines[0] | machines[1] == set(range(9))
    assert machines[2] == {9, 10, 11}
