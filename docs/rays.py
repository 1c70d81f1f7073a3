"""From rays to a run: losses among five devices in a street canyon, for network.loss_trace.

python docs/rays.py FOLDER [--steps 10] [--step_s 3.0] [--seed 1]

             |   3 |                      Sionna's simple_street_canyon, its houses 22 to 51 m high:
    _________|     |____   y = 9.6 m      a street of 18 m, a side street from x = 16 m to 32 m.
    0      4 ->  1   2                    Devices are 1.5 m high; 4 walks at 1.5 m/s.
    ________       _____   y = -8.6 m

The loss of a pair is that of the whole channel, L = -10 log10(mean over f of |H(f)|^2) with
H(f) = sum over paths of a e^(-j 2 pi f tau), f over its subcarriers: in each, paths add up with
their phases, and of a signal as strong in all a receiver gets the mean power, as by Parseval's
theorem (a, tau: Sionna RT, `Paths.cfr`). At the carrier alone, a fade of one subcarrier would count
for all; ns-3 has one loss a frame. Antennas are isotropic and vertical. Up to 5 reflections and one
diffraction; nothing goes through walls, since the houses are empty, and nothing is scattered.
"""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np

from ns3_scenarios.description.radio import Radio
from ns3_scenarios.errors import ScenarioError

SCENE, WALKER, SPEED_MPS = "simple_street_canyon", 4, 1.5  # who walks along x
PLACES_M = np.array([[-40, 2, 1.5], [-5, -3, 1.5], [24, -1, 1.5], [24, 22, 1.5], [-20, 0, 1.5]])
NO_PATH_DB = 300.0  # written of a pair without a path: nothing is heard


def stop(expected: str, got: str) -> NoReturn:
    remedy = "install '.[rays]' and LLVM 19 or later, and name it in DRJIT_LIBLLVM_PATH"
    print(f"error: rays.py: expected {expected}, got {got}; {remedy}", file=sys.stderr)
    sys.exit(2)


try:
    import drjit
    import mitsuba
    from sionna import rt
except ImportError as error:
    stop("Sionna RT (without a GPU also LLVM)", " ".join(str(error).split()))
if mitsuba.variant().startswith("llvm") and drjit.detail.llvm_version() < (19,):
    stop("LLVM 19 or later", "LLVM " + ".".join(map(str, drjit.detail.llvm_version())))


def losses_db(places_m: np.ndarray, radio: Radio, seed: int) -> np.ndarray:
    """Return L (n, n) of devices at places_m (n, 3) [m], the same in both directions [dB]."""
    scene = rt.load_scene(getattr(rt.scene, SCENE))
    scene.frequency = radio.frequency_hz
    antenna = rt.PlanarArray(num_rows=1, num_cols=1, pattern="iso", polarization="V")
    scene.tx_array = scene.rx_array = antenna
    for i, place_m in enumerate(places_m.tolist()):
        scene.add(rt.Transmitter(f"from {i}", place_m))
        scene.add(rt.Receiver(f"to {i}", place_m))
    effort = {"max_depth": 5, "samples_per_src": 200_000, "max_num_paths_per_src": 50_000}
    paths = rt.PathSolver()(scene, diffraction=True, refraction=False, seed=seed, **effort)
    half = np.arange(2, 2 + 121 * radio.channel_width_mhz // 20)  # at 20 MHz as 802.11ax, 27.3.10
    tones = mitsuba.Float(78_125.0 * np.concatenate([-half[::-1], half]))
    h = paths.cfr(tones, normalize_delays=False, out_type="numpy")[:, 0, :, 0, 0]
    gain = np.mean(np.abs(h).astype(np.float64) ** 2, axis=-1)
    # With diffraction, its two directions differ: by up to 0.4 dB in sight, 2.5 dB out of it.
    return -10 * np.log10(np.maximum((gain + gain.T) / 2, 10 ** (-NO_PATH_DB / 10)))


def main() -> None:
    """Trace the street at each step, and write what a run reads."""
    parser = argparse.ArgumentParser(description="Trace a street: losses.csv, moves.tcl.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=10, help="0: nobody walks (%(default)s)")
    parser.add_argument("--step_s", type=float, default=3.0, help="time of a step (%(default)s s)")
    parser.add_argument("--seed", type=int, default=1, help="of the search for paths (%(default)s)")
    for name in ("standard", "band_ghz", "channel_width_mhz", "channel_number"):
        usual = Radio.model_fields[name].default
        parser.add_argument(f"--{name}", type=type(usual), default=usual, help="as of the run")
    given = parser.parse_args()
    if given.steps < 0 or not 0 < given.step_s < np.inf:
        parser.error(f"expected steps from 0, step_s above 0, got {given.steps}, {given.step_s}")
    try:
        radio = Radio(**{k: v for k, v in vars(given).items() if k in Radio.model_fields})
    except (ScenarioError, ValueError) as error:
        parser.error(" ".join(str(error).split()))
    rows = ["time_s,i,j,loss_db"]
    for time_s in given.step_s * np.arange(given.steps + 1):
        places_m = PLACES_M + np.eye(len(PLACES_M), 3, -WALKER) * SPEED_MPS * time_s
        loss_db = losses_db(places_m, radio, given.seed)
        pairs = np.argwhere(np.triu(np.ones_like(loss_db), 1))
        rows += [f"{time_s:g},{i},{j},{loss_db[i, j]:.2f}" for i, j in pairs]
    moves = [f"$node_({i}) set {'XY'[k]}_ {PLACES_M[i, k]:g}" for i, k in np.ndindex(5, 2)]
    end = f"{places_m[WALKER, 0]:g} {places_m[WALKER, 1]:g} {SPEED_MPS:g}"
    moves += [f'$ns_ at 0 "$node_({WALKER}) setdest {end}"'] if given.steps else []
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("losses.csv", rows), ("moves.tcl", moves)):
        (given.folder / name).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
