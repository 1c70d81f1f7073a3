"""What a run came to, as numbers (for a report or a test) and as the closing text for a person."""

from typing import Any

import numpy as np
import pandas as pd

from cosim.records.delays import DELAYS, delay_s
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.reports import OUTCOMES

DEATHS_SHOWN = 6
ACCURACIES = (
    *("accuracy_mean", "accuracy_min", "accuracy_max"),
    *("accuracy_alive_mean", "accuracy_alive_min", "accuracy_alive_max", "macro_f1_mean"),
)


def summarise(
    rounds: pd.DataFrame, devices: pd.DataFrame, flows: pd.DataFrame, manifest: dict[str, Any]
) -> dict[str, Any]:
    """Condense a run's tables into its headline numbers.

    plan_share = compute / (compute + radio + board): the joules that iteration plans can move.
    A delivered share is the sum of delivered over the sum of offered, bytes or whole messages.

    Args:
        rounds: one row a round, at least one.
        devices: one row per round and device.
        flows: one row a message; may be empty.
        manifest: with ``timings``: ns3_s, learning_s, rest_s, total_s (wall seconds); the first two
            pass at the same time.

    Returns:
        Plain numbers that JSON can hold; None where a number does not exist (a share of nothing).
        learns: whether there was anything to learn. Accuracy is that of the last round in
        which any device was measured: of all devices, the dead with their last model, and of those
        that were alive. Delivered shares and delays leave out the first round, in which the mesh
        still forms; it stands apart as first_*.

    Raises:
        ValueError: the rounds table is empty.

    Leaves out: spread over seeds (one run has none), and costs per link.
    """
    if rounds.empty:
        raise ValueError("rounds: expected at least one finished round; got none")
    rounds = rounds.sort_values("round")
    last, measured = rounds.iloc[-1], rounds[rounds["accuracy_mean"].notna()]
    best_known = measured.iloc[-1] if len(measured) else last
    by_state = {name: float(devices[f"{name}_j"].sum()) for name in RADIO_STATES}
    radio_j, compute_j, board_j = map(float, devices[["radio_j", "compute_j", "board_j"]].sum())
    first = flows["round"] == rounds["round"].iloc[0]
    return {
        "rounds": len(rounds),
        "devices": int(devices["device"].nunique()),
        "learns": bool(modalities_of(devices)),
        "alive_devices": int(last["alive_devices"]),
        "simulated_s": float(last["start_s"] + last["duration_s"]),
        "accuracy_round": int(best_known["round"]),
        **{name: _number(best_known[name]) for name in ACCURACIES},
        "radio_j": radio_j,
        "compute_j": compute_j,
        "board_j": board_j,
        "radio_j_by_state": by_state,
        "plan_share": _share(compute_j, compute_j + radio_j + board_j),
        **_budgets(devices, int(last["round"])),
        "harvested_j": float(devices["harvested_j"].sum() - devices["overflow_j"].sum()),
        "delivered_bytes_share": _bytes_share(flows[~first]),
        "delivered_messages_share": _messages_share(flows[~first]),
        "first_bytes_share": _bytes_share(flows[first]),
        "first_messages_share": _messages_share(flows[first]),
        **{f"delay_{name}_s": _number(delay_s(flows[~first], q)) for name, q in DELAYS.items()},
        "messages": {name: int((flows["outcome"] == name).sum()) for name in OUTCOMES},
        "deaths": _moments(devices, "died_at_s"),
        "revivals": _moments(devices, "revived_at_s"),
        "timings": dict(manifest["timings"]),
    }


def render_summary(summary: dict[str, Any]) -> str:
    """Write the summary as a few aligned lines, without a line break at the end."""
    return "\n".join(f"{label:<11}{text}" for label, text in summary_lines(summary).items())


