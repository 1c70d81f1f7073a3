"""What can go wrong on the network side, and who is to blame."""


class ScenarioError(Exception):
    """The scenario or the traffic asks for something impossible; one line with the remedy."""


class OtherTrafficError(ScenarioError):
    """A replay was asked for what its record has no answer to."""


class NetworkUnavailableError(Exception):
    """ns-3 is missing, of the wrong version or does not start; one line with the remedy."""


class NetworkFailedError(Exception):
    """ns-3 died or hung in mid-run; the text holds the round and ns-3's own last words."""
