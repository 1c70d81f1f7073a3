"""What the page shows round by round is what the tables say."""

import numpy as np
import pandas as pd
from made_tables import made_run

from cosim.report import playback as playing
from cosim.report.playback import playback


def test_every_round_has_its_devices_its_links_and_the_ways_over_others() -> None:
    run = made_run(devices=5, rounds=4, deaths={2: 1})
    shown = playback(run.devices, run.links)
    assert shown["rounds"] == [0, 1, 2, 3]
    for number in range(4):
        devices = run.devices[run.devices["round"] == number]
        for row in devices.to_dict("records"):
            x, y, alive, left = shown["devices"][number][row["device"]]
            assert (x, y, bool(alive)) == (row["x_m"], row["y_m"], row["alive"])
            assert abs(left - row["remaining_energy_j"]) < 0.006
        links = run.links[run.links["round"] == number]
        carried = {
            (row["src"], row["dst"]): (row["rate_bps"] / 1e6, row["loss_ratio"])
            for row in links.to_dict("records")
            if row["frames"] > 0
        }
        found = {(src, dst): (rate, loss) for src, dst, rate, loss in shown["links"][number]}
        assert found.keys() == carried.keys()
        for pair, (rate, loss) in found.items():
            np.testing.assert_allclose((rate, loss), carried[pair], atol=0.006)
        ways = [
            [row["src"], row["dst"], row["next_hop"]]
            for row in links.to_dict("records")
            if row["next_hop"] not in (-1, row["dst"])
        ]
        assert shown["paths"][number] == ways


def test_of_many_rounds_some_are_shown_the_first_and_the_last_among_them() -> None:
    run = made_run(devices=2, rounds=3)
    many = pd.concat([run.devices[run.devices["round"] == 0].assign(round=r) for r in range(999)])
    shown = playback(many, run.links)
    assert (shown["rounds"][0], shown["rounds"][-1]) == (0, 998)
    assert len(shown["rounds"]) == playing.MOST_ROUNDS == len(shown["devices"])


def test_a_rate_that_is_no_number_is_none() -> None:
    run = made_run(devices=2, rounds=2)
    run.links["rate_bps"] = np.inf  # an ideal network is not a measurement
    shown = playback(run.devices, run.links)
    assert all(link[2] is None for links in shown["links"] for link in links)
