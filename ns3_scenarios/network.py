"""The contract of a network: what every implementation can do."""

from typing import Protocol

from ns3_scenarios.reports import RoundReport
from ns3_scenarios.traffic import RoundTraffic


class Network(Protocol):
    """A network under way. Made open; `run_round` until `close`.

    What its reports promise is in `contract`; `conformance.check_network` tests any implementation.
    """

    def wait_ready(self) -> None:
        """Return when the network stands."""

    def run_round(self, traffic: RoundTraffic) -> RoundReport:
        """Carry one round's traffic and report what became of it."""

    def close(self) -> None:
        """End the network; safe to call more than once."""

    def kill(self) -> None:
        """End the network at once."""
