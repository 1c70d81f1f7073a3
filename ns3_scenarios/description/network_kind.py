"""The kinds of network by name, and what each can; whatever asks, asks for that."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkKind:
    """One kind of network.

    has_radios: powers, losses and joules of radios count. has_packets: every packet is simulated,
    so radios contend, sleep and come back to life, devices move, and all channels are known.
    """

    text: str
    has_radios: bool = False
    has_packets: bool = False


NETWORK_KINDS = {
    "ns3": NetworkKind("every packet simulated", has_radios=True, has_packets=True),
    "analytic": NetworkKind(
        "each link at its Shannon capacity, without contention or loss, as papers assume",
        has_radios=True,
    ),
    "ideal": NetworkKind("lossless, instant, free (a control)"),
}
# Beside which a field of radios, or of packets, has an effect.
WITH_RADIOS = [name for name, kind in NETWORK_KINDS.items() if kind.has_radios]
WITH_PACKETS = [name for name, kind in NETWORK_KINDS.items() if kind.has_packets]
