"""
How much of request bodies all clients together make us hold, and each of them.

A body that a transform looks at is held until its exchange ends (`body.py: peek`). Each is bounded by configuration;
here they are bounded together, and one client's by a share of that, so that another always finds room.
"""

from collections.abc import Callable

from iron_proxy.errors import TooMuchHeld


class BodyMemory:
    """One for a process. `limit` in bytes, which a reload may change: what is held already stays."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = 0
        self._by_client: dict[str, int] = {}

    def take(self, client: str, size: int) -> None:
        """Count so many bytes more. Raises TooMuchHeld, and then nothing is counted."""
        held = self._by_client.get(client, 0) + size
        if self.total + size > self.limit or held > self.limit * 3 // 4:
            raise TooMuchHeld("too much of request bodies is held at the moment")
        self._by_client[client] = held
        self.total += size

    def give_back(self, client: str, size: int) -> None:
        """Bytes that were taken are held no more."""
        self.total -= size
        left = self._by_client[client] - size
        if left:
            self._by_client[client] = left
        else:
            del self._by_client[client]


class HeldBody:
    """
    What one body holds of it, given back when this is dropped: with the bytes themselves, at whatever end of a request.

    No `close`: a count that is forgotten at one of those ends would never come back.
    """

    __slots__ = ("_client", "_memory", "size")

    def __init__(self, memory: BodyMemory, client: str) -> None:
        self._memory, self._client = memory, client
        self.size = 0

    def grow(self, size: int) -> None:
        """So many bytes more are held. Raises TooMuchHeld."""
        self._memory.take(self._client, size)
        self.size += size

    def __del__(self) -> None:
        if self.size:
            self._memory.give_back(self._client, self.size)


Hold = Callable[[], HeldBody]
