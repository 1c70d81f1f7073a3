"""How messages travel over IP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from ns3_scenarios.description.fields import Settings, quantity
from ns3_scenarios.description.network_kind import WITH_PACKETS
from ns3_scenarios.description.radio import Radio
from ns3_scenarios.errors import ScenarioError


@dataclass(frozen=True)
class TransportKind:
    """One way to carry messages.

    is_answered: a sender learns what has arrived, and sends again what has not. one_for_all: a
    transmission is for all in range, and costs the same for one. no_rests: why the rest of a
    message cannot follow a round later; empty: it can.
    """

    text: str
    is_answered: bool = False
    one_for_all: bool = False
    no_rests: str = "its senders do not know what is missing"


TRANSPORTS = {
    "arq": TransportKind(
        "selective acknowledgements over UDP, whole messages", is_answered=True, no_rests=""
    ),
    "tcp": TransportKind(
        "ns-3's TCP, one connection from device to device, kept open, whole messages",
        is_answered=True,
        no_rests="its connections cannot take back what they hold",
    ),
    "udp": TransportKind("paced datagrams, each sent once; what is missing reaches the learning"),
    "broadcast": TransportKind(
        "one transmission for all in range at broadcast_mcs, never acknowledged nor sent again;"
        " what is missing reaches the learning",
        one_for_all=True,
    ),
}
ANSWERED = [name for name, kind in TRANSPORTS.items() if kind.is_answered]
UNANSWERED = [name for name, kind in TRANSPORTS.items() if not kind.is_answered]
ONE_FOR_ALL = [name for name, kind in TRANSPORTS.items() if kind.one_for_all]


class TransportSettings(Settings):
    """How messages are cut up and sent."""

    transport: Literal[tuple(TRANSPORTS)] = Field(  # type: ignore[valid-type]
        "arq", description="; ".join(f"{name}: {kind.text}" for name, kind in TRANSPORTS.items())
    )
    segment_bytes: int = quantity(
        1400, "Payload bytes of one datagram, a chunk of a message", "bytes", 100, 1430
    )
    max_window_segments: int = quantity(
        32,
        "Most unacknowledged datagrams from one device to another (arq, tcp)",
        "",
        1,
        250,
        when={"kind": WITH_PACKETS, "transport": ANSWERED},
    )
    peers_at_once: int = quantity(
        1,
        "Most devices that a device sends to at the same time; the others wait for their turn, in"
        " an order drawn anew each round (arq)",
        "",
        1,
        1000,
        when={"kind": WITH_PACKETS, "transport": ["arq"]},
    )
    pacing_mbps: float | None = quantity(
        None,
        "Rate at which a device sends (udp, broadcast); by default such that it is done when 80 %"
        " of what the round has left are over",
        "Mbit/s",
        1e-3,
        1e4,
        when={"kind": WITH_PACKETS, "transport": UNANSWERED},
    )
    broadcast_mcs: int = quantity(
        0,
        "PHY rate of transport broadcast, counted from the slowest",
        "",
        0,
        13,
        when={"kind": WITH_PACKETS, "transport": ONE_FOR_ALL},
    )


class Transport(TransportSettings):
    """How messages are cut up and sent; segment_bytes is a chunk of a message."""

    @property
    def pacing_bps(self) -> float:
        """Rate at which a device sends (udp, broadcast) [bit/s]; 0: spread over the round."""
        return 0.0 if self.pacing_mbps is None else 1e6 * self.pacing_mbps

    @property
    def kind(self) -> TransportKind:
        """What the transport can."""
        return TRANSPORTS[self.transport]

    def check(self, radio: Radio) -> None:
        """Raise ScenarioError where the radio has no such rate."""
        if self.kind.one_for_all and self.broadcast_mcs >= len(radio.rates_bps):
            raise ScenarioError(
                f"network.broadcast_mcs: expected 0 to {len(radio.rates_bps) - 1} with standard"
                f" {radio.standard} and {radio.channel_width_mhz} MHz, got {self.broadcast_mcs}"
            )
