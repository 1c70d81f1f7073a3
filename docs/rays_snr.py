"""Signal over noise of a run over a ray-traced channel, beside that of the ray tracer.

python docs/rays_snr.py RUN FOLDER

RUN: a run of mesh80211 over the trace of docs/rays.py. Writes snr.csv, a row a round and link, and
snr.png: above, the links to the device that walks, lines of the ray tracer, circles snr_db and dots
sinr_db of ns-3; below, all links. By hand, from the trace as it holds in a round:
SNR = transmit power + 2 antenna gain - loss - (-173.98 dBm/Hz + 10 log10(width) + noise figure).
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from cosim.config.sources import load

WALKER, OTHERS = 4, (0, 1, 2, 3)
STYLE = Path(__file__).parents[1] / "cosim" / "report" / "paper.mplstyle"


def measured(run: Path) -> pd.DataFrame:
    """Return each round and link: traced_snr_db by hand, snr_db and sinr_db of ns-3."""
    net = load([], run / "config.toml", None).network
    trace = pd.read_csv(net.loss_trace)
    noise_dbm = -173.98 + 10 * np.log10(1e6 * net.channel_width_mhz) + net.noise_figure_db
    trace["traced_snr_db"] = (
        net.tx_power_dbm + 2 * net.antenna_gain_dbi - trace["loss_db"] - noise_dbm
    )
    both = pd.concat([trace, trace.rename(columns={"i": "j", "j": "i"})])
    links = pd.read_parquet(run / "links.parquet")
    links["time_s"] = (links["round"] - 1) * net.round_period_s
    rows = pd.merge_asof(
        links.sort_values("time_s"),
        both.astype({"time_s": float}).sort_values("time_s"),
        on="time_s",
        left_by=["src", "dst"],
        right_by=["i", "j"],
    ).sort_values(["time_s", "src", "dst"])
    return rows[["time_s", "src", "dst", "traced_snr_db", "snr_db", "sinr_db"]]


def main() -> None:
    """Write the table, and draw the links of the device that walks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("folder", type=Path, help="for snr.csv and snr.png")
    given = parser.parse_args()
    rows = measured(given.run)
    given.folder.mkdir(parents=True, exist_ok=True)
    rows.to_csv(given.folder / "snr.csv", index=False, float_format="%.3f")
    plt.style.use(STYLE)
    figure, (over_time, error) = plt.subplots(
        2, 1, figsize=(3.5, 3.6), sharex=True, height_ratios=[2, 1], layout="constrained"
    )
    step_s = float(rows["time_s"].unique()[1])
    for other in OTHERS:
        link = rows[(rows["src"] == other) & (rows["dst"] == WALKER)]
        (line,) = over_time.step(
            [*link["time_s"], link["time_s"].max() + step_s],
            [*link["traced_snr_db"], link["traced_snr_db"].iloc[-1]],
            where="post",
            label=f"{other} to {WALKER}",
        )
        middle_s, dots = link["time_s"] + step_s / 2, {"ls": "none", "color": line.get_color()}
        over_time.plot(middle_s, link["snr_db"], marker="o", mfc="none", ms=5, mew=0.8, **dots)
        over_time.plot(middle_s, link["sinr_db"], marker=".", ms=4, **dots)
    over_time.set_ylabel("SNR (dB)")
    over_time.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1), columnspacing=0.8)
    middle_s, dots = rows["time_s"] + step_s / 2, {"ls": "none", "color": "black"}
    for name, marker in (
        ("snr_db", {"marker": "o", "ms": 5, "mfc": "none"}),
        ("sinr_db", {"marker": "."}),
    ):
        error.plot(middle_s, rows[name] - rows["traced_snr_db"], label=name, **marker, **dots)
    error.legend(loc="lower right")
    error.set(ylabel="all links:\nns-3 - rays (dB)", xlabel="time since the first round (s)")
    figure.savefig(given.folder / "snr.png")


if __name__ == "__main__":
    main()
