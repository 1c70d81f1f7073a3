"""How messages travel over IP, and the ns-3 attributes that each way needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.radio import Radio

TRANSPORTS = {
    "arq": "selective acknowledgements over UDP, whole messages",
    "tcp": "ns-3's TCP, one connection from device to device, kept open, whole messages",
    "udp": "paced datagrams, each sent once; what is missing reaches the learning",
    "broadcast": "one transmission for all in range at broadcast_mcs, never acknowledged nor sent"
    " again; what is missing reaches the learning",
}
# Those whose senders learn nothing of what arrived.
UNANSWERED = ("udp", "broadcast")


@dataclass(frozen=True)
class Transport:
    """How messages are cut up and sent.

    segment_bytes: payload of a datagram or record, which is a chunk of a message;
    max_window_segments: most of them on their way from one device to another (arq, tcp);
    pacing_bps: rate at which a device sends (udp, broadcast), 0: spread over the round;
    broadcast_mcs: index of the PHY rate of broadcasts, from the slowest.
    """

    kind: str
    segment_bytes: int
    max_window_segments: int
    pacing_bps: float
    broadcast_mcs: int

    @property
    def is_answered(self) -> bool:
        """Whether a sender learns what has arrived, and sends again what has not."""
        return self.kind not in UNANSWERED

    def check(self, radio: Radio) -> None:
        """Raise ScenarioError where the radio has no such rate."""
        if self.kind == "broadcast" and self.broadcast_mcs >= len(radio.rates_bps):
            raise ScenarioError(
                f"network.broadcast_mcs: expected 0 to {len(radio.rates_bps) - 1} with standard"
                f" {radio.standard} and {radio.channel_width_mhz} MHz, got {self.broadcast_mcs}"
            )


def defaults(transport: Transport, radio: Radio) -> dict[str, Any]:
    """Return the ns-3 attributes that differ from its own, and why.

    Sack: ns-3.44 aborts with it under loss. Time-outs as in Linux: ns-3 waits 3 s for a lost SYN
    and 1 s for a lost tail, and its receivers acknowledge a lone segment after 200 ms, when such a
    sender has already taken it for lost and closed its window to one segment for good. The send
    buffer holds a window, so that a message which misses its round leaves no more than that behind.
    """
    if transport.kind == "broadcast":
        return {
            "WifiRemoteStationManager::NonUnicastMode": radio.mode_name(transport.broadcast_mcs)
        }
    if transport.kind != "tcp":
        return {}
    window_bytes = transport.max_window_segments * (transport.segment_bytes + 16)
    return {
        "TcpSocketBase::Sack": "false",
        "TcpSocketBase::MinRto": "200ms",
        "TcpSocket::ConnTimeout": "500ms",
        "TcpSocket::DelAckTimeout": "40ms",
        "TcpSocket::SegmentSize": transport.segment_bytes,
        "TcpSocket::InitialCwnd": 10,
        "TcpSocket::SndBufSize": window_bytes,
        "TcpSocket::RcvBufSize": 4 * window_bytes,
    }
