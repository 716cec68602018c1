"""
What happens behind a 101: bytes both ways, and an end that both sides are told of.

A WebSocket that ends because of us (nobody spoke, it lasted too long, the proxy stops) ends with a Close frame 1001 to
both sides, where a frame may stand; another protocol, whose bytes we cannot read, is cut. Text messages may be
rewritten on the way. Called by `websocket.py`, which owns both streams.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence

from iron_proxy.errors import let_go
from iron_proxy.protocols.websocket_close import GOING_AWAY, FrameFollower, close_frame
from iron_proxy.protocols.websocket_messages import (
    PROTOCOL_ERROR,
    FrameViolation,
    MessageRewriter,
    MessageRewriting,
)
from iron_proxy.proxy import timeouts
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.streams.relay import Relay, RelayIdle

_log = logging.getLogger("iron_proxy.proxy")


class UpgradedSession:
    """
    One session between a client and an upstream. `max_duration` in seconds, None for none.

    `rewriting` is for WebSockets, without extensions, only.
    """

    def __init__(
        self,
        client: Stream,
        upstream: Stream,
        *,
        idle_timeout: float,
        write_timeout: float,
        max_duration: float | None,
        is_websocket: bool,
        rewriting: Sequence[MessageRewriting] = (),
    ) -> None:
        self._client, self._upstream = client, upstream
        self._max_duration = max_duration
        self._is_websocket = is_websocket
        to_upstream = [each.to_upstream for each in rewriting if each.to_upstream is not None]
        to_client = [each.to_client for each in rewriting if each.to_client is not None]
        self._to_upstream = _Frames(MessageRewriter(to_upstream, _new_mask) if to_upstream else None)
        self._to_client = _Frames(MessageRewriter(to_client) if to_client else None)
        self._relay = Relay(
            client,
            upstream,
            idle_timeout=idle_timeout,
            write_timeout=write_timeout,
            through_forth=self._to_upstream.pass_on if is_websocket else None,
            through_back=self._to_client.pass_on if is_websocket else None,
        )

    @property
    def bytes_from_client(self) -> int:
        """How many bytes went to the upstream so far."""
        return self._relay.forth.size

    @property
    def bytes_from_upstream(self) -> int:
        """How many bytes went to the client so far."""
        return self._relay.back.size

    def first_to_client(self, data: bytes) -> bytes:
        """What goes to the client of the upstream's first bytes, together with the 101. Raises FrameViolation."""
        if self._is_websocket:
            data = self._to_client.pass_on(data)
        self._relay.back.size += len(data)
        return data

    async def run(self) -> None:
        """Relay to the end of the session. What either side does raises nothing: for a session it is an end."""
        try:
            async with asyncio.timeout(self._max_duration):
                await self._relay.run()
        except (StreamReset, StreamTimeout) as error:
            let_go(error)
            self._break()                          # one side went away: the other must not wait for it any longer
        except FrameViolation as violation:
            let_go(violation)
            await self._end(str(violation), PROTOCOL_ERROR)
        except RelayIdle:
            await self._end("nothing was said for too long")
        except TimeoutError:
            await self._end("the session has lasted too long")
        except asyncio.CancelledError:
            if not self._is_websocket:
                self._break()
                raise
            await self._end("the proxy is shutting down")
            _take_back_cancellation()              # it has ended in order, and its record says so
        finally:
            self._report()

    async def _end(self, reason: str, code: int = GOING_AWAY) -> None:
        if self._is_websocket:
            to_client = close_frame(code, reason)
            to_upstream = close_frame(code, reason, _new_mask())
            async with asyncio.TaskGroup() as both:
                both.create_task(_close(self._client, self._to_client.follower, self._to_upstream, to_client))
                both.create_task(_close(self._upstream, self._to_upstream.follower, self._to_client, to_upstream))
        self._break()

    def _break(self) -> None:
        """Drop both connections, unless they are closed already."""
        self._upstream.abort()
        self._client.abort()

    def _report(self) -> None:
        fields = {"bytes_from_client": self.bytes_from_client, "bytes_from_upstream": self.bytes_from_upstream}
        _log.debug("websocket connection closed", extra={"fields": fields})


class _Frames:
    """One direction: its messages are rewritten, if they are to be, and the frames that go out are followed."""

    def __init__(self, rewriter: MessageRewriter | None) -> None:
        self._rewriter = rewriter
        self.follower = FrameFollower()

    def pass_on(self, data: bytes) -> bytes:
        """What goes out for what has come in. Raises FrameViolation."""
        if self._rewriter is not None:
            data = self._rewriter.feed(data)
        self.follower.follow(data)
        return data


async def _close(stream: Stream, sent: FrameFollower, received: _Frames, frame: bytes) -> None:
    """
    Say Close to one side and wait for its answer, for a moment; then close its connection.

    `sent` has followed what it was sent, `received` takes what it says. In the middle of a frame nothing can be said:
    the connection is left to be broken.
    """
    if not (sent.takes_frame or sent.has_closed):
        return
    try:
        async with asyncio.timeout(timeouts.WEBSOCKET_CLOSE):
            if sent.takes_frame:
                await stream.write(frame, timeouts.WEBSOCKET_CLOSE)
            # Closing with unread bytes would reset the connection, and could destroy the Close on its way.
            while not received.follower.has_closed and (data := await stream.read(timeouts.WEBSOCKET_CLOSE)):
                received.pass_on(data)
    except (TimeoutError, StreamReset, StreamTimeout, FrameViolation):
        pass
    stream.close()


def _new_mask() -> bytes:
    return secrets.token_bytes(4)


def _take_back_cancellation() -> None:
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
