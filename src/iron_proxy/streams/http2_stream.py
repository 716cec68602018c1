"""
One stream of an HTTP/2 connection: body pieces that have come in, body pieces that go out as the window allows.

The same for both roles; `proxy/http2_request.py` and `upstream/http2_client.py` add the heads. Flow control is end to
end: a sender gets its credit back when a piece is taken from here, so what waits here is bounded by the window that we
grant. Deadlines are watched by the loop's sweep like those of sockets.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from iron_proxy.errors import IronProxyError
from iron_proxy.messages.headers import Pair
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.streams.byte_stream import MAX_PIECE_BYTES, StreamTimeout
from iron_proxy.streams.socket_stream import NEVER

if TYPE_CHECKING:
    from iron_proxy.streams.http2_session import Http2Session

# A peer that is reading takes this much within the write timeout. One that opens its window by a byte now and then
# (CVE-2019-9511) would hold the stream, and the piece that waits in it, for ever.
MIN_PROGRESS_BYTES = 16 * 1024

# Pieces that wait are joined until they have this much: each costs some 100 bytes beside its own, which is nothing for
# an honest frame, and sixty times the window for one sent in frames of two bytes.
MIN_PIECE_BYTES = 1024


class Http2Stream(ABC):
    """A stream's two directions. It is the `BodySource` of the message that comes in on it."""

    __slots__ = (
        "_failure", "_pieces", "_remote_ended", "_waiter", "_window_waiter", "body_timeout", "deadline", "id",
        "last_send", "message_ended", "session", "trailers", "write_deadline", "write_timeout",
    )  # fmt: skip

    def __init__(
        self, session: "Http2Session[Any]", stream_id: int, *, body_timeout: float, write_timeout: float
    ) -> None:
        self.session = session
        self.id = stream_id
        self.body_timeout = body_timeout
        self.write_timeout = write_timeout
        self.trailers: Sequence[Pair] = ()
        self.message_ended = False            # the peer's message has been read to its end
        self.last_send = 0                    # its turn at the connection's window, by the session's count
        self.deadline = self.write_deadline = NEVER
        self._pieces: deque[tuple[bytes, int]] = deque()
        self._remote_ended = False            # the peer's message has come to its end
        self._failure: IronProxyError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._window_waiter: asyncio.Future[None] | None = None

    # --- what comes in: called by the session -----------------------------------------------------------------------

    def receive_data(self, data: bytes, credit: int) -> None:
        """A piece of the body has come; `credit` goes back to the sender once it is read."""
        if not data:
            self.session.give_credit(self.id, credit)
            return
        pieces = self._pieces
        if pieces and len(data) < MIN_PIECE_BYTES and len(pieces[-1][0]) < MIN_PIECE_BYTES:
            waiting, more = pieces.pop()
            data, credit = waiting + data, credit + more
        pieces.append((data, credit))
        if self._waiter is not None:
            self._wake()

    def receive_trailers(self, trailers: Sequence[Pair]) -> None:
        """The fields behind the body."""
        self.trailers = trailers

    def receive_end(self) -> None:
        """The peer's message is complete."""
        self._remote_ended = True
        if not self._pieces:
            self.message_ended = True
        if self._waiter is not None:
            self._wake()

    def fail(self, error: IronProxyError) -> None:
        """Nothing more will come or go. What has come before is still read, then the error is met."""
        if self._failure is None:
            self._failure = error
        self._wake()
        self.wake_sender()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        self.deadline = NEVER
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def wake_sender(self) -> None:
        """The peer takes more now, or nothing ever again."""
        waiter, self._window_waiter = self._window_waiter, None
        self.write_deadline = NEVER
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def read_body(self) -> bytes:
        """The next pieces of the body, joined; b"" at its end."""
        while not self._pieces:
            if self._remote_ended:           # whatever came after it, the message is whole
                self.message_ended = True
                return b""
            if self._failure is not None:
                raise self._failure
            await self.wait(self.body_timeout)
        return self._take()

    def read_body_nowait(self) -> bytes | None:
        """The same from what is already here; None when it would have to wait."""
        if self._pieces:
            return self._take()
        if self._remote_ended:
            self.message_ended = True
            return b""
        return None

    def _take(self) -> bytes:
        pieces = self._pieces
        data, credit = pieces.popleft()
        if pieces:
            joined, size = [data], len(data)
            while pieces and size < MAX_PIECE_BYTES:
                piece, more = pieces.popleft()
                joined.append(piece)
                size += len(piece)
                credit += more
            data = b"".join(joined)
        if self._remote_ended and not pieces:
            self.message_ended = True
        self.session.give_credit(self.id, credit)
        return data

    async def wait(self, timeout: float) -> None:
        """Until something has come in. Raises what `too_slow` gives."""
        loop = self.session.loop
        since = loop.time()
        self._waiter = loop.create_future()
        self.deadline = since + timeout
        try:
            await self._waiter
        except StreamTimeout as error:
            self.session.doubt(since)
            raise self.too_slow() from error
        finally:
            self.deadline = NEVER

    def discard(self) -> None:
        """Nobody will read what is here: its credit goes back, so that other streams are not starved."""
        while self._pieces:
            _, credit = self._pieces.popleft()
            self.session.give_credit(self.id, credit)

    # --- sending ----------------------------------------------------------------------------------------------------

    @property
    def is_blocked(self) -> bool:
        """A piece waits for the peer to take more."""
        return self._window_waiter is not None

    async def send_piece(self, data: bytes, *, end: bool = False) -> None:
        """Send a piece as fast as the peer's window and the connection allow; `end` ends our message with it."""
        session = self.session
        left: bytes | memoryview = data
        progress, since = MIN_PROGRESS_BYTES, 0.0
        while True:
            if self._failure is not None:
                raise self._failure
            taken = session.core.send_data(self.id, left, end=end)
            session.note_queued(taken)
            session.sends += 1
            self.last_send = session.sends if taken else self.last_send
            if taken == len(left):
                break
            left = memoryview(left)[taken:]
            progress += taken
            if progress >= MIN_PROGRESS_BYTES:
                progress, since = 0, session.loop.time()
            await self._window(since)
        if session.is_congested:
            await session.drain(self.write_timeout)

    async def _window(self, since: float) -> None:
        """Until the peer may take more; `since` is when it last took enough."""
        self.session.flush()                 # what fills its window must be on its way before we wait for more
        self._window_waiter = self.session.loop.create_future()
        self.write_deadline = since + self.write_timeout
        try:
            await self._window_waiter
        except StreamTimeout as error:
            self.session.doubt(since)
            raise self.stopped_reading() from error
        finally:
            self.write_deadline = NEVER

    def end(self, trailers: Sequence[Pair]) -> None:
        """End our message behind its last piece."""
        if self._failure is not None:
            raise self._failure
        if trailers:
            self.session.core.send_trailers(self.id, trailers)
        else:
            self.session.core.end_stream(self.id)
        self.session.flush_soon()

    def reset(self, code: ErrorCode) -> None:
        """End the stream in both directions: what was sent must not pass for a whole."""
        self.session.core.reset(self.id, code)
        self.session.flush_soon()

    # --- deadlines --------------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """A deadline has passed (called by the sweep)."""
        now = self.session.loop.time()
        if self.deadline < now:
            waiter, self._waiter = self._waiter, None
            self.deadline = NEVER
            _time_out(waiter)
        if self.write_deadline < now:
            waiter, self._window_waiter = self._window_waiter, None
            self.write_deadline = NEVER
            _time_out(waiter)

    # --- the role's words -------------------------------------------------------------------------------------------

    @abstractmethod
    def too_slow(self) -> IronProxyError:
        """The error of a peer that sends nothing."""

    @abstractmethod
    def stopped_reading(self) -> IronProxyError:
        """The error of a peer that takes nothing."""


def _time_out(waiter: "asyncio.Future[None] | None") -> None:
    if waiter is not None and not waiter.done():
        waiter.set_exception(StreamTimeout("the peer of an HTTP/2 stream was too slow"))
