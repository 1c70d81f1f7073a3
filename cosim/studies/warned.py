"""What the runs of a study have warned of, each kind once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from cosim.runs.log import WARNING
from cosim.studies.folder import StudyFolder

_NUMBER = re.compile(r"-?\d[\d.]*")


def warned(folder: StudyFolder, names: Iterable[str]) -> list[tuple[int, str]]:
    """Return the kinds of warnings: how many runs gave it, and the words of the first.

    Warnings that differ in their numbers alone are of one kind: its words up to the first colon.
    """
    count: Counter[str] = Counter()
    first: dict[str, str] = {}
    for name in names:
        kinds = set()
        for line in folder.said(name):
            *_, message = line.split(" ", 2)  # behind date and time
            if message.startswith(WARNING):
                text = message.removeprefix(WARNING)
                kind = _NUMBER.sub("", text.partition(":")[0])
                first.setdefault(kind, text)
                kinds.add(kind)
        count.update(kinds)
    return [(runs, first[kind]) for kind, runs in count.most_common()]
