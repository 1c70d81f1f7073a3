"""Channels against their formulas, and movement against its own description."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mesh import run_mesh
from scipy import stats

from cosim.config_sources import load
from cosim.deployment import make_scenario
from ns3_scenarios.validation import theory_path_loss as theory

F_HZ = 5.18e9  # channel 36
pytestmark = [pytest.mark.ns3, pytest.mark.timeout(120)]

# Loss of the shipped channel between two devices at given distances and times.
PROGRAM = """
import json, sys
from dataclasses import replace
import numpy as np
from cosim.deployment import make_scenario
from cosim.config_sources import load
from ns3_scenarios import channel, mobility
from ns3_scenarios.session import load_ns3

flags, distances_m, times_s, pairs = json.loads(sys.argv[1])
scenario = make_scenario(load(flags, None, "adhoc80211"))
ns = load_ns3()
nodes = mobility.make_nodes(ns, scenario.position_m, replace(scenario.mobility, kind="static"))
model = channel.make_losses(ns.cosim_native, scenario, nodes)[0]
count = scenario.num_devices
at = [nodes.Get(i).__deref__().GetObject[ns.MobilityModel]() for i in range(count)]
losses_db = []
for time_s in times_s:
    ns.Simulator.Stop(ns.Seconds(time_s) - ns.Simulator.Now())
    ns.Simulator.Run()
    for distance_m in distances_m:
        for i, j in pairs:
            here = at[i].GetPosition()
            at[j].SetPosition(ns.Vector(here.x + distance_m, here.y, here.z))
            losses_db.append([-model.CalcRxPower(0.0, at[a], at[b]) for a, b in ((i, j), (j, i))])
