"""The ray-traced street of results/reference/rays: what ns-3 makes of it, and what physics does."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mesh import make_traffic

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.worker import Ns3Network

FOLDER = Path(__file__).resolve().parents[2] / "results" / "reference" / "rays"
FLAGS = (
    f"--network.num_devices 5 --network.path_loss trace --network.loss_trace {FOLDER}/losses.csv"
    f" --network.mobility ns2_trace --network.mobility_trace {FOLDER}/moves.tcl"
    " --learning.rounds 10 --network.antenna_gain_dbi 2 --network.noise_figure_db 5"
)
ROUNDS = 10


@pytest.mark.ns3
@pytest.mark.timeout(300)
def test_the_mesh_measures_the_snr_of_the_ray_tracer(tmp_path: Path) -> None:
    # 16 dBm + 2 x 2 dBi - loss - (-173.98 dBm/Hz + 73.01 dB + 5 dB), of rounds of 3 s from 0 on.
    trace = pd.read_csv(FOLDER / "losses.csv")
    scenario = make_scenario(load(FLAGS.split(), None, None))
    network = Ns3Network(scenario, tmp_path / "ns3.log")
    heard = 0
    for k in range(ROUNDS):
        # One message a round: nobody else is on the air, but for acknowledgements and beacons.
        pairs = (np.array([4]), np.array([k % 4]))
        traffic = make_traffic(scenario, k, pairs=pairs, payload_bytes=20_000)
        links = network.run_round(traffic).links
        for row in trace[trace["time_s"] == 3 * k].itertuples():
            by_hand_db = 16 + 4 - row.loss_db - (-173.98 + 73.01 + 5)
            for i, j in ((row.i, row.j), (row.j, row.i)):
                assert links.snr_db[i, j] == pytest.approx(by_hand_db, abs=0.5)
                if np.isfinite(links.sinr_db[i, j]):
                    assert links.sinr_db[i, j] == pytest.approx(by_hand_db, abs=0.5)
                    heard += 1
    network.close()
    assert heard >= 2 * ROUNDS
