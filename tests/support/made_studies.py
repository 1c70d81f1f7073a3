"""Studies of small runs over the ideal network, and their folders."""

import textwrap
from pathlib import Path

STUDY = """
    question = "Does it matter?"
    target_accuracy = 0.3

    [fixed]
    network.kind = "ideal"
    network.num_devices = 3
    learning.dataset = "made"
    learning.rounds = 2
    iteration.max_iterations = 2

    [grid]
    learning.learning_rate = [0.05, 0.2]
    learning.method = ["dmml", "local"]

    [seeds]
    count = 2

    [figure]
    x = "learning.learning_rate"
    lines = "learning.method"

    [compare]
    field = "learning.method"
    against = "local"
"""


def write_study(folder: Path, text: str = STUDY, **changes: str) -> Path:
    text = textwrap.dedent(text)
    for old, new in changes.items():
        text = text.replace(old, new)
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path
