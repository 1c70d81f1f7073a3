"""The networks of ns-3 keep the promises that every network gives."""

from pathlib import Path

import pytest
from mesh import make_mesh, with_changing_harvest

from ns3_scenarios.conformance import check_network
from ns3_scenarios.worker import Ns3Network

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]


def test_a_network_of_ns3_keeps_every_promise_where_harvest_changes(tmp_path: Path) -> None:
    findings = check_network(
        lambda scenario: Ns3Network(scenario, tmp_path / "ns3.log", wall_limit_s=10.0),
        with_changing_harvest(make_mesh(4, battery_j=20.0, name="adhoc80211", revival_j=0.02)),
    )
    assert [finding for finding in findings if not finding.ok] == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mesh80211", "arq"),
        ("adhoc80211", "tcp"),
        ("infrastructure", "udp"),
        ("d2d", "broadcast"),
    ],
)
def test_a_network_of_ns3_keeps_every_promise(name: str, kind: str, tmp_path: Path) -> None:
    findings = check_network(
        lambda scenario: Ns3Network(scenario, tmp_path / "ns3.log", wall_limit_s=10.0),
        make_mesh(4, battery_j=20.0, name=name, transport=kind, pacing_mbps=50.0, board_idle_w=0.3),
    )
    assert [finding for finding in findings if not finding.ok] == []
    assert len(findings) == 18
