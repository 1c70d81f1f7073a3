"""What a run says while its rounds go by."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cosim import cli
from cosim.config import assemble
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.ideal import IdealNetwork
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.traffic import RoundTraffic

SMALL = "--network.kind=ideal --network.num_devices=3 --learning.dataset=made --learning.rounds=4"


class Void(IdealNetwork):
    """A network in which nothing arrives in these rounds."""

    def __init__(self, scenario: NetworkScenario, rounds: set[int]) -> None:
        super().__init__(scenario)
        self._rounds = rounds

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        report = super().run_round(traffic)
        if traffic.round_index not in self._rounds:
            return report
        late = np.full_like(report.flows.outcome, OUTCOMES.index("late"))
        nothing = np.zeros_like(report.flows.delivered_bytes)
        never = np.full_like(report.flows.delay_s, np.nan)
        flows = replace(report.flows, outcome=late, delivered_bytes=nothing, delay_s=never)
        return replace(report, flows=flows)


@pytest.mark.usefixtures("only_the_run")
@pytest.mark.parametrize(
    ("void", "named"), [({0}, None), ({1, 3}, None), ({0, 1}, 2), ({1, 2, 3}, 3), ({0, 1, 2, 3}, 2)]
)
def test_two_rounds_in_which_nothing_arrived_are_warned_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, void: set[int], named: int | None
) -> None:
    monkeypatch.setattr(assemble, "IdealNetwork", partial(Void, rounds=void))
    folder = tmp_path / "run"
    assert cli.main([*SMALL.split(), "--iteration.max_iterations=1", f"--output={folder}"]) == 0
    log = (folder / "log.txt").read_text(encoding="utf-8").splitlines()
    said = [line for line in log if "not one message arrived" in line]
    assert len(said) == (named is not None)
    for line in said:
        assert f"round {named}: " in line
        assert " late); " in line
        assert "network.round_period_s" in line
