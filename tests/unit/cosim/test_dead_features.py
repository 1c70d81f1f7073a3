"""Features that died: in the tables of each device, and a warning where they are most of them."""

from pathlib import Path

import pandas as pd
import pytest

from cosim import cli

SMALL = "--network.kind=ideal --network.num_devices=4 --learning.dataset=made --learning.rounds=3"
# Pulls every common feature down to where its ReLU is shut.
DEADLY = """
from learning.model.losses import fused_loss
from learning.method import Method, Rules

def begin(round_):
    def objective(passed, label, step):
        loss = fused_loss(passed, label)
        for m, rows in passed.rows.items():
            loss = loss.index_add(0, rows, 100 * passed.common[m].mean((1, 2)))
        return loss
    return Rules(objective)

METHOD = Method(begin)
"""


@pytest.mark.usefixtures("only_the_run")
@pytest.mark.parametrize("dies", [True, False])
def test_devices_whose_features_died_are_named_once(tmp_path: Path, dies: bool) -> None:
    method, folder = tmp_path / "deadly.py", tmp_path / "run"
    method.write_text(DEADLY)
    flags = [*SMALL.split(), "--iteration.max_iterations=5", f"--output={folder}"]
    assert cli.main([*flags, f"--learning.method={method if dies else 'dmml'}"]) == 0
    devices = pd.read_parquet(folder / "devices.parquet")
    first = devices[devices["dead_feature_share"] > 0.5].groupby("device")["round"].min()
    assert len(first) == (4 if dies else 0)
    log = (folder / "log.txt").read_text(encoding="utf-8").splitlines()
    said = [line for line in log if "common features are dead" in line]
    expected = first.groupby(first).groups
    assert len(said) == len(expected)
    for line, (number, who) in zip(said, sorted(expected.items()), strict=True):
        assert f"round {number}: " in line
        assert f"on device {', '.join(map(str, sorted(who)))};" in line
