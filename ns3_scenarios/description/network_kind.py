"""The kinds of network by name, and what each can; whatever asks, asks for that."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NetworkKind:
    """One kind of network.

    has_radios: joules of radios count. has_channel: powers and losses make the links. contends:
    radios find the medium busy. is_fitted: to runs of packets, outside which it refuses.
    has_packets: every packet is simulated, so radios sleep and come back to life, devices move.
    runs_ns3: by this machine, now. replays: answers with the reports of a finished run, so it has
    what that one's network may have had. needs: the field with the file or folder that it reads.
    """

    text: str
    has_radios: bool = False
    has_channel: bool = False
    contends: bool = False
    is_fitted: bool = False
    has_packets: bool = False
    runs_ns3: bool = False
    replays: bool = False
    needs: str = ""


NETWORK_KINDS = {
    "ns3": NetworkKind(
        "every packet simulated",
        has_radios=True,
        has_channel=True,
        contends=True,
        has_packets=True,
        runs_ns3=True,
    ),
    "analytic": NetworkKind(
        "each link at its Shannon capacity, without contention or loss, as papers assume",
        has_radios=True,
        has_channel=True,
    ),
    "surrogate": NetworkKind(
        "exchanges of frames in place of packets, fitted to runs of packets (mesh80211 and"
        " adhoc80211 as the presets have them), of 25 (mesh) or 9 (ad hoc) to 1000 devices",
        has_radios=True,
        has_channel=True,
        contends=True,
        is_fitted=True,
    ),
    "trace": NetworkKind(
        "each link as a measurement has it: rates, delays and losses of link_trace",
        has_radios=True,
        needs="link_trace",
    ),
    "replay": NetworkKind(
        "what a finished run's network reported, without ns-3: the run is in folder replay",
        has_radios=True,
        has_channel=True,
        contends=True,
        has_packets=True,
        replays=True,
        needs="replay",
    ),
    "ideal": NetworkKind("lossless, instant, free (a control)"),
}


def _kinds(ability: str) -> list[str]:
    return [name for name, kind in NETWORK_KINDS.items() if getattr(kind, ability)]


# Beside which a field has an effect: of what radios draw, of the channel, of contention, of
# packets, of ns-3 as it runs, of a file that only one kind reads.
WITH_RADIOS = _kinds("has_radios")
WITH_CHANNEL = _kinds("has_channel")
CONTENDING = _kinds("contends")
WITH_PACKETS = _kinds("has_packets")
RUNS_NS3 = _kinds("runs_ns3")
READS: dict[str, Any] = {kind.needs: [name] for name, kind in NETWORK_KINDS.items() if kind.needs}
