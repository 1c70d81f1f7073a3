"""Channels against their formulas, and movement against its own description."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mesh import run_mesh
from scipy import stats

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.validation import theory_path_loss as theory

F_HZ = 5.18e9  # channel 36
pytestmark = [pytest.mark.ns3, pytest.mark.timeout(120)]

# Loss of the shipped channel between two devices at given distances and times.
PROGRAM = """
import json, pickle, sys
from dataclasses import replace
import numpy as np
from ns3_scenarios.build.losses import make_losses
from ns3_scenarios.build.nodes import make_nodes
from ns3_scenarios.session import load_ns3

scenario, distances_m, times_s, pairs, walk_m = pickle.load(sys.stdin.buffer)
ns = load_ns3()
still = scenario.mobility.model_copy(update={"mobility": "static", "movement": None})
nodes = make_nodes(ns, replace(scenario, mobility=still))
model = make_losses(ns.cosim_native, scenario, nodes)[0]
count = scenario.num_devices
at = [nodes.Get(i).__deref__().GetObject[ns.MobilityModel]() for i in range(count)]
losses_db = []
for time_s in times_s:
    ns.Simulator.Stop(ns.Seconds(time_s) - ns.Simulator.Now())
    ns.Simulator.Run()
    for distance_m, east_m in zip(distances_m, walk_m, strict=True):
        for i, j in pairs:
            here, there = at[i].GetPosition(), at[j].GetPosition()
            at[i].SetPosition(ns.Vector(east_m, 0, here.z))
            at[j].SetPosition(ns.Vector(east_m + distance_m, 0, there.z))
            losses_db.append([-model.CalcRxPower(0.0, at[a], at[b]) for a, b in ((i, j), (j, i))])
