import pytest
from made_runs import FLAGS, THIRSTY, Run, go


@pytest.fixture(scope="session")
def runs() -> dict[str, Run]:
    return {
        name: go(*flags, thirsty=THIRSTY if name == "death" else None)
        for name, flags in FLAGS.items()
    }
