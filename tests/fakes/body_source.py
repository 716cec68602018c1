"""A body source for tests: its pieces are already here, or come one by one; it may fail behind them."""

from collections.abc import Sequence

from iron_proxy.errors import IronProxyError
from iron_proxy.messages.body_memory import BodyMemory, HeldBody
from iron_proxy.messages.headers import Fields, Pair


class FakeBodySource:
    """
    Gives `pieces`, then the end with `trailers`, or `failure` in its place.

    `here` says how many of the pieces can be had without waiting; with all of them, so can what follows.
    """

    def __init__(
        self,
        pieces: Sequence[bytes],
        *,
        here: int | None = None,
        trailers: Sequence[Pair] = (),
        failure: IronProxyError | None = None,
    ) -> None:
        self.trailers: Sequence[Pair] = []
        self.reads = 0
        self.memory = BodyMemory(1 << 30)
        self._pieces = list(pieces)
        self._here = len(pieces) + 1 if here is None else here
        self._trailers = trailers if isinstance(trailers, Fields) else list(trailers)
        self._failure = failure

    def hold_body(self) -> HeldBody:
        return HeldBody(self.memory, "192.0.2.9")

    async def read_body(self) -> bytes:
        self._here = max(1, self._here)
        piece = self.read_body_nowait()
        assert piece is not None
        return piece

    def read_body_nowait(self) -> bytes | None:
        if not self._here:
            return None
        self._here -= 1
        self.reads += 1
        if self._pieces:
            return self._pieces.pop(0)
        self._here += 1
        if self._failure is not None:
            raise self._failure
        self.trailers = self._trailers
        return b""
