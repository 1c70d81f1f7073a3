"""Devices find their paths before the first round, and the better of two paths."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mesh import make_mesh, run_mesh

from ns3_scenarios.reports import OUTCOMES

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_first_round_delivers_everything_and_starts_with_full_batteries(
    tmp_path: Path, seed: int
) -> None:
    scenario = make_mesh(seed=seed)
    (report,) = run_mesh(scenario, tmp_path, 1)
    assert (report.flows.outcome == OUTCOMES.index("delivered")).all()
    assert report.start_s == pytest.approx(scenario.settings.boot_s)
    np.testing.assert_array_equal(report.energy.start_energy_j, scenario.initial_energy_j)
    np.testing.assert_allclose(report.energy.state_s.sum(axis=1), report.duration_s, rtol=1e-9)


@pytest.mark.parametrize(("good", "poor"), [(1, 2), (2, 1)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_two_paths_of_equal_length_the_one_with_the_faster_links_is_taken(
    tmp_path: Path, seed: int, good: int, poor: int
) -> None:
    # A square: from corner 0 to corner 3 only over 1 or 2. Loss at 30 m: 91 dB, noise -94 dBm.
    shadowing_db, neighbours = np.zeros((4, 4)), np.zeros((4, 4), dtype=np.bool_)
    shadowing_db[0, 3] = shadowing_db[3, 0] = 60.0
    for end in (0, 3):
        shadowing_db[end, good] = shadowing_db[good, end] = -15.0  # 34 dB SNR
        shadowing_db[end, poor] = shadowing_db[poor, end] = 5.0  # 14 dB SNR, just heard
    neighbours[0, 3] = neighbours[3, 0] = True
    scenario = make_mesh(num_devices=4, seed=seed, shadowing_db=shadowing_db, neighbours=neighbours)
    pairs = (np.array([0]), np.array([3]))
    reports = run_mesh(scenario, tmp_path, 2, pairs=pairs)
    for report in reports:
        assert (report.flows.outcome == OUTCOMES.index("delivered")).all()
        frames = report.links.frames
        assert frames[0, good] > 50
        assert frames[good, 3] > 50
        assert frames[0, poor] == frames[poor, 3] == 0


def test_the_airtime_metric_is_that_of_the_standard_at_the_rate_of_the_link() -> None:
    # By hand, B = 8192 bits, O = 185 us. 6 dB: 20 MHz log2(2) = 20 Mbit/s, 594.6 us, 58 units;
    # far below: 7.3 Mbit/s, 1307.2 us, 127 units; far above: 121.9 Mbit/s, 252.2 us, 24 units.
    # Half of the frames lost: 2 x 594.6 us, 116 units; all of them: 20 attempts are the most.
    program = (
        "from ns3_scenarios.session import load_ns3\n"
        "native = load_ns3().cosim_native\n"
        "band = native.Band(20e6, 0.0, 7.3e6, 121.9e6)\n"
        "print(*(native.AirtimeUnits(band, snr_db, 0.0) for snr_db in (6.0, -50.0, 60.0)))\n"
        "print(*(native.AirtimeUnits(band, 6.0, loss) for loss in (0.5, 1.0)))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["58", "127", "24", "116", "1161"]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_link_that_loses_its_frames_is_avoided_where_the_metric_counts_losses(
    tmp_path: Path, seed: int
) -> None:
    # Device 3 hears 0 at 13.4 dB: by rate one hop of 20 MHz log2(1 + 5.5), 54 Mbit/s, 34 units,
    # costs less than two of 24 over device 1. But at the constant MCS 5 no frame of it arrives.
    shadowing_db, neighbours = np.full((4, 4), 60.0), np.zeros((4, 4), dtype=np.bool_)
    for i, j, loss_db in ((0, 1, -15.0), (1, 3, -15.0), (0, 3, 1.0)):
        shadowing_db[i, j] = shadowing_db[j, i] = loss_db
    np.fill_diagonal(shadowing_db, 0.0)
    neighbours[0, 3] = neighbours[3, 0] = True
    square = {"num_devices": 4, "seed": seed, "neighbours": neighbours}
    radio = {"shadowing_db": shadowing_db, "rate_manager": "constant", "mcs": 5}
    outcomes, relayed = {}, {}
    for metric in ("rate", "rate_and_loss"):
        scenario = make_mesh(**square, **radio, mesh_metric=metric, mesh_path_lifetime_s=2.0)
        reports = run_mesh(scenario, tmp_path, 3, payload_bytes=200_000)
        outcomes[metric] = np.array([OUTCOMES[k] for r in reports for k in r.flows.outcome])
        relayed[metric] = [report.links.frames[[0, 3], 1].min() for report in reports]
    assert (outcomes["rate"] == "late").all()
    assert (outcomes["rate_and_loss"] == "delivered").all()
    assert min(relayed["rate_and_loss"]) > 140  # of 143 segments
    assert max(relayed["rate"]) < 10