print(json.dumps(losses_db))
"""


def losses_db(
    *flags: str,
    distances_m: Any = (10.0,),
    times_s: Any = (1.0,),
    pairs: Any = ((0, 1),),
) -> Any:
    """Loss both ways, (times, distances, pairs, 2) [dB]."""
    arguments = [word for flag in flags for word in f"--network.{flag}".split("=")]
    case = json.dumps([arguments, list(distances_m), list(times_s), list(pairs)])
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, case], capture_output=True, text=True, check=True
    )
    shape = (len(times_s), len(distances_m), len(pairs), 2)
    return np.array(json.loads(answer.stdout)).reshape(shape)


@pytest.mark.parametrize(
    ("path_loss", "formula"),
    [
        ("log_distance", lambda d: 46.7 + 30 * np.log10(d)),
        ("friis", lambda d: theory.free_space_db(d, F_HZ)),
        ("two_ray", lambda d: theory.two_ray_db(d, F_HZ, 1.5)),
        ("itu_p1411", lambda d: theory.p1411_db(d, F_HZ, 1.5)),
    ],
)
def test_a_path_loss_is_that_of_its_formula_at_every_distance(path_loss: str, formula: Any) -> None:
    d = np.array([2.0, 10.0, 50.0, 300.0, 900.0])
    measured = losses_db(f"path_loss={path_loss}", "shadowing_sigma_db=0", distances_m=d)
    np.testing.assert_allclose(measured[0, :, 0, 0], formula(d), atol=0.05)
    np.testing.assert_array_equal(measured[..., 0], measured[..., 1])


@pytest.mark.parametrize(
    ("path_loss", "sights_db", "los_share"),
    [
        ("inh", theory.inh_db(20.0, F_HZ), theory.inh_los_share(20.0)),
        ("d2d", theory.d2d_db(20.0, F_HZ), theory.d2d_los_share(20.0)),
    ],
)
def test_a_model_with_line_of_sight_takes_one_of_two_losses_by_its_probability(
    path_loss: str, sights_db: tuple[float, float], los_share: float
) -> None:
    n = 40
    pairs = [(i, j) for i in range(n) for j in range(i)]
    measured = losses_db(
        f"path_loss={path_loss}",
        "shadowing_sigma_db=0",
        f"num_devices={n}",
        distances_m=[20.0],
        pairs=pairs,
    )[0, 0, :, 0]
    is_los, is_nlos = (np.isclose(measured, loss_db, atol=0.05) for loss_db in sights_db)
    assert np.all(is_los | is_nlos)
    spread = np.sqrt(los_share * (1 - los_share) / len(pairs))
    assert is_los.mean() == pytest.approx(los_share, abs=4 * spread)


@pytest.mark.parametrize(
    ("path_loss", "formula", "slope_db"),
    [("v2v_urban", theory.v2v_urban_db, 16.7), ("v2v_highway", theory.v2v_highway_db, 20.0)],
)
def test_a_vehicle_in_between_takes_the_same_from_all_frames_until_the_sight_is_drawn_anew(
    path_loss: str, formula: Any, slope_db: float
) -> None:
    times_s = np.arange(1.0, 81.0, 0.25)
    measured = losses_db(
        f"path_loss={path_loss}",
        "mobility=random_waypoint",
        "sight_update_s=0.9",
        "shadowing_sigma_db=0",
        distances_m=[100.0, 200.0],
        times_s=times_s,
    )[:, :, 0]
    np.testing.assert_array_equal(measured[..., 0], measured[..., 1])
    near_db, far_db = measured[..., 0].T
    # Sight is drawn at the first look after 0.9 s: at every fourth.
    assert not np.diff(near_db.reshape(80, 4), axis=1).any()
    sights_db = np.array(formula(100.0, F_HZ))
    by_vehicle = ~np.isclose(near_db[:, None], sights_db).any(axis=1)
    blockage_db = near_db[by_vehicle] - sights_db[0]
    assert len(np.unique(blockage_db.round(6))) * 4 == len(blockage_db) > 4
    np.testing.assert_allclose(
        (far_db - near_db)[by_vehicle],
        slope_db * np.log10(2),
        atol=1e-9,
        err_msg="the same, farther",
    )


def test_nakagami_gains_have_mean_one_and_variance_one_over_m_and_are_reciprocal() -> None:
    flags = ("fading=nakagami", "nakagami_m=2", "coherence_time_s=0.1", "shadowing_sigma_db=0")
    measured = losses_db(*flags, times_s=0.05 + 0.1 * np.arange(1, 2001))[:, 0, 0]
    np.testing.assert_array_equal(measured[:, 0], measured[:, 1])
    gain = 10 ** (0.1 * (46.7 + 30 - measured[:, 0]))
    assert stats.kstest(gain, stats.gamma(2, scale=0.5).cdf).pvalue > 0.01
    assert abs(np.corrcoef(gain[1:], gain[:-1])[0, 1]) < 0.1
    assert losses_db(*flags, times_s=[1.0, 1.0001, 1.0002]).std() < 20  # three looks, one block


def test_a_fading_gain_holds_for_its_coherence_time() -> None:
    flags = ("fading=nakagami", "coherence_time_s=0.1")
    measured = losses_db(*flags, times_s=np.arange(1.0, 2.0, 0.01))[:, 0, 0, 0]
    changes = np.flatnonzero(np.diff(measured))
    np.testing.assert_array_equal(np.diff(changes), 10)


def test_shadowing_of_moving_devices_keeps_its_spread_and_forgets_with_distance() -> None:
    # 20 m decorrelation, steps of 10 m by one end: correlation exp(-1/2) from step to step.
    distances_m = 10.0 * np.arange(1, 1001)
    measured = losses_db(
        "mobility=random_waypoint", "shadowing_sigma_db=6", distances_m=distances_m
    )[0, :, 0, 0]
    shadowing_db = measured - 46.7 - 30 * np.log10(distances_m)
    assert shadowing_db.std() == pytest.approx(6, rel=0.15)
    step = np.corrcoef(shadowing_db[1:], shadowing_db[:-1])[0, 1]
    assert step == pytest.approx(np.exp(-0.5), abs=0.08)


@pytest.mark.parametrize(("end", "late_db"), [("hold", 90.0), ("loop", 60.0)])
def test_a_loss_trace_holds_each_row_until_the_next_and_then_as_asked(
    tmp_path: Path, end: str, late_db: float
) -> None:
    file = tmp_path / "loss.csv"
    file.write_text("time_s,i,j,loss_db\n0,0,1,60\n1,0,1,75\n1,1,0,80\n2,0,1,90\n")
    measured = losses_db(
        "num_devices=2",
        "path_loss=trace",
        f"loss_trace={file}",
        f"loss_trace_end={end}",
        times_s=[1.0, 3.5, 4.5, 5.5, 6.5],  # the first round starts at 3 s
    )[:, 0, 0]
    assert measured[:, 0].tolist() == [60, 60, 75, 90, late_db]
    assert measured[:, 1].tolist() == [60, 60, 80, 90, late_db]


def test_devices_walk_within_their_area_at_their_speed(tmp_path: Path) -> None:
    for kind in ("random_waypoint", "gauss_markov"):
        flags = f"--network.mobility {kind} --network.num_devices 4 --network.pause_s 0"
        scenario = make_scenario(load(flags.split(), None, "adhoc80211"))
        reports = run_mesh(scenario, tmp_path, 4, payload_bytes=2000)
        position_m = np.array([report.position_m for report in reports])
        assert np.all(position_m[..., :2] >= 0)
        assert np.all(position_m[..., :2] <= 30)
        assert np.all(position_m[..., 2] == 1.5)
        step_m = np.linalg.norm(np.diff(position_m, axis=0), axis=-1)
        assert np.all(step_m <= 3 * 1.5 * 1.7)  # three seconds, noise of Gauss-Markov included
        assert np.all(step_m.max(axis=0) > 0.5)


def test_devices_follow_an_ns2_trace_and_are_in_contact_while_close(tmp_path: Path) -> None:
    # Device 1 leaves at 4 s with 10 m/s: 5 m away until 4 s, beyond 35 m from 7 s on.
    file = tmp_path / "moves.tcl"
    place = "".join(f"$node_({i}) set X_ {5 * i}.0\n$node_({i}) set Y_ 0.0\n" for i in range(2))
    file.write_text(place + '$ns_ at 4.0 "$node_(1) setdest 500.0 0.0 10.0"\n')
    flags = f"--network.mobility ns2_trace --network.mobility_trace {file} --network.num_devices 2"
    scenario = make_scenario(load(flags.split(), None, "adhoc80211"))
    reports = run_mesh(scenario, tmp_path, 2, payload_bytes=2000)
    ends_m = [report.position_m[1, 0] for report in reports]
    assert ends_m == pytest.approx([25.0, 55.0], abs=0.1)  # rounds end at 6 and 9 s
    contact_s = [report.links.contact_s[0, 1] for report in reports]
    assert contact_s == pytest.approx([3.0, 1.0], abs=0.11)
    assert reports[0].links.is_peer.sum() == 0
