"""A device sends to few peers at once, in an order of chance, and nobody waits for a silent one."""

from pathlib import Path

import numpy as np
import pytest
from mesh import make_mesh, run_mesh

from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import OUTCOMES

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]

DELIVERED = OUTCOMES.index("delivered")
FAR_M = 5000.0
CENTRE_TO_ALL = (np.zeros(3, dtype=np.int64), np.array([1, 2, 3]))


def star(far: int = 0, **changes: object) -> NetworkScenario:
    """Device 0 with three others around it, of which so many are out of range."""
    position_m = np.array([[0.0, 0, 1], [20, 0, 1], [0, 20, 1], [-20, 0, 1]])
    position_m[4 - far :, :2] *= FAR_M / 20
    return make_mesh(4, name="adhoc80211", shadowing_sigma_db=0.0, position_m=position_m, **changes)


def test_one_at_a_time_is_whole_after_its_share_of_what_all_at_once_take(tmp_path: Path) -> None:
    size = 200_000
    for most, expected in ((1, (1 / 3, 2 / 3, 1.0)), (1000, (1.0, 1.0, 1.0))):
        scenario = star(peers_at_once=most)
        *_, report = run_mesh(scenario, tmp_path, 3, pairs=CENTRE_TO_ALL, payload_bytes=size)
        assert (report.flows.outcome == DELIVERED).all()
        delay_s = np.sort(report.flows.delay_s)
        np.testing.assert_allclose(delay_s / delay_s[-1], expected, atol=0.12)


def test_the_order_of_peers_is_drawn_anew_each_round(tmp_path: Path) -> None:
    reports = run_mesh(star(), tmp_path, 12, pairs=CENTRE_TO_ALL, payload_bytes=50_000)
    first = {int(np.argmin(report.flows.finish_s)) for report in reports}
    # Of three peers each is first in some of twelve rounds, but in 3 (2/3)^12 = 2 % of all seeds.
    assert first == {0, 1, 2}


def test_nobody_waits_for_peers_that_do_not_answer(tmp_path: Path) -> None:
    alone = (np.zeros(1, dtype=np.int64), np.array([1]))
    for rounds in (1, 3):  # of which nothing is known yet, and which were silent before
        *_, report = run_mesh(star(far=2), tmp_path, rounds, pairs=CENTRE_TO_ALL)
        *_, other = run_mesh(star(far=2), tmp_path, rounds, pairs=alone)
        near, *silent = report.flows.outcome
        assert near == DELIVERED
        assert set(silent) == {OUTCOMES.index("unreachable")}
        # The MAC repeats the frames of two probes; a time-out is at least 0.5 s.
        assert report.flows.delay_s[0] < other.flows.delay_s[0] + 0.2
