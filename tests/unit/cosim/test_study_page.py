"""What the page of a study says in sentences, and what its runs warned of."""

from pathlib import Path

import pandas as pd

from cosim.runs.log import log, logging_to
from cosim.studies.folder import StudyFolder
from cosim.studies.page import answers
from cosim.studies.study import Study
from cosim.studies.warned import warned

POWER = {
    "grid": {"network.tx_power_dbm": [8, 16.0], "learning.method": ["a", "b"]},
    "compare": {"field": "network.tx_power_dbm", "against": 16.0, "y": ["accuracy_last5"]},
}


def row(method: str, mean: float, p_holm: float) -> dict[str, object]:
    """Return a difference in shares, whose interval is a tenth to each side."""
    said = {"learning.method": method, "column": "accuracy_last5", "network.tx_power_dbm": 8.0}
    numbers = {"mean": mean, "sd": 0.05, "low": mean - 0.1, "high": mean + 0.1, "p_holm": p_holm}
    return said | numbers | {"against": "16", "n": 5, "p": p_holm / 2, "detectable": 0.125}


def test_each_comparison_has_its_sentence_in_per_cent_whether_or_not_it_shows_anything() -> None:
    found = answers(Study(**POWER), pd.DataFrame([row("a", -0.2, 0.01), row("b", -0.05, 0.4)]))
    assert found == [
        "Accuracy, last 5 rounds (%): 8 minus 16 (Method a) is -20 (-30 to -10, n = 5).",
        "Accuracy, last 5 rounds (%): 8 minus 16 (Method b) is -5 (-15 to 5, n = 5); not told apart"
        " from nothing by Holm over the study's 2 comparisons, which find 12.5 four times in five.",
    ]


def test_of_many_comparisons_those_that_show_nothing_are_counted() -> None:
    rows = [row("a", -0.2, 0.01), *(row(f"{i}", 0.0, 1.0) for i in range(9))]
    first, rest = answers(Study(**POWER), pd.DataFrame(rows))
    assert "8 minus 16 (Method a) is -20" in first
    assert "9 other comparisons with 16 are not told apart from nothing" in rest


def test_warnings_of_runs_are_told_once_a_kind_with_the_number_of_runs(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    (tmp_path / "logs").mkdir()
    said = {
        "one": ["6 of 12 pairs cannot hear each other: 1 and 2", "6 of 12 pairs cannot hear: x"],
        "two": ["8 of 12 pairs cannot hear each other: 0 and 3 (-90.5 dBm)"],
        "three": [],
    }
    for name, warnings in said.items():
        with logging_to(folder.log(name)):
            log.info("round 1 of 2: no warning: at all")
            for each in warnings:
                log.warning(each)
    assert warned(folder, [*said, "not begun"]) == [
        (2, "6 of 12 pairs cannot hear each other: 1 and 2"),
        (1, "6 of 12 pairs cannot hear: x"),
    ]
