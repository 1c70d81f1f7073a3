"""A run folder as one HTML page: no network, no other file, everything inside."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cosim.files import replace_whole
from cosim.records.layout import REPORT
from cosim.records.parquet import read_table
from cosim.report.playback import playback
from cosim.report.summary import modalities_of, percent, summarise, summary_lines


def write_report(folder: Path, not_drawn: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Write report.html of a finished run into its folder.

    Args:
        folder: a run folder with config.toml, manifest.json and its tables; each of FIGURES that
            has a figures/<name>.png is shown.
        not_drawn: name of a figure -> why there is none.

    Returns:
        The path of the page. The same folder gives the same bytes.

    Raises:
        FileNotFoundError: one of these files is missing; the message says which.
        ValueError: the run has no finished round.

    Leaves out: other images, and comparison with other runs.
    """
    _check_complete(folder)
    tables = {name: read_table(folder / f"{name}.parquet") for name in _TABLES}
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    summary = summarise(**tables, manifest=manifest)
    page = render(
        Path(__file__).with_name("page.html.jinja"),
        kind=_kind(summary),
        title=folder.resolve().name.removesuffix(".partial"),  # it may not have its name yet
        headline=_headline(summary),
        summary=summary_lines(summary),
        figures=_figures(folder / "figures"),
        not_drawn=not_drawn,
        playback=playback(tables["devices"], read_table(folder / "links.parquet")),
        devices=_device_rows(tables["devices"]),
        sums=_sums(summary),
        config=(folder / "config.toml").read_text(encoding="utf-8"),
        provenance=_flat(manifest),
    )
    path = folder / REPORT
    replace_whole(path, page)
    return path


def render(template: Path, **values: Any) -> bytes:
    """Fill a template; a value that it misses is an error."""
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page = environment.get_template(template.name).render(**values)
    return page.encode(errors="backslashreplace")


def shown(png: Path, heading: str, caption: str) -> dict[str, str]:
    """Return a figure as templates take it, its picture within the page."""
    data = base64.b64encode(png.read_bytes()).decode("ascii")
    return {"heading": heading, "caption": caption, "data": data}


_TABLES = ("rounds", "devices", "flows")


def _check_complete(folder: Path) -> None:
    tables = (f"{name}.parquet" for name in (*_TABLES, "links"))
    needed = ["config.toml", "manifest.json", *tables]
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"report: expected a run folder; {folder} lacks {', '.join(missing)}. A folder with "
            "its final name is complete, so give that one, or run the simulation again."
        )


def _headline(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Pick the numbers in large type: value, and what it is."""
    joules = summary["radio_j"] + summary["compute_j"] + summary["board_j"]
    alive = f"{summary['alive_devices']} of {summary['devices']}"
    learnt = (percent(summary["accuracy_mean"]), "mean accuracy")
    planned = (percent(summary["plan_share"]), "of it in the plan's hands")
    delay_s = summary["delay_median_s"]
    within = ("n/a" if delay_s is None else f"{delay_s:.2f} s", "within which half arrived")
    return [
        *([learnt] if summary["learns"] else []),
        (f"{joules:,.0f} J", "energy of all devices"),
        *([planned] if summary["learns"] else []),
        (percent(summary["delivered_bytes_share"]), "of bytes delivered"),
        *([] if summary["learns"] else [within]),
        (alive, "devices alive"),
        (f"{summary['simulated_s']:,.0f} s", f"simulated, {summary['rounds']} rounds"),
    ]


def _kind(summary: dict[str, Any]) -> str:
    what = "Decentralised multi-modal learning" if summary["learns"] else "Traffic of given lengths"
    return f"{what} over a simulated wireless network"


def _sums(summary: dict[str, Any]) -> str:
    """Say what of the devices' table is a last value, and what a sum."""
    last, summed = ("Accuracy, position", "iterations, joules")
    if not summary["learns"]:
        last, summed = ("Position", "joules")
    return (
        f"{last} and energy left are the last known ones; {summed} and bytes are sums over the run."
    )


def _figures(folder: Path) -> list[dict[str, str]]:
    if not any(folder.glob("*.png")):
        return []
    from cosim.report.figure_files import FIGURES  # brings matplotlib

    drawn = ((folder / f"{each.name}.png", each) for each in FIGURES)
    return [shown(png, each.heading, each.caption) for png, each in drawn if png.is_file()]


def _device_rows(devices: pd.DataFrame) -> list[dict[str, str]]:
    """One row a device: sums over the run, and the last known state."""
    ordered = devices.sort_values("round")
    groups = ordered.groupby("device")
    last = groups.last()  # the last value that is not null
    total = groups.sum(numeric_only=True)
    any_board = devices["board_j"].any()
    any_revived = devices["revived_at_s"].notna().any()
    modalities, rows = modalities_of(devices), []
    for device in last.index:
        now, sums = last.loc[device], total.loc[device]
        accuracy = None if pd.isna(now["accuracy"]) else float(now["accuracy"])
        learnt = {"Samples": f"{now['samples']:,.0f}", "Accuracy": percent(accuracy)}
        rows.append(
            {
                "Device": str(device),
                "x (m)": f"{now['x_m']:.1f}",
                "y (m)": f"{now['y_m']:.1f}",
                **(learnt if modalities else {}),
                **{f"Iterations {m}": f"{sums[f'iterations_{m}']:,.0f}" for m in modalities},
                "Radio (J)": f"{sums['radio_j']:,.1f}",
                **({"Compute (J)": f"{sums['compute_j']:,.1f}"} if modalities else {}),
                **({"Board (J)": f"{sums['board_j']:,.1f}"} if any_board else {}),
                "Left (J)": f"{max(now['remaining_energy_j'], 0.0):,.1f}",
                "Sent (kB)": f"{sums['sent_bytes'] / 1e3:,.1f}",
                "Received (kB)": f"{sums['received_bytes'] / 1e3:,.1f}",
                "Died (s)": _time(now["died_at_s"]),
                **({"Back (s)": _time(now["revived_at_s"])} if any_revived else {}),
            }
        )
    return rows


def _time(when_s: float) -> str:
    return "" if pd.isna(when_s) else f"{when_s:,.1f}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Name nested values by dotted keys: {"seeds": {"ns3": 1}} -> {"seeds.ns3": "1"}."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat
