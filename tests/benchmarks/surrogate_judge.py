"""Judges the network of kind surrogate on runs of packets that it was not fitted to.

python tests/benchmarks/surrogate_judge.py [--folder DIR]

From DIR/held_out.jsonl (surrogate_packets.py held_out) to DIR/errors.csv, DIR/errors.png and
DIR/README.md: of each case what packets and surrogate came to (means over rounds; settled rounds
but for the shares, which are of rounds cut at 0.6 of their length), the error and the standard
error that it has by the rounds' own chance; of all, mean, worst and the 95 % interval of the mean
(bootstrap over cases). Takes some 30 minutes of processor time, on all cores.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from surrogate_fit import Rounds, surrogate_rounds
from surrogate_packets import FOLDER, Case, read, scenario_of

from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.surrogate import fitted

SETTLED = ("duration_s", "delay_median_s", "delay_p90_s", "joules", "above_idle_j", "tx_s", "rx_s")
CUT = ("delivered_share", "joules")
# What the errors are to be at most, in percent; of shares in points.
BOUNDS = {"joules": 10.0, "cut_joules": 10.0, "cut_delivered_share": 10.0, "duration_s": 20.0}
COLOURS = ("#0072b2", "#d55e00", "0.6")  # of groups
WORDS = {
    "duration_s": "duration until all is settled",
    "delay_median_s": "median delay",
    "delay_p90_s": "delay of 90 %",
    "joules": "joules of radios until all is settled",
    "above_idle_j": "of these, above idling",
    "tx_s": "seconds of sending",
    "rx_s": "seconds of receiving",
    "cut_delivered_share": "delivered share at a deadline (points)",
    "cut_joules": "joules of radios to a deadline",
    "device_j": "a device's joules above idling (mean over devices of the error's size)",
}


def row(case: Case, packets: Rounds, mine: Rounds) -> dict[str, Any]:
    """Return a case with its values and errors."""
    found: dict[str, Any] = {
        "scenario": case.scenario,
        "devices": case.devices,
        "kilobytes": case.kilobytes,
        "spacing_m": case.spacing_m,
        "placement": case.placement,
        "shadowing_db": case.shadowing_db,
        "seed": case.seed,
    }
    for is_cut, names in ((False, SETTLED), (True, CUT)):
        for name in names:
            of = [
                np.array([each[name] for each in rounds if each["is_cut"] == is_cut])
                for rounds in (packets, mine)
            ]
            key = f"cut_{name}" if is_cut else name
            values = [float(each.mean()) for each in of]
            found[f"{key}_packets"], found[f"{key}_surrogate"] = values
            off, chance = difference(*of, is_ratio="share" not in name)
            found[f"{key}_error"], found[f"{key}_chance"] = 100 * off, 100 * chance
    each_j = [
        np.mean([r["devices_above_idle_j"] for r in rounds if not r["is_cut"]], axis=0)
        for rounds in (packets, mine)
    ]
    found["device_j_error"] = 100 * float(np.mean(np.abs(each_j[1] / each_j[0] - 1)))
    return found


def difference(one: np.ndarray, other: np.ndarray, is_ratio: bool) -> tuple[float, float]:
    """Return the other's mean minus the first's, and its standard error; by the first's if asked.

    Rounds count as independent; the error of a ratio is of first order (delta method).
    """
    first, second = float(one.mean()), float(other.mean())
    variances = one.var(ddof=1) / len(one), other.var(ddof=1) / len(other)
    if not is_ratio:
        return second - first, float(np.sqrt(sum(variances)))
    variance = ((second / first) ** 2 * variances[0] + variances[1]) / first**2
    return second / first - 1, float(np.sqrt(variance))


def judged(case: Case, packets: Rounds) -> dict[str, Any]:
    """Return the row of a case; what a run refuses is played and told beside the others."""
    mine = surrogate_rounds(case, packets, fitted.fit_of(case.scenario))
    return row(case, packets, mine) | {"refused": refusal(case)}


def refusal(case: Case) -> str:
    """Return why a run refuses a case, or nothing."""
    try:
        fitted.check(scenario_of(case))
    except ScenarioError as error:
        return str(error)
    return ""


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean, by bootstrap."""
    rng = np.random.default_rng(1)
    means = rng.choice(values, (2000, len(values))).mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def groups(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Return which cases each group has: accepted ones by size, and what a run refuses."""
    is_large, is_in = table["devices"] == 100, table["refused"] == ""
    return {"to 49": is_in & ~is_large, "100": is_in & is_large, "refused": ~is_in}


def summary(table: pd.DataFrame) -> list[str]:
    """Say errors by scenario and size in rows of Markdown."""
    lines = [
        "| scenario | devices | cases | what | mean error | its 95 % interval | mean size | worst"
        " | within bounds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in table["scenario"].unique():
        for label, part in groups(table).items():
            of = table[(table["scenario"] == name) & part]
            for key, words in WORDS.items():
                values = of[f"{key}_error"].to_numpy()
                if not len(values):
                    continue
                between = "{:+.1f} to {:+.1f}".format(*interval(values)) if len(values) >= 5 else ""
                bound = BOUNDS.get(key)
                kept = int((np.abs(values) <= bound).sum()) if bound else 0
                said = f"{kept} of {len(values)} (to {bound:g})" if bound else ""
                worst = values[np.abs(values).argmax()]
                lines.append(
                    f"| {name} | {label} | {len(of)} | {words} | {values.mean():+.1f} % |"
                    f" {between} | {np.abs(values).mean():.1f} | {worst:+.1f} |"
                    f" {said} |"
                )
    return lines


def cases_table(table: pd.DataFrame) -> list[str]:
    """Say the errors of each case that have bounds, with the standard error of chance."""
    lines = [
        "| case | duration s | error | joules | error | share | error | joules to it | error |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    keys = ("duration_s", "joules", "cut_delivered_share", "cut_joules")
    for _, of in table.iterrows():
        case = (
            f"{'refused: ' if of['refused'] else ''}{of['scenario']}, {of['devices']} in a"
            f" {of['placement']}, {of['kilobytes']:g} kB, {of['spacing_m']:g} m,"
            f" {of['shadowing_db']:g} dB"
        )
        cells = [
            f"{of[f'{key}_packets']:.3g} | {of[f'{key}_error']:+.1f} ({of[f'{key}_chance']:.1f})"
            for key in keys
        ]
        lines.append(f"| {case} | {' | '.join(cells)} |")
    return lines


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the surrogate's values over the packets'."""
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.3), layout="constrained")
    keys = ("duration_s", "joules", "cut_delivered_share", "cut_joules")
    for axis, key in zip(axes, keys, strict=True):
        x, y = table[f"{key}_packets"], table[f"{key}_surrogate"]
        low, high = 0.9 * min(x.min(), y.min()), 1.05 * max(x.max(), y.max())
        line, bound = np.array([low, high]), BOUNDS[key] / 100
        width = np.full(2, bound) if "share" in key else bound * line
        axis.fill_between(line, line - width, line + width, color="0.9", lw=0)
        axis.plot(line, line, color="0.5", lw=0.8)
        for name, marker in (("mesh80211", "o"), ("adhoc80211", "^")):
            for color, (said, part) in zip(COLOURS, groups(table).items(), strict=True):
                label = f"{name}, {said}" + (" devices" if said != "refused" else "")
                of = (table["scenario"] == name) & part
                axis.plot(x[of], y[of], marker, ms=4, color=color, label=label)
        axis.set(title=WORDS[key], xlabel="packets", ylabel="surrogate")
        axis.title.set_fontsize(8)
    axes[0].legend(fontsize=6)
    figure.savefig(path, dpi=150)


def main() -> int:
    """Judge all held-out cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    cases, rows = read(options.folder / "held_out.jsonl"), []
    with ProcessPoolExecutor() as pool:
        for each in pool.map(judged, cases.keys(), cases.values()):
            rows.append(each)
            print(each["scenario"], each["devices"], f"{each['joules_error']:+.1f} %", flush=True)
    table = pd.DataFrame(rows)
    table.round(4).to_csv(options.folder / "errors.csv", index=False)
    draw(table, options.folder / "errors.png")
    text = (options.folder / "README.head.md").read_text(encoding="utf-8").splitlines()
    text += ["", "## Errors on held-out cases", "", *summary(table), "", "![errors](errors.png)"]
    text += ["", "## Each case", "", *cases_table(table)]
    (options.folder / "README.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print(fitted.FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
