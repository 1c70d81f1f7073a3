"""The replay network: what a recorded network reported, to whoever asks for the same again."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ns3_scenarios.errors import OtherTrafficError
from ns3_scenarios.promise import Played
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic


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
    for name, unit in (("compute_s", "s"), ("compute_j", "J")):
        one, other = getattr(was, name), getattr(now, name)
        for device in np.flatnonzero(one != other) if len(one) == len(other) else ():
            yield (
                f"device {device}: expected {name} {one[device]:.17g} {unit}, got"
                f" {other[device]:.17g}"
            )
    for name in ("period_s", "stop_when_settled"):
        if getattr(was, name) != getattr(now, name):
            yield f"{name}: expected {getattr(was, name)}, got {getattr(now, name)}"


def _messages(traffic: RoundTraffic, part_names: Sequence[str]) -> list[str]:
    columns = (traffic.src, traffic.dst, traffic.part, traffic.payload_bytes)
    return [
        f"{size} bytes of {part_names[part]} from device {src} to {dst}"
        for src, dst, part, size in zip(*(column.tolist() for column in columns), strict=True)
    ]
