"""To whom a device sends at the moment, as native/places.h."""

from __future__ import annotations


class Places:
    """Whom a device serves, `most` at once, and who waits for a turn."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: set[int] = set()
        self._waiting: list[int] = []

    def holds(self, peer: int) -> bool:
        """Whether a peer is served."""
        return peer in self._held

    def wait(self, peer: int, position: float) -> None:
        """Let a peer wait at a position from 0, the first, to 1."""
        if peer not in self._held and peer not in self._waiting:
            size = len(self._waiting)
            self._waiting.insert(min(int(position * (size + 1)), size), peer)

    def next(self) -> int | None:
        """Give the first who waits a place, if there is one."""
        if not self._waiting or len(self._held) >= self._most:
            return None
        peer = self._waiting.pop(0)
        self._held.add(peer)
        return peer

    def leave(self, peer: int) -> None:
        """Take a peer's place, in the queue too."""
        self._held.discard(peer)
        if peer in self._waiting:
            self._waiting.remove(peer)
