import pytest

from learning.errors import LearningError
from learning.names import check_names, check_texts


@pytest.mark.parametrize("name", ["acc", "_x", "a" * 64, "HR_2"])
def test_identifiers_of_ascii_are_names(name):
    check_names("modality", [name, "other"])


@pytest.mark.parametrize(
    "name",
    ["", "a+b", "a/b", "größe", "a b", "a\n", "2nd", "a" * 65, "a,b", "..", "a\x00", "$x$", 7],
)
def test_what_would_break_a_column_or_a_header_is_no_name(name):
    with pytest.raises(LearningError, match="modality: expected names of at most 64 ASCII") as line:
        check_names("modality", ["fine", name])
    assert "\n" not in str(line.value)
    assert len(str(line.value)) < 200


def test_names_that_differ_by_case_alone_are_refused():
    with pytest.raises(LearningError, match="more than case, got Acc and acc"):
        check_names("modality", ["Acc", "gyro", "acc"])


@pytest.mark.parametrize(
    "text", ["$_$", "5$ to 10$", "Größe", "走る", "a/b", "<b>", "A" * 200, r"\$"]
)
def test_classes_may_have_any_text_that_prints(text):
    check_texts("class", [text, "a", "A"])


@pytest.mark.parametrize("text", ["", " a", "a\nb", "\x07", "\ud800", "é" * 101, "a\u2028b", None])
def test_classes_may_not_have_what_nobody_can_read(text):
    with pytest.raises(LearningError, match="class: expected 1 to 200 bytes of printable") as line:
        check_texts("class", ["fine", text])
    assert str(line.value).isascii()


def test_a_class_may_not_come_twice():
    with pytest.raises(LearningError, match=r"different names, got \$ twice"):
        check_texts("class", ["$", "a", "$"])
