"""Fits the coefficients of the network of kind surrogate to runs of packets.

python tests/benchmarks/surrogate_fit.py [--folder DIR] [--designs 18] [--largest 36]

From DIR/fit.jsonl (surrogate_packets.py fit). Errors of every case are worked out at coefficients
drawn from BOXES (a Latin hypercube), and taken as linear in them; the coefficients of the least
squares are written to ns3_scenarios/surrogate/fitted.toml, with the ranges of what they were fitted
to. An error of 10 % of joules above idle, tx and rx seconds or delivered share counts as one of 20
% of durations and delays. Cases of more than `largest` devices are left out of the fit, for its
time, but not of the ranges. Takes some 25 minutes of processor time, on all cores;
`surrogate_judge.py` follows.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import lsq_linear
from scipy.stats import qmc
from surrogate_packets import FOLDER, Case, play, read, scenario_of

from cosim.records.code_version import code_version
from ns3_scenarios.surrogate import fitted
from ns3_scenarios.surrogate.fitted import Coefficients, Fit
from ns3_scenarios.surrogate.network import SurrogateNetwork

# Where each is looked for; the others are what fitted.toml has.
BOX = {
    "rts_snr_db": (0.0, 5.0),
    "margin_db": (0.5, 3.5),
    "preamble_snr_db": (3.0, 7.0),
    "overheard_snr_db": (0.0, 4.0),
    "edge_mpdus": (0.3, 1.5),
    "access_us": (0.0, 50.0),
}
BOXES = {"mesh80211": BOX | {"stray_loss": (0.0, 0.0015)}, "adhoc80211": BOX}
# Largest error that is to be: of ratios as logarithms.
ALLOWED = {
    "duration_s": 0.2,
    "delay_median_s": 0.2,
    "delay_p90_s": 0.2,
    "tx_s": 0.1,
    "rx_s": 0.1,
    "above_idle_j": 0.1,
}
Rounds = list[dict[str, Any]]


def surrogate_rounds(case: Case, rounds: Rounds, fit: Fit | None = None) -> Rounds:
    """Play a case over the surrogate, as many rounds, and cut after the same time, as packets."""
    scenario = scenario_of(case)
    cut_s = [each["duration_s"] for each in rounds if each["is_cut"]]
    return list(play(case, scenario, SurrogateNetwork(scenario, fit), len(cut_s), cut_s[0]))


def errors(packets: Rounds, mine: Rounds) -> dict[str, float]:
    """Return log ratios of means over settled rounds, and what of the cut ones differs in share."""

    def mean(rounds: Rounds, name: str, is_cut: bool) -> float:
        return float(np.mean([each[name] for each in rounds if each["is_cut"] == is_cut]))

    found = {
        name: float(np.log(mean(mine, name, False) / mean(packets, name, False)))
        for name in ALLOWED
    }
    share = "delivered_share"
    return found | {share: mean(mine, share, True) - mean(packets, share, True)}


def residuals(cases: dict[Case, Rounds], fit: Fit) -> np.ndarray:
    """Return the errors of all cases in units of what is allowed."""
    allowed = ALLOWED | {"delivered_share": 0.1}
    return np.array(
        [
            error / allowed[name]
            for case, rounds in cases.items()
            for name, error in errors(rounds, surrogate_rounds(case, rounds, fit)).items()
        ]
    )


def fit_scenario(name: str, cases: dict[Case, Rounds], designs: int) -> Coefficients:
    """Return the coefficients of the least squares, by a model that is linear in them."""
    fit = fitted.fit_of(name)
    names = list(BOXES[name])
    low, high = np.array(list(BOXES[name].values())).T
    unit = qmc.LatinHypercube(len(names), seed=1).random(designs)
    points, rows = low + unit * (high - low), []
    fits = [
        replace(fit, coefficients=replace(fit.coefficients, **dict(zip(names, point, strict=True))))
        for point in points.tolist()
    ]
    with ProcessPoolExecutor() as pool:
        for point, row in zip(points, pool.map(partial(residuals, cases), fits), strict=True):
            rows.append(row)
            rms = np.sqrt(np.mean(row**2))
            print(name, np.round(point, 4).tolist(), f"rms {rms:.3f}", flush=True)
    model = np.linalg.lstsq(np.column_stack([np.ones(designs), unit]), np.array(rows), rcond=None)[
        0
    ]
    # A weak pull to the middle, where a coefficient does not show.
    pull = 0.3 * np.sqrt(model.shape[1] / len(names)) * np.eye(len(names))
    system = np.vstack([model[1:].T, pull])
    goal = np.concatenate([-model[0], pull @ np.full(len(names), 0.5)])
    best = low + lsq_linear(system, goal, bounds=(0.0, 1.0)).x * (high - low)
    own = {each: float(f"{value:.3g}") for each, value in zip(names, best, strict=True)}
    return replace(fit.coefficients, **own)


def ranges(cases: dict[Case, Rounds]) -> dict[str, list[float]]:
    """Return the least and the most of what the cases are."""
    found: dict[str, list[float]] = {}
    for case in cases:
        values = {what: float(x) for what, x in fitted.described(scenario_of(case)).items()}
        values |= {"devices": case.devices, "kilobytes": case.kilobytes}
        for what, value in values.items():
            found.setdefault(what, []).append(value)
    return {what: [round(min(x), 2), round(max(x), 2)] for what, x in found.items()}


def written(tables: dict[str, tuple[Coefficients, dict[str, list[float]]]]) -> str:
    """Put the fits into TOML."""
    lines = [
        "# Made by tests/benchmarks/surrogate_fit.py; judged by surrogate_judge.py, after which",
        "# judged_devices and share_error_points are set by hand: the fit keeps them.",
        f'code_version = "{code_version()}"',
    ]
    for name, (coefficients, of) in tables.items():
        forwards = str(fitted.is_forwarding(name)).lower()
        lines += ["", f"[scenarios.{name}]", f"forwards = {forwards}"]
        fit = fitted.fit_of(name)
        lines += [f"judged_devices = {list(fit.judged_devices)}"]
        lines += [f"share_error_points = {list(fit.share_error_points)}"]
        lines += ["", f"[scenarios.{name}.coefficients]"]
        lines += [f"{key} = {value}" for key, value in asdict(coefficients).items()]
        lines += ["", f"[scenarios.{name}.ranges]", *(f"{k} = {v}" for k, v in of.items())]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Fit both scenarios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--designs", type=int, default=18)
    parser.add_argument("--largest", type=int, default=36)
    parser.add_argument("--only", default="", help="fit this scenario alone")
    options = parser.parse_args()
    known = read(options.folder / "fit.jsonl")
    tables = {}
    for name in ("mesh80211", "adhoc80211"):
        cases = {case: rounds for case, rounds in known.items() if case.scenario == name}
        small = {case: of for case, of in cases.items() if case.devices <= options.largest}
        is_fitted = options.only in ("", name)
        best = (
            fit_scenario(name, small, options.designs)
            if is_fitted
            else fitted.fit_of(name).coefficients
        )
        print(name, best)
        tables[name] = best, ranges(cases)
    fitted.FILE.write_text(written(tables), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