print(json.dumps(losses_db))
"""


def losses_db(
    *flags: str,
    distances_m: Any = (10.0,),
    times_s: Any = (1.0,),
    pairs: Any = ((0, 1),),
    walk_m: Any = None,
) -> Any:
    """Loss both ways, (times, distances, pairs, 2) [dB]; both ends of a pair walk east alike."""
    arguments = [word for flag in flags for word in f"--network.{flag}".split("=")]
    walk_m = [0.0] * len(distances_m) if walk_m is None else list(walk_m)
    scenario = make_scenario(load(arguments, None, "adhoc80211"))
    case = pickle.dumps([scenario, list(distances_m), list(times_s), list(pairs), walk_m])
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=case, capture_output=True, check=True
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


@pytest.mark.parametrize("path_loss", ["v2v_urban", "v2v_highway"])
def test_a_vehicle_in_between_takes_the_same_from_all_frames_until_the_sight_is_drawn_anew(
    path_loss: str,
) -> None:
    steps = 800  # of 5 m, both ends together: drawn anew some 80 times
    measured = losses_db(
        f"path_loss={path_loss}",
        "mobility=random_waypoint",
        "shadowing_sigma_db=0",
        distances_m=[100.0] * steps,
        walk_m=2.5 * np.arange(steps),
    )[0, :, 0]
    np.testing.assert_array_equal(measured[:, 0], measured[:, 1])
    formula = theory.v2v_urban_db if path_loss == "v2v_urban" else theory.v2v_highway_db
    sights_db = np.array(formula(100.0, F_HZ))
    by_vehicle = ~np.isclose(measured[:, :1], sights_db).any(axis=1)
    vehicle_db = np.where(by_vehicle, measured[:, 0], 0.0).round(9)
    # Each vehicle stands once, for as long as it stands: no value comes back.
    stands = np.flatnonzero(np.diff(vehicle_db, prepend=0.0)) if by_vehicle.any() else []
    values = vehicle_db[stands][vehicle_db[stands] > 0]
    assert len(set(values)) == len(values) > 2
    assert by_vehicle.sum() > 3 * len(values)


@pytest.mark.parametrize(
    ("path_loss", "apart_m", "held_m"), [("inh", 20.0, 10.0), ("d2d", 40.0, 20.0)]
)
def test_line_of_sight_flips_as_rarely_as_its_correlation_distance_says(
    path_loss: str, apart_m: float, held_m: float
) -> None:
    # Two pedestrians at 0.5 m/s move 1.1 m together in 1.1 s.
    n, steps, moved_m = 30, 20, 1.1
    pairs = [(i, j) for i in range(n) for j in range(i)]
    measured = losses_db(
        f"path_loss={path_loss}",
        "mobility=random_waypoint",
        "shadowing_sigma_db=0",
        f"num_devices={n}",
        distances_m=[apart_m] * steps,
        walk_m=moved_m / 2 * np.arange(steps),
        pairs=pairs,
    )[0, :, :, 0]
    share = theory.inh_los_share if path_loss == "inh" else theory.d2d_los_share
    sight_db = (theory.inh_db if path_loss == "inh" else theory.d2d_db)(apart_m, F_HZ)[0]
    is_los = np.isclose(measured, sight_db, atol=0.05)
    p = share(apart_m)
    flips = 2 * p * (1 - p) * (1 - np.exp(-moved_m / held_m))
    spread = np.sqrt(flips * (1 - flips) / (len(pairs) * (steps - 1)))
    assert np.diff(is_los, axis=0).mean() == pytest.approx(flips, abs=4 * spread)


def test_sight_follows_a_device_that_comes_near() -> None:
    # Within 1.2 m on the ground all are in sight (38.901, 7.4.2-1), whatever was drawn farther off.
    n = 12
    pairs = [(i, j) for i in range(n) for j in range(i)]
    flags = ("path_loss=inh", "shadowing_sigma_db=0", f"num_devices={n}")
    far_db, near_db, again_db = losses_db(*flags, distances_m=[60.0, 1.1, 60.0], pairs=pairs)[
        0, :, :, 0
    ]
    assert len(set(far_db.round(6))) == 2
    np.testing.assert_allclose(near_db, theory.inh_db(1.1, F_HZ)[0], atol=0.05)
    np.testing.assert_array_equal(again_db, far_db)


@pytest.mark.parametrize(
    ("path_loss", "base_m", "least_m"),
    [
        *((name, 1.5, 1.0) for name in ("log_distance", "friis", "two_ray", "itu_p1411", "d2d")),
        *((name, 1.5, 1.0) for name in ("inh", "v2v_urban", "v2v_highway")),
        ("umi", 10.0, 10.0),
        ("uma", 25.0, 10.0),
    ],
)
def test_ends_nearer_than_a_model_is_for_count_as_its_least_distance(
    tmp_path: Path, path_loss: str, base_m: float, least_m: float
) -> None:
    file = tmp_path / "places.csv"
    file.write_text(f"x_m,y_m,z_m\n0,0,{base_m}\n50,0,1.5\n")
    measured = losses_db(
        f"path_loss={path_loss}",
        "num_devices=2",
        "placement=file",
        f"placement_file={file}",
        "neighbour_distance_m=60",
        "shadowing_sigma_db=0",
        distances_m=[0.0, least_m / 2, least_m, 3 * least_m],
    )[0, :, 0]
    assert np.isfinite(measured).all()
    np.testing.assert_allclose(measured[:3], measured[2, 0], atol=1e-9)
    assert measured[3, 0] > measured[2, 0] + 3


@pytest.mark.parametrize(
    ("sigma", "sigmas_db"), [("", (3.0, 8.03)), ("shadowing_sigma_db=5", (5, 5))]
)
def test_shadowing_has_the_models_own_sigma_in_sight_and_without(
    sigma: str, sigmas_db: tuple[float, float]
) -> None:
    n = 40
    pairs = [(i, j) for i in range(n) for j in range(i)]
    flags = ["path_loss=inh", f"num_devices={n}", *([sigma] if sigma else [])]
    total = losses_db(*flags, distances_m=[20.0], pairs=pairs)
    none = ["path_loss=inh", f"num_devices={n}", "shadowing_sigma_db=0"]
    plain = losses_db(*none, distances_m=[20.0], pairs=pairs)  # the same sights
    x_db = (total - plain)[0, 0, :, 0]
    is_los = np.isclose(plain[0, 0, :, 0], theory.inh_db(20.0, F_HZ)[0], atol=0.05)
    for own, sigma_db in ((is_los, sigmas_db[0]), (~is_los, sigmas_db[1])):
        assert x_db[own].std() == pytest.approx(sigma_db, abs=4 * sigma_db / np.sqrt(2 * own.sum()))


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
    # Device 1 leaves 1 s after the start of the first round (at 3 s) with 10 m/s: 5 m away until
    # 4 s, beyond 35 m from 7 s on.
    file = tmp_path / "moves.tcl"
    place = "".join(f"$node_({i}) set X_ {5 * i}.0\n$node_({i}) set Y_ 0.0\n" for i in range(2))
    file.write_text(place + '$ns_ at 1.0 "$node_(1) setdest 500.0 0.0 10.0"\n')
    flags = f"--network.mobility ns2_trace --network.mobility_trace {file} --network.num_devices 2"
    scenario = make_scenario(load(flags.split(), None, "adhoc80211"))
    reports = run_mesh(scenario, tmp_path, 2, payload_bytes=2000)
    ends_m = [report.position_m[1, 0] for report in reports]
    assert ends_m == pytest.approx([25.0, 55.0], abs=0.1)  # rounds end at 6 and 9 s
    contact_s = [report.links.contact_s[0, 1] for report in reports]
    assert contact_s == pytest.approx([3.0, 1.0], abs=0.11)
    assert reports[0].links.is_peer.sum() == 0
