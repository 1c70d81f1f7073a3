"""Devices with processors, boards, radios and powers of their own: each is charged as itself."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cut_runs import FEW, SMALL, assert_same_run, cut_short

from cosim import cli
from cosim.planning.compute import PROFILES

TABLE = """device_profile,board_idle_w,radio_profile,tx_power_dbm
raspberry_pi_4,1.0,ns3,16
gap9_mcu,0.01,esp32_s2,10
raspberry_pi_5,0,ns3,16
raspberry_pi_4,0,esp32_s2,13
"""
RUN = (*SMALL, *FEW, "--network.kind=analytic")


@pytest.fixture
def flags(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "devices.csv").write_text(TABLE, encoding="utf-8")
    return (*RUN, f"--energy.device_file={tmp_path / 'devices.csv'}")


@pytest.mark.usefixtures("only_the_run")
def test_work_boards_and_radios_cost_each_device_what_its_own_draw(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    assert cli.main([*flags, "--output", str(tmp_path / "run")]) == 0
    devices = pd.read_parquet(tmp_path / "run" / "devices.parquet")
    rounds = pd.read_parquet(tmp_path / "run" / "rounds.parquet").set_index("round")
    given = pd.read_csv(tmp_path / "devices.csv")
    assert devices["tx_power_dbm"].isna().all()
    assert (devices["compute_j"] > 0).all()
    for row in devices.to_dict("records"):
        mine, lasted_s = given.iloc[row["device"]], rounds.loc[row["round"], "duration_s"]
        profile = PROFILES[mine["device_profile"]]
        work_s = row["flop"] / profile.effective_flop_per_s
        assert row["compute_s"] == pytest.approx(work_s)
        assert row["compute_j"] == pytest.approx(work_s * (profile.power_w - mine["board_idle_w"]))
        assert row["board_j"] == pytest.approx(mine["board_idle_w"] * lasted_s)
        # Currents of the profiles, by hand: idle 0.273 A at 3 V, 0.063 A at 3.3 V.
        idle_w = {"ns3": 0.819, "esp32_s2": 0.2079}[mine["radio_profile"]]
        assert row["idle_j"] <= idle_w * lasted_s * (1 + 1e-9)
        assert row["radio_j"] > idle_w * lasted_s
        # Plans foresee each one's own.
        if row["round"] > 2:
            foreseen_j = row["communication_forecast_j"]
            assert foreseen_j == pytest.approx(row["radio_j"], rel=0.01)
            assert row["predicted_j"] == pytest.approx(
                foreseen_j + row["compute_j"] + row["board_j"], rel=1e-6
            )


@pytest.mark.usefixtures("only_the_run")
def test_a_policy_knows_its_own_most_power_and_a_run_goes_on_from_the_same_radios(
    tmp_path: Path, flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*flags, "--policy=random_power")
    assert cli.main([*words, "--output", str(tmp_path / "whole")]) == 0
    cut_short(tmp_path / "run", words, 2, monkeypatch)
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "run")
    devices = pd.read_parquet(tmp_path / "run" / "devices.parquet")
    drawn = devices.groupby("device")["tx_power_dbm"]
    most = np.array([16.0, 10.0, 16.0, 13.0])
    assert (drawn.max() <= most).all()
    assert (drawn.min() >= most - 6.0).all()
    assert drawn.nunique().min() > 1
