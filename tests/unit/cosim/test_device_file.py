"""Devices that differ as a file says: batteries, radios, boards, powers and processors."""

from pathlib import Path

import numpy as np
import pytest
from made_config import make_config

from cosim.config.devices import machines
from cosim.config.remarks import warnings
from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from cosim.planning.compute import compute_j, compute_s
from ns3_scenarios.analytic import link_snr_db
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.errors import ScenarioError

TX, IDLE = (RADIO_STATES.index(name) for name in ("tx", "idle"))


def test_a_field_that_the_devices_file_has_a_column_of_is_warned_of(tmp_path: Path) -> None:
    table = tmp_path / "devices.csv"
    table.write_text("battery_j,tx_power_dbm\n50,16\n60,16\n70,16\n")
    flags = (f"--energy.device_file={table}", "--energy.battery_j=7", "--network.tx_power_dbm=3")
    config = make_config(*flags, "--energy.harvest_power_w=1")
    said = [line for line in warnings(config, make_scenario(config)) if "is not used" in line]
    assert [line.split()[:2] for line in said] == [
        ["energy.battery_j", "7.0"],
        ["network.tx_power_dbm", "3.0"],
    ]
    table.write_text("device_profile\nraspberry_pi_4\nraspberry_pi_4\ngap9_mcu\n")
    config = make_config(f"--energy.device_file={table}", "--energy.board_idle_w=2")
    with pytest.raises(ScenarioError, match=r"^energy.board_idle_w: expected less than the 0.05 W"):
        make_scenario(config)


def test_the_first_device_whose_own_power_costs_nothing_is_named(tmp_path: Path) -> None:
    table = tmp_path / "devices.csv"
    table.write_text("tx_power_dbm,radio_profile\n16,ns3\n8,esp32_s2\n9,ns3\n")
    config = make_config(f"--energy.device_file={table}")
    (said,) = [line for line in warnings(config, make_scenario(config)) if "tx_power_dbm" in line]
    assert "tx_power_dbm 9 of device 2: transmitting draws 1.14 W as at 16 dBm" in said


def test_devices_differ_as_their_file_says_and_the_rest_is_the_configuration(
    tmp_path: Path,
) -> None:
    table = tmp_path / "devices.csv"
    table.write_text("battery_j,harvest_power_w\n10,0\n20,0.5\n30,1\n")
    flags = (f"--energy.device_file={table}", "--energy.capacity_j=40")
    scenario = make_scenario(make_config(*flags))
    assert scenario.initial_energy_j.tolist() == [10, 20, 30]
    assert scenario.battery_capacity_j.tolist() == [40, 40, 40]
    assert scenario.harvest_power_w.tolist() == [0, 0.5, 1]
    file = "energy.device_file"
    for text, refusal in (
        ("battery_j\n1\n2\n", "3 rows, one a device, got .* 2 rows"),
        (
            "battery\n1\n2\n3\n",
            "expected any of the columns battery_j, capacity_j, harvest_power_w, board_idle_w,"
            " tx_power_dbm, mcs, device_profile, radio_profile, each once",
        ),
        ("battery_j\n1\nx\n3\n", f"{file} row 2: expected a number as battery_j, got 'x'"),
        ("battery_j\n1\n2\n-5\n", f"{file} row 3: expected battery_j from 0.001 to .*, got -5"),
        ("capacity_j\n1\n0\n3\n", f"{file} row 2: expected capacity_j from 0.001 .* got 0"),
        ("harvest_power_w\n1\n0\n-0.1\n", f"{file} row 3: expected harvest_power_w from 0 "),
        ("battery_j,battery_j\n1,1\n2,2\n3,3\n", "each once"),
        ("battery_j\n1\n41\n3\n", f"{file} row 2: battery_j: .*energy.capacity_j 40.*, got 41"),
        (
            "battery_j,capacity_j\n1,1\n2,1\n3,3\n",
            f"{file} row 2: battery_j: .*{file} row 2: capacity_j 1.*, got 2",
        ),
        (
            "tx_power_dbm\n16\n16\n31\n",
            f"{file} row 3: expected tx_power_dbm from -20 to 30, got 31",
        ),
        (
            "device_profile\nraspberry_pi_4\ngap9\ngap9_mcu\n",
            f"{file} row 2: expected one of raspberry_pi_4, .* as device_profile, got 'gap9'",
        ),
        (
            "radio_profile,battery_j\nns3,1\n,1\nns3,1\n",
            f"{file} row 2: expected one of ns3, esp32_s2 as radio_profile, got nothing",
        ),
        (
            "device_profile,board_idle_w\ngap9_mcu,0\ngap9_mcu,0.05\nraspberry_pi_4,0.05\n",
            f"{file} row 2: board_idle_w: expected less than the 0.05 W that device_profile",
        ),
        ("capacity_j\n200\n100\n300\n", f"energy.battery_j: .*{file} row 2: capacity_j 100.*"),
    ):
        table.write_text(text)
        with pytest.raises(ScenarioError, match=refusal):
            make_scenario(make_config(*flags))


