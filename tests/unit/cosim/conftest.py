import signal
from collections.abc import Iterator

import pytest
from made_runs import FLAGS, THIRSTY, Run, go

from cosim import cli


@pytest.fixture(scope="session")
def runs() -> dict[str, Run]:
    return {
        name: go(*flags, thirsty=THIRSTY if name == "death" else None)
        for name, flags in FLAGS.items()
    }


@pytest.fixture
def only_the_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave out pictures and report; put back the signal handlers that a run takes."""
    monkeypatch.setattr(cli.figures, "draw_all", lambda tables, folder: None)
    monkeypatch.setattr(cli.report, "write_report", lambda folder: None)
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)
