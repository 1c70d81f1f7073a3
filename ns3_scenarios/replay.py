"""The replay network: what a recorded network reported, to whoever asks for the same again."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.errors import OtherTrafficError
from ns3_scenarios.promise import Played
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic

DECIDED = (("tx_power_dbm", "dBm"), ("asleep", ""))


class ReplayNetwork:
    """Answers each round with the recorded report, if its traffic is the recorded one to the bit.

    recorded: a round's traffic and report by its index; part_names: of messages, as errors say
    them. A report is what became of this very traffic and of all before it, so nothing else can be
    answered: OtherTrafficError, a ScenarioError, names the round and the first message or device.
    """

    def __init__(self, recorded: Callable[[int], Played], part_names: Sequence[str]) -> None:
        self._recorded = recorded
        self._part_names = part_names

    def wait_ready(self) -> None:
        """Do nothing: it stands when made."""

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        """Report what became of the traffic when it was recorded."""
        played = self._recorded(traffic.round_index)
        fault = next(_differences(played.traffic, traffic, self._part_names), None)
        if fault:
            raise OtherTrafficError(
                f"network.replay: round {traffic.round_index + 1}, {fault}; change only what leaves"
                " messages and computing as they were, or run it live"
            )
        return played.report

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    def kill(self) -> None:
        """Do nothing: it holds nothing."""


def _differences(was: RoundTraffic, now: RoundTraffic, part_names: Sequence[str]) -> Iterator[str]:
    """Yield what differs between two traffics: messages in their order, then computing, then ends.

    Each as "what: expected ..., got ...".
    """
    before, after = (_messages(each, part_names) for each in (was, now))
    for index, (one, other) in enumerate(zip(before, after, strict=False)):
        if one != other:
            yield f"message {index + 1}: expected {one}, got {other}"
    if len(before) != len(after):
        more = (before, after)[len(after) > len(before)][min(len(before), len(after))]
        yield f"messages: expected {len(before)}, got {len(after)} (the first of the rest: {more})"
    for name, unit in (("compute_s", "s"), ("compute_j", "J"), *DECIDED):
        recorded, asked = (_of_devices(traffic, name) for traffic in (was, now))
        if len(recorded) != len(asked):
            continue
        same = (recorded == asked) | (np.isnan(recorded) & np.isnan(asked))
        for device in np.flatnonzero(~same):
            yield (
                f"device {device}: expected {name} {recorded[device]:.17g} {unit}, got"
                f" {asked[device]:.17g}"
            )
    for name in ("period_s", "stop_when_settled"):
        if getattr(was, name) != getattr(now, name):
            yield f"{name}: expected {getattr(was, name)}, got {getattr(now, name)}"


def _of_devices(traffic: RoundTraffic, name: str) -> FloatArray:
    """Return what devices compute or decide, by name, (n); nan where nothing was decided."""
    n = len(traffic.compute_s)
    if name == "tx_power_dbm":
        return np.full(n, np.nan) if traffic.transmit is None else traffic.transmit.power_dbm
    if name == "asleep":
        return np.zeros(n) if traffic.asleep is None else traffic.asleep.astype(np.float64)
    value: FloatArray = getattr(traffic, name)
    return value


def _messages(traffic: RoundTraffic, part_names: Sequence[str]) -> list[str]:
    columns = (traffic.src, traffic.dst, traffic.part, traffic.payload_bytes)
    return [
        f"{size} bytes of {part_names[part]} from device {src} to {dst}"
        for src, dst, part, size in zip(*(column.tolist() for column in columns), strict=True)
    ]
