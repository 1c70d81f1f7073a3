from collections.abc import Iterator

import pytest
from made_runs import FLAGS, THIRSTY, Run, go

from cosim.report import presentation
from cosim.runs import endings


@pytest.fixture(scope="session")
def runs() -> dict[str, Run]:
    return {
        name: go(*flags, thirsty=THIRSTY if name == "death" else None)
        for name, flags in FLAGS.items()
    }


@pytest.fixture
def only_the_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave out pictures and report; put back the signal handlers that a run takes."""
    monkeypatch.setattr(presentation, "draw", lambda folder, figures=True: {})
    with endings.put_back():
        yield
