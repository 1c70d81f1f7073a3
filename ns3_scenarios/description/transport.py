"""How messages travel over IP."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ns3_scenarios.description.fields import Settings, quantity
from ns3_scenarios.description.radio import Radio
from ns3_scenarios.errors import ScenarioError

TRANSPORTS = {
    "arq": "selective acknowledgements over UDP, whole messages",
    "tcp": "ns-3's TCP, one connection from device to device, kept open, whole messages",
    "udp": "paced datagrams, each sent once; what is missing reaches the learning",
    "broadcast": "one transmission for all in range at broadcast_mcs, never acknowledged nor sent"
    " again; what is missing reaches the learning",
}

# Those whose senders learn nothing of what arrived.
UNANSWERED = ("udp", "broadcast")


class TransportSettings(Settings):
    """How messages are cut up and sent."""

    transport: Literal[tuple(TRANSPORTS)] = Field(  # type: ignore[valid-type]
        "arq", description="; ".join(f"{name}: {text}" for name, text in TRANSPORTS.items())
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
        when={"kind": ["ns3"], "transport": ["arq", "tcp"]},
    )
    pacing_mbps: float | None = quantity(
        None,
        "Rate at which a device sends (udp, broadcast); by default such that it is done when 80 %"
        " of what the round has left are over",
        "Mbit/s",
        1e-3,
        1e4,
        when={"kind": ["ns3"], "transport": ["udp", "broadcast"]},
    )
    broadcast_mcs: int = quantity(
        0,
        "PHY rate of transport broadcast, counted from the slowest",
        "",
        0,
        11,
        when={"kind": ["ns3"], "transport": ["broadcast"]},
    )


class Transport(TransportSettings):
    """How messages are cut up and sent; segment_bytes is a chunk of a message."""

    @property
    def pacing_bps(self) -> float:
        """Rate at which a device sends (udp, broadcast) [bit/s]; 0: spread over the round."""
        return 0.0 if self.pacing_mbps is None else 1e6 * self.pacing_mbps

    @property
    def is_answered(self) -> bool:
        """Whether a sender learns what has arrived, and sends again what has not."""
        return self.transport not in UNANSWERED

    def check(self, radio: Radio) -> None:
        """Raise ScenarioError where the radio has no such rate."""
        if self.transport == "broadcast" and self.broadcast_mcs >= len(radio.rates_bps):
            raise ScenarioError(
                f"network.broadcast_mcs: expected 0 to {len(radio.rates_bps) - 1} with standard"
                f" {radio.standard} and {radio.channel_width_mhz} MHz, got {self.broadcast_mcs}"
            )
