"""The network of exchanges of frames, ad hoc, held against packets."""

from pathlib import Path

import numpy as np
import pytest
from mesh import make_mesh, make_traffic

from ns3_scenarios.description.energy import above_idle_w
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.network import Network
from ns3_scenarios.surrogate.network import SurrogateNetwork
from ns3_scenarios.worker import Ns3Network

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]

ROUNDS = 8


def nine() -> NetworkScenario:
    """Without shadowing: a pair out of reach would make every round as long as its time-outs."""
    return make_mesh(9, name="adhoc80211", shadowing_sigma_db=0.0)


def means(network: Network, payload_bytes: int) -> tuple[float, float, float]:
    """Seconds until all is settled, joules of radios in them, and of these above idling."""
    scenario, found = nine(), []
    for i in range(ROUNDS):
        traffic = make_traffic(
            scenario,
            i,
            None,
            payload_bytes,
            period_s=60.0,
            compute_s=0.0,
            compute_j=0.0,
            oracle=True,
        )
        report = network.run_round(traffic)
        assert (report.flows.delivered_bytes == payload_bytes).all()
        energy = report.energy
        above_j = (energy.state_s * above_idle_w(scenario.draws.state_power_w)).sum()
        found.append((report.duration_s, energy.state_j.sum(), above_j))
    return tuple(np.mean(found[1:], axis=0).tolist())  # the first has calls of its own


@pytest.mark.parametrize("payload_bytes", [25_000, 70_000])
def test_nine_devices_ad_hoc_take_what_their_packets_take(
    payload_bytes: int, tmp_path: Path
) -> None:
    network = Ns3Network(nine(), tmp_path / "ns3.log")
    try:
        duration_s, joules, above_j = means(network, payload_bytes)
    finally:
        network.close()
    mine = means(SurrogateNetwork(nine()), payload_bytes)
    assert mine[0] == pytest.approx(duration_s, rel=0.2)
    assert mine[1] == pytest.approx(joules, rel=0.1)
    assert mine[2] == pytest.approx(above_j, rel=0.1)
