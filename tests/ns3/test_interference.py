"""Other people's traffic costs air time, and only that."""

from pathlib import Path

import numpy as np
import pytest
from mesh import run_mesh

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.reports import RoundReport

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(120)]

QUIET = "--network.num_devices 4 --network.spacing_m 15 --network.shadowing_sigma_db 0"
ONE = "--network.interferers 1 --network.interference_off_s 0 --network.interference_mbps"
BUSY = [RADIO_STATES.index(state) for state in ("rx", "cca_busy")]


def run(folder: Path, name: str, flags: str) -> list[RoundReport]:
    scenario = make_scenario(load(f"{QUIET} {flags}".split(), None, name))
    nobody = (np.array([], dtype=int), np.array([], dtype=int))
    return run_mesh(scenario, folder, 3, pairs=nobody, compute_s=0.0, compute_j=0.0)


def busy_s(report: RoundReport) -> float:
    """How long a device that does not send finds the medium busy, mean over devices."""
    return float(report.energy.state_s[:, BUSY].sum(axis=1).mean())


@pytest.mark.parametrize("name", ["adhoc80211", "mesh80211"])
def test_a_constant_flow_keeps_the_medium_busy_for_as_long_as_its_frames_last(
    name: str, tmp_path: Path
) -> None:
    rate = "--network.rate_manager constant --network.max_ampdu_bytes 0"
    quiet, loud = (run(tmp_path, name, f"{rate} {flag}") for flag in ("", f"{ONE} 2"))
    # 536 frames of 1400 bytes in 3 s; MCS 0 of HE, 20 MHz: 117 bits a symbol of 16 us, with 38
    # bytes of MAC and LLC header, tail and service bits, 36 us of preamble; then SIFS and a
    # block or normal acknowledgement of legacy OFDM, 44 us at most (32 us at least); RTS and CTS
    # with SIFS are some 160 us (6 Mbit/s) or less.
    frames = 3 * 2e6 / (8 * 1400)
    data_s = 36e-6 + np.ceil((8 * 1438 + 22) / 117) * 16e-6
    extra_s = busy_s(loud[2]) - busy_s(quiet[2])
    assert frames * data_s < extra_s < frames * (data_s + 260e-6)


def test_pauses_halve_the_load_and_the_same_seed_repeats_it(tmp_path: Path) -> None:
    always = run(tmp_path, "adhoc80211", f"{ONE} 2")
    flags = "--network.interferers 1 --network.interference_mbps 2 --network.interference_on_s 0.05"
    flags += " --network.interference_off_s 0.05"
    halves = [run(tmp_path, "adhoc80211", flags) for _ in range(2)]
    shares = [sum(busy_s(r) for r in half) / sum(busy_s(r) for r in always) for half in halves]
    # 90 periods: a standard deviation of 0.04.
    assert 0.34 < shares[0] < 0.66
    assert shares[0] == shares[1]


def test_a_network_next_door_sends_beacons_and_its_stations_stay_its_own(tmp_path: Path) -> None:
    flags = "--network.interferers 2 --network.interference bss --network.tx_power_dbm 20"
    reports = run(tmp_path, "infrastructure", flags)
    assert reports[2].links.is_peer.sum() == 12  # all at their own access point
    quiet = run(tmp_path, "infrastructure", "--network.tx_power_dbm 20")
    assert busy_s(reports[2]) > busy_s(quiet[2]) + 0.1
