"""Placements, loss traces and heights, and what is refused of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.description.loss_trace import read_loss_trace
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import ScenarioError


def scenario(flags: str = "", name: str = "adhoc80211") -> NetworkScenario:
    words = [word for flag in flags.split() for word in f"--network.{flag}".split("=", 1)]
    return make_scenario(load(words, None, name))


def test_a_line_is_evenly_spaced_at_the_height_of_the_devices() -> None:
    placed = scenario("num_devices=3 placement=line spacing_m=7 device_height_m=2").position_m
    assert placed.tolist() == [[0, 0, 2], [7, 0, 2], [14, 0, 2]]


def test_a_disc_is_filled_evenly_and_the_same_for_the_same_seed() -> None:
    flags = "num_devices=100 placement=disc disc_radius_m=50"
    one, again = scenario(flags).position_m, scenario(flags).position_m
    np.testing.assert_array_equal(one, again)
    r_m = np.linalg.norm(one[:, :2] - 50, axis=1)
    assert r_m.max() <= 50
    assert (r_m < 25).mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 100))


def test_positions_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "places.csv"
    file.write_text("y_m,x_m,z_m\n1,2,3\n4,5,6\n")
    placed = scenario(f"num_devices=2 placement=file placement_file={file}").position_m
    assert placed.tolist() == [[2, 1, 3], [5, 4, 6]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x_m,y_m\n1,2\n", "expected columns x_m, y_m and perhaps z_m, each once, and 2 rows"),
        ("x,y\n1,2\n3,4\n", "got columns x, y and 2 rows"),
        ("x_m,y_m\n1,2\n3,here\n", "row 2: expected a number as y_m, got 'here'"),
        ("x_m,y_m\n1,2\n3,4,5\n", "Expected 2 fields in line 3, saw 3"),
        ("x_m,y_m,y_m\n1,2,2\n3,4,4\n", "each once, and 2 rows"),
        ("x_m,y_m\n1\n3,4\n", "row 1: expected a number as y_m, got nothing"),
    ],
)
def test_a_placement_file_that_does_not_fit_is_refused(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "places.csv"
    file.write_text(text)
    with pytest.raises(ScenarioError) as refused:
        scenario(f"num_devices=2 placement=file placement_file={file}")
    assert words in str(refused.value)


ROWS = ["0,0,1,60", "0,0,2,61", "0,1,2,62", "5,0,1,70", "5,2,0,71", "5,1,2,72"]


def trace(tmp_path: Path, rows: Any) -> Path:
    file = tmp_path / "loss.csv"
    file.write_text("\n".join(["time_s,i,j,loss_db", *rows, ""]))
    return file


def test_a_loss_trace_counts_one_direction_for_both(tmp_path: Path) -> None:
    read = read_loss_trace(trace(tmp_path, [*ROWS, "0,1,0,59"]), 3, "hold")
    assert read.times_s.tolist() == [0, 5]
    assert read.period_s == 10
    assert read.loss_db[0].tolist() == [[0, 60, 61], [59, 0, 62], [61, 62, 0]]
    assert read.loss_db[1, 0].tolist() == [0, 70, 71]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("0,1,0,-75", "row 7: expected loss_db to be at least 0 dB (a loss is positive; a gain"),
        ("5,0,1,70", "row 7: expected devices 0 and 1 once at 5 s, got them in row 4, too"),
        ("5,1,1,70", "row 7: expected j to be another device than i, got 1"),
        ("5,0,3,70", "row 7: expected j to be a device from 0 to 2, got 3"),
        ("5,0.5,1,70", "row 7: expected i to be a device from 0 to 2, got 0.5"),
        ("-5,1,0,70", "row 7: expected the first time to be 0 s, the start of the first round"),
        ("0,1,0,loud", "row 7: expected a number as loss_db, got 'loud'"),
        ("0,1,0,inf", "row 7: expected a number as loss_db, got 'inf'"),
    ],
)
def test_a_loss_without_sense_is_refused_with_its_row(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        read_loss_trace(trace(tmp_path, [*ROWS, row]), 3, "hold")
    assert words in str(refused.value)


def test_a_loss_trace_that_begins_later_is_refused(tmp_path: Path) -> None:
    late = [row.replace("0,", "2,", 1) if row.startswith("0,") else row for row in ROWS]
    with pytest.raises(ScenarioError, match="row 1: expected the first time to be 0 s.* got 2"):
        read_loss_trace(trace(tmp_path, late), 3, "hold")


def test_a_loss_trace_without_a_pair_is_refused_by_the_pair_and_its_time(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="got none of devices 0 and 2 at 5 s"):
        read_loss_trace(trace(tmp_path, [row for row in ROWS if row != "5,2,0,71"]), 3, "hold")


def test_a_run_that_outlasts_a_stopping_trace_is_refused(tmp_path: Path) -> None:
    file = trace(tmp_path, ROWS)
    flags = f"num_devices=3 path_loss=trace loss_trace={file} loss_trace_end="
    assert scenario(flags + "hold").channel.trace is not None
    with pytest.raises(ScenarioError, match="expected at least 90 s for 30 rounds, got 10 s"):
        scenario(flags + "stop")


@pytest.mark.parametrize(
    ("name", "flags", "words"),
    [
        ("adhoc80211", "path_loss=umi", "expected one end of each link at 10 m"),
        ("infrastructure", "path_loss=umi", "got devices 0 and 9 at 1.5 and 3 m"),
        ("adhoc80211", "path_loss=two_ray device_height_m=0", "expected antennas above 0.1 m"),
        ("mesh80211", "routing=olsr", "expected direct with scenario mesh80211"),
        ("mesh80211", "mesh_root=9", "expected -1 to 8, got 9"),
        ("mesh80211", "ap_is_device", "got true; use scenario infrastructure"),
        (
            "infrastructure",
            "ap_is_device mobility=gauss_markov",
            "the access point would move",
        ),
        (
            "infrastructure",
            "ap_is_device placement=line num_devices=4 ap_height_m=1.5",
            "got devices 0, 2 at 60, 0, 1.5 m",
        ),
        (
            "infrastructure",
            "placement=line num_devices=3 ap_height_m=1.5",
            "expected another than that of the devices",
        ),
        ("infrastructure", "max_amsdu_bytes=3839", "expected 0 with scenario infrastructure"),
        ("adhoc80211", "min_speed_mps=3", "expected at most max_speed_mps (1.5)"),
        ("adhoc80211", "mobility=random_waypoint mobility_area_m=20", "got device 1 at (30, 0)"),
        ("adhoc80211", "kind=ideal mobility=gauss_markov", "only ns3 moves devices"),
        ("adhoc80211", "kind=analytic path_loss=friis", "expected log_distance without fading"),
        ("adhoc80211", "path_loss=trace", "expected a file with path_loss trace"),
        ("adhoc80211", "mobility=ns2_trace mobility_trace=none.tcl", "expected a readable ns-2"),
    ],
)
def test_what_does_not_go_together_is_refused_before_ns3_starts(
    name: str, flags: str, words: str
) -> None:
    with pytest.raises(ScenarioError) as refused:
        scenario(flags, name)
    assert words in str(refused.value)


def moves(tmp_path: Path, *lines: str) -> str:
    file = tmp_path / "moves.tcl"
    file.write_text("\n".join([*lines, ""]))
    return f"num_devices=3 mobility=ns2_trace mobility_trace={file} "


def starts(*places_m: tuple[float, ...]) -> list[str]:
    return [
        f"$node_({i}) set {axis}_ {value}"
        for i, place_m in enumerate(places_m)
        for axis, value in zip("XYZ", place_m, strict=False)
    ]


GROUND = [(10.0, 5.0, 0.0), (30.0, 5.0, 0.0), (50.0, 5.0, 0.0)]


def test_a_trace_places_the_devices_and_its_z_is_the_ground_below_them(tmp_path: Path) -> None:
    flags = moves(tmp_path, *starts(*GROUND)) + "path_loss=two_ray"
    placed = scenario(flags, "d2d").position_m
    assert placed.tolist() == [[10, 5, 1.5], [30, 5, 1.5], [50, 5, 1.5]]
    with pytest.raises(ScenarioError, match="got device 0 at 0 m; raise network.device_height_m"):
        scenario(flags + " device_height_m=0", "d2d")


def test_heights_are_checked_along_the_whole_movement(tmp_path: Path) -> None:
    down = '$ns_ at 4 "$node_(1) set Z_ -1.45"'
    flags = moves(tmp_path, *starts(*GROUND), down) + "path_loss=itu_p1411"
    with pytest.raises(ScenarioError, match=r"got device 1 at 0.05 m"):
        scenario(flags)
    up = '$ns_ at 4 "$node_(1) set Z_ 9"'
    flags = moves(tmp_path, *starts(*GROUND), up) + "path_loss=umi ap_height_m=10"
    with pytest.raises(ScenarioError, match=r"got devices 1 and 3 at 1.5 to 10.5 and 10 m"):
        scenario(flags, "infrastructure")


def test_a_placement_file_beside_a_trace_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "places.csv"
    file.write_text("x_m,y_m\n1,2\n3,4\n5,6\n")
    flags = moves(tmp_path, *starts(*GROUND)) + f"placement=file placement_file={file}"
    with pytest.raises(ScenarioError, match="the trace places the devices"):
        scenario(flags)


def test_the_access_point_has_the_height_that_umi_wants() -> None:
    assert scenario("path_loss=umi ap_height_m=10", "infrastructure").settings.ap_height_m == 10
