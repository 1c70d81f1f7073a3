"""The losses that docs/rays.py traces, against two rays by hand and the committed ones."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT, TRACE = ROOT / "docs" / "rays.py", ROOT / "results" / "reference" / "rays" / "losses.csv"
F_HZ, LIGHT_M_PER_S = 5.18e9, 299_792_458.0
needs_rays = pytest.mark.skipif(
    importlib.util.find_spec("sionna") is None, reason="needs Sionna RT (pip install '.[rays]')"
)


def two_rays_db(apart_m: float, height_m: float = 1.53) -> float:
    """Loss of the direct ray and the one by a floor of concrete, which the scene has at -0.03 m.

    The field is vertical: Fresnel's coefficient of the parallel polarisation. Permittivity and
    conductivity of concrete: ITU-R P.2040-3, table 3.
    """
    permittivity = 5.24 - 1j * 0.0462 * 5.18**0.7822 / (2 * np.pi * F_HZ * 8.8542e-12)
    by_floor_m = np.hypot(apart_m, 2 * height_m)
    into = 2 * height_m / by_floor_m  # cosine of the angle of incidence
    root = np.sqrt(permittivity - 1 + into**2)
    reflected = (permittivity * into - root) / (permittivity * into + root)
    k = 2 * np.pi * F_HZ / LIGHT_M_PER_S
    field = np.exp(-1j * k * apart_m) / apart_m
    field += reflected * np.exp(-1j * k * by_floor_m) / by_floor_m
    return float(-20 * np.log10(np.abs(field) / (2 * k)))


def traced_db(time_s: float, i: int, j: int) -> float:
    trace = pd.read_csv(TRACE)
    (loss_db,) = trace.query(f"time_s == {time_s} and i == {i} and j == {j}")["loss_db"]
    return float(loss_db)


def test_a_pair_in_sight_has_the_loss_of_two_rays() -> None:
    # Device 4 walks past device 1: 15 m before it to 12 m behind, 3 m to its side.
    for step in range(7):
        apart_m = float(np.hypot(-20 + 4.5 * step + 5, 3))
        assert traced_db(3 * step, 1, 4) == pytest.approx(two_rays_db(apart_m), abs=1.2)


def test_a_pair_around_a_corner_is_far_weaker_and_comes_into_sight() -> None:
    in_street_m, around_m = np.hypot(64, 3), np.hypot(64, 20)
    assert around_m < 1.05 * in_street_m
    assert traced_db(0, 0, 3) > traced_db(0, 0, 2) + 20
    # Device 4 begins around the corner from device 3, and ends in sight of it, 22 m away.
    assert traced_db(0, 3, 4) > two_rays_db(float(np.hypot(44, 22))) + 15
    assert traced_db(30, 3, 4) == pytest.approx(two_rays_db(float(np.hypot(1, 22))), abs=3)


def test_without_sionna_one_line_says_so_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "drjit.py").write_text("raise ImportError('No module named drjit')\n")
    ran = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "into")],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith(
        "error: rays.py: expected Sionna RT (without a GPU also LLVM), got"
    )
    assert ran.stderr.count("\n") == 1
    assert "install '.[rays]'" in ran.stderr
    assert not (tmp_path / "into").exists()


@needs_rays
@pytest.mark.timeout(900)
def test_the_committed_trace_is_what_the_script_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], check=True)
    for name in ("moves.tcl", "losses.csv"):
        assert len((tmp_path / name).read_text()) > 200
    moves = (TRACE.parent / "moves.tcl").read_text()
    assert (tmp_path / "moves.tcl").read_text() == moves
    made, kept = pd.read_csv(tmp_path / "losses.csv"), pd.read_csv(TRACE)
    assert made[["time_s", "i", "j"]].equals(kept[["time_s", "i", "j"]])
    # Deep in shadow, weak paths cancel, and which are found is up to the last bits.
    bound_db = np.where(kept["loss_db"] < 90, 0.2, 3.0)
    assert (np.abs(made["loss_db"] - kept["loss_db"]) < bound_db).all()


# Two devices at the open end of the street, 27 m and more from all houses.
OPEN = """
import json, runpy
import numpy as np
rays = runpy.run_path("docs/rays.py")
radio = rays["Radio"]()
print(json.dumps([rays["losses_db"](np.array([[-92.0, -6.0, 1.5], [-92.0, y, 1.5]]), radio, 1)[0, 1]
                  for y in (-1.0, 4.0, 14.0)]))
"""


@needs_rays
@pytest.mark.timeout(900)
def test_in_the_open_the_tracer_has_the_loss_of_two_rays() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", OPEN], cwd=ROOT, check=True, capture_output=True, text=True
    )
    by_hand_db = [two_rays_db(apart_m) for apart_m in (5.0, 10.0, 20.0)]
    assert json.loads(ran.stdout) == pytest.approx(by_hand_db, abs=0.3)
