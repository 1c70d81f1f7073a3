"""Sets the attributes that ns-3 makes its objects with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ns3_scenarios.build import wifi
from ns3_scenarios.description.radio import Radio
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.description.transport import Transport
from ns3_scenarios.errors import ScenarioError


def set_defaults(ns: Any, scenario: NetworkScenario, own: Mapping[str, Any] | None = None) -> None:
    """Set those of the radio and the transport, then a builder's own, then the user's.

    Names are those below ns3::. Raises ScenarioError for what ns-3 does not know.
    """
    transport, radio = scenario.transport, scenario.radio
    of_transport = _OF_TRANSPORT.get(transport.transport)
    attributes = (
        wifi.defaults(radio)
        | (of_transport(transport, radio) if of_transport else {})
        | dict(own or {})
        | {
            name.removeprefix("ns3::"): value
            for name, value in scenario.settings.ns3_defaults.items()
        }
    )
    for name, value in attributes.items():
        if not ns.Config.SetDefaultFailSafe(f"ns3::{name}", ns.StringValue(str(value))):
            raise ScenarioError(
                f"network.ns3_defaults: expected an attribute of ns-3 and a value that fits it, got"
                f" ns3::{name} = {value}"
            )


def _of_tcp(transport: Transport, radio: Radio) -> dict[str, Any]:
    """Return the ns-3 attributes that differ from its own, and why.

    Sack: ns-3.44 aborts with it under loss. Time-outs as in Linux: ns-3 waits 3 s for a lost SYN
    and 1 s for a lost tail, and its receivers acknowledge a lone segment after 200 ms, when such a
    sender has already taken it for lost and closed its window to one segment for good. The send
    buffer holds a window, so that a message which misses its round leaves no more than that behind.
    """
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


def _of_broadcast(transport: Transport, radio: Radio) -> dict[str, Any]:
    return {
        "WifiRemoteStationManager::NonUnicastMode": radio.broadcast_mode_name(
            transport.broadcast_mcs
        )
    }


_OF_TRANSPORT = {"tcp": _of_tcp, "broadcast": _of_broadcast}