def summary_lines(summary: dict[str, Any]) -> dict[str, str]:
    """Say the summary in words, one labelled line each."""
    total_j = summary["radio_j"] + summary["compute_j"] + summary["board_j"]
    others = {"compute": summary["compute_j"], "board": summary["board_j"]}
    joules = summary["radio_j_by_state"] | others
    largest_first = sorted(joules.items(), key=lambda item: -item[1])
    split = [
        f"{name.replace('_', ' ')} {value:,.1f} J ({percent(_share(value, total_j))})"
        for name, value in largest_first
        if value > 0.0
    ]
    revivals = _shortened(summary["revivals"], "revived_at_s")
    undelivered = [f"{summary['messages'][name]:,} {name}" for name in OUTCOMES[1:]]
    wall = summary["timings"]
    parts = [
        f"{label} {wall[key]:,.1f} s ({percent(_share(wall[key], wall['total_s']))})"
        for label, key in (("network", "ns3_s"), ("learning", "learning_s"), ("rest", "rest_s"))
    ]
    learns = summary["learns"]
    return {
        **({"Accuracy": _said_of_accuracy(summary)} if learns else {}),
        "Simulated": f"{summary['simulated_s']:,.1f} s in {summary['rounds']} rounds, "
        f"{summary['alive_devices']} of {summary['devices']} devices alive at the end",
        "Energy": f"{total_j:,.1f} J: " + (", ".join(split) or "nothing was spent"),
        **(_said_of_plans(summary) if learns else {}),
        "Delivered": f"{percent(summary['delivered_bytes_share'])} of bytes, "
        f"{percent(summary['delivered_messages_share'])} of messages; first round apart: "
        f"{percent(summary['first_bytes_share'])}, {percent(summary['first_messages_share'])}",
        "Delay": f"half of all messages {_within(summary['delay_median_s'])}, 90 % "
        f"{_within(summary['delay_p90_s'])}, those that did not arrive counted",
        "Not whole": ", ".join(undelivered) + " messages",
        "Deaths": _shortened(summary["deaths"], "died_at_s") or "none",
        **({"Revivals": revivals} if revivals else {}),
        "Wall time": f"{wall['total_s']:,.1f} s: " + ", ".join(parts) + "; the first two at once",
    }


def _said_of_accuracy(summary: dict[str, Any]) -> str:
    alive = f", of the living {percent(summary['accuracy_alive_mean'])}"
    return (
        f"{percent(summary['accuracy_mean'])} mean over devices, "
        f"{percent(summary['accuracy_min'])} to {percent(summary['accuracy_max'])}, "
        f"in round {summary['accuracy_round']}{alive if summary['deaths'] else ''}"
    )


def _said_of_plans(summary: dict[str, Any]) -> dict[str, str]:
    return {
        "Plan": f"controls {percent(summary['plan_share'])} of these joules (compute)",
        "Budgets": _said_of_budgets(summary),
    }


def _budgets(devices: pd.DataFrame, last_round: int) -> dict[str, float | int]:
    """Joules drawn above budgets; how often a plan waits; devices that cannot pay all rounds.

    unpaid_j: of who has no budget left for what a living device draws anyway.
    """
    left = last_round + 1 - devices["round"]
    fades = (devices["paid_rounds"] < left) & (devices["binding"] != "dead")
    return {
        "overspent_j": float(devices["overspent_j"].sum()),
        "unpaid_j": float(devices.loc[devices["paid_rounds"] == 0, "overspent_j"].sum()),
        "waiting_plans": int((devices["binding"] == "waiting").sum()),
        "fading_devices": int(devices.loc[fades, "device"].nunique()),
    }


def _said_of_budgets(summary: dict[str, Any]) -> str:
    said = [f"overspent by {summary['overspent_j']:,.2f} J in all"]
    if summary["unpaid_j"]:
        said[0] += f", {summary['unpaid_j']:,.2f} J of them by radio and board alone, unpaid"
    if summary["waiting_plans"]:
        said.append(f"{summary['waiting_plans']:,} times a device waited so as to train later")
    if summary["fading_devices"]:
        fading = f"{summary['fading_devices']} of {summary['devices']}"
        said.append(f"{fading} devices could not pay for all rounds to come")
    return "; ".join(said)


def _moments(devices: pd.DataFrame, column: str) -> list[dict[str, float | int]]:
    """Deaths or revivals, of each device and round the last one, earliest first [simulated s]."""
    each = devices[["device", column]].dropna().drop_duplicates()
    each = each.sort_values([column, "device"])
    return [
        {"device": int(device), column: float(when)}
        for device, when in each.itertuples(index=False)
    ]


def _shortened(moments: list[dict[str, float | int]], column: str) -> str:
    said = [f"device {each['device']} at {each[column]:,.1f} s" for each in moments]
    if len(said) > DEATHS_SHOWN:
        said = [*said[: DEATHS_SHOWN - 1], f"{len(said) - DEATHS_SHOWN} more", said[-1]]
    return "; ".join(said)


def _bytes_share(flows: pd.DataFrame) -> float | None:
    return _share(float(flows["delivered_bytes"].sum()), float(flows["payload_bytes"].sum()))


def _messages_share(flows: pd.DataFrame) -> float | None:
    return _share(float((flows["outcome"] == "delivered").sum()), float(len(flows)))


def _within(value_s: float | None) -> str:
    return "not at all" if value_s is None else f"within {value_s:.2f} s"


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0.0 else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def percent(share: float | None) -> str:
    """Write a share of one as per cent, or n/a where there is none."""
    return "n/a" if share is None else f"{100.0 * share:.1f} %"


def modalities_of(table: pd.DataFrame, prefix: str = "iterations_") -> list[str]:
    """Names of the modalities in a devices table (or another with a prefix), in column order."""
    return [name.removeprefix(prefix) for name in map(str, table) if name.startswith(prefix)]
