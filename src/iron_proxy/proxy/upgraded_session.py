"""
What happens behind a 101: bytes both ways, and an end that both sides are told of.

A WebSocket that ends because of us (nobody spoke, it lasted too long, the proxy stops) ends with a Close frame 1001 to
both sides, where a frame may stand; another protocol, whose bytes we cannot read, is cut. Called by `websocket.py`,
which owns both streams.
"""

import asyncio
import logging
import secrets

from iron_proxy.protocols.websocket_close import GOING_AWAY, FrameFollower, close_frame
from iron_proxy.proxy import timeouts
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.streams.relay import Relay, RelayIdle

_log = logging.getLogger("iron_proxy.proxy")


class UpgradedSession:
    """One session between a client and an upstream. `max_duration` in seconds, None for none."""

    def __init__(
        self,
        client: Stream,
        upstream: Stream,
        *,
        idle_timeout: float,
        max_duration: float | None,
        is_websocket: bool,
    ) -> None:
        self._client, self._upstream = client, upstream
        self._max_duration = max_duration
        self._is_websocket = is_websocket
        self._to_upstream, self._to_client = FrameFollower(), FrameFollower()
        self._relay = Relay(
            client,
            upstream,
            idle_timeout=idle_timeout,
            write_timeout=timeouts.WRITE,
            watch_forth=self._to_upstream.follow if is_websocket else None,
            watch_back=self._to_client.follow if is_websocket else None,
        )

    def note_sent_to_client(self, data: bytes) -> None:
        """The upstream's first bytes, which went to the client together with the 101."""
        self._to_client.follow(data)
        self._relay.back.size += len(data)

    async def run(self) -> None:
        """Relay to the end of the session. What either side does raises nothing: for a session it is an end."""
        try:
            async with asyncio.timeout(self._max_duration):
                await self._relay.run()
        except (StreamReset, StreamTimeout):
            self._break()                          # one side went away: the other must not wait for it any longer
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

    async def _end(self, reason: str) -> None:
        if self._is_websocket:
            to_client = close_frame(GOING_AWAY, reason)
            to_upstream = close_frame(GOING_AWAY, reason, secrets.token_bytes(4))
            async with asyncio.TaskGroup() as both:
                both.create_task(_close(self._client, self._to_client, self._to_upstream, to_client))
                both.create_task(_close(self._upstream, self._to_upstream, self._to_client, to_upstream))
        self._break()

    def _break(self) -> None:
        """Drop both connections, unless they are closed already."""
        self._upstream.abort()
        self._client.abort()

    def _report(self) -> None:
        fields = {"bytes_from_client": self._relay.forth.size, "bytes_from_upstream": self._relay.back.size}
        _log.debug("websocket connection closed", extra={"fields": fields})


async def _close(stream: Stream, sent: FrameFollower, received: FrameFollower, frame: bytes) -> None:
    """
    Say Close to one side and wait for its answer, for a moment; then close its connection.

    `sent` has followed what it was sent, `received` what it has said. In the middle of a frame nothing can be said: the
    connection is left to be broken.
    """
    if not (sent.takes_frame or sent.has_closed):
        return
    try:
        async with asyncio.timeout(timeouts.WEBSOCKET_CLOSE):
            if sent.takes_frame:
                await stream.write(frame, timeouts.WEBSOCKET_CLOSE)
            # Closing with unread bytes would reset the connection, and could destroy the Close on its way.
            while not received.has_closed and (data := await stream.read(timeouts.WEBSOCKET_CLOSE)):
                received.follow(data)
    except (TimeoutError, StreamReset, StreamTimeout):
        pass
    stream.close()


def _take_back_cancellation() -> None:
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