def test_devices_have_radios_boards_powers_and_processors_of_their_own(tmp_path: Path) -> None:
    table = tmp_path / "devices.csv"
    rows = ("raspberry_pi_4,ns3,10,1.5", "gap9_mcu,esp32_s2,13,0.01", "raspberry_pi_5,ns3,16,0")
    names = "device_profile,radio_profile,tx_power_dbm,board_idle_w"
    table.write_text("\n".join([names, *rows]))
    config = make_config(f"--energy.device_file={table}")
    draws, work = make_scenario(config).draws, machines(config)
    assert draws.tx_power_dbm.tolist() == [10, 13, 16]
    assert draws.board_idle_w.tolist() == [1.5, 0.01, 0]
    # By hand: 0.380 A at 3 V at any power; at 3.3 V 0.169 A and 20 mW over 0.19.
    sending_w = [1.14, 3.3 * 0.169 + 0.0199526 / 0.19, 1.14]
    np.testing.assert_allclose(draws.state_power_w[:, TX], sending_w, rtol=1e-6)
    np.testing.assert_allclose(draws.state_power_w[:, IDLE], [3 * 0.273, 3.3 * 0.063, 3 * 0.273])
    louder_w = draws.transmit_w(np.array([20.0, 20.0, 20.0]))
    np.testing.assert_allclose(louder_w, [1.14, 3.3 * 0.169 + 0.1 / 0.19, 1.14])
    # The power at work holds that of the board: 4.92 - 1.5, 0.05 - 0.01 and 9 W.
    np.testing.assert_allclose(work.power_w, [3.42, 0.04, 9.0])
    flop = np.outer([1.0, 2.0, 3.0], [1e9, 2e9])
    speeds = (2.16e9, 0.6e9, 29.6e9)
    expected_s = [[f / speed for f in row] for row, speed in zip(flop, speeds, strict=True)]
    np.testing.assert_allclose(compute_s(flop, work), expected_s)
    np.testing.assert_allclose(compute_j(flop, work)[1], 0.04 * np.array(expected_s[1]))
    # Who hears whom by how much: a sender's power is in its row.
    off = ~np.eye(3, dtype=np.bool_)
    own, usual = (link_snr_db(make_scenario(c))[off] for c in (config, make_config()))
    np.testing.assert_allclose(own - usual, [-6, -6, -3, -3, 0, 0], atol=1e-9)


def test_a_devices_own_rate_is_one_that_its_standard_and_rate_manager_have(tmp_path: Path) -> None:
    table = tmp_path / "devices.csv"
    table.write_text("mcs\n0\n7\n2\n")
    words = [f"--energy.device_file={table}", "--network.num_devices=3"]
    per_station = [*words, "--network.rate_manager=per_station"]
    scenario = make_scenario(load(per_station, None, "infrastructure"))
    assert scenario.station_mcs is not None
    assert scenario.station_mcs.tolist() == [0, 7, 2]
    # A rate that is given holds wherever its station goes; one that is planned does not.
    walk = "--network.mobility=random_waypoint"
    assert make_scenario(load([*per_station, walk], None, "infrastructure")).mobility.moves
    planned = ["--network.rate_manager=per_station", walk]
    for flags, scenario_name, refusal in (
        (words, "infrastructure", "expected no column mcs with network.rate_manager ideal"),
        (planned, "infrastructure", "network.mobility: expected static with rate_manager per_"),
        (per_station, "adhoc80211", "rate_manager: expected another than per_station in adhoc"),
        (per_station, "mesh80211", "rate_manager: expected another than per_station in mesh"),
        (
            [
                *per_station,
                "--network.standard=80211b",
                "--network.band_ghz=2.4",
                "--network.channel_width_mhz=22",
            ],
            "infrastructure",
            "row 2: .* from 0 to 3 .* got 7",
        ),
    ):
        with pytest.raises(ScenarioError, match=refusal):
            make_scenario(load(flags, None, scenario_name))
    table.write_text("mcs\n0\n2.5\n2\n")
    with pytest.raises(ScenarioError, match="row 2: expected mcs to be a whole number .* got 2.5"):
        make_scenario(load(per_station, None, "infrastructure"))


def test_harvest_comes_from_a_file_or_from_the_devices_file_and_not_from_both(
    tmp_path: Path,
) -> None:
    sun, devices = tmp_path / "sun.csv", tmp_path / "devices.csv"
    sun.write_text("time_s,harvest_power_w\n0,0.5\n9,0\n")
    devices.write_text("battery_j\n10\n20\n30\n")
    flags = (f"--energy.harvest_file={sun}", f"--energy.device_file={devices}")
    scenario = make_scenario(make_config(*flags))
    assert scenario.harvest.times_s.tolist() == [0, 9]
    assert scenario.harvest_power_w.tolist() == [0.5] * 3
    devices.write_text("harvest_power_w\n1\n2\n3\n")
    with pytest.raises(ScenarioError, match="expected no column harvest_power_w with energy.harv"):
        make_scenario(make_config(*flags))
