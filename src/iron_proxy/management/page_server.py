"""
uvicorn on a socket that is already bound, with the deadlines that it lacks, leaving signals to `runtime/lifecycle.py`.

Serves `app.py` on metrics.listen and `api.py` on management.listen. Few requests, small ones, nobody in a hurry; what
must not be is that somebody who only connects keeps others out, or memory full.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

# A request's head has between this and twice as long to come; a scraper or a browser needs milliseconds.
HEAD_SECONDS: Final = 10.0
# More connections than this that ask for nothing: the oldest go.
MAX_WAITING: Final = 128
# Requests at once beyond which uvicorn answers 503; event streams have a limit of their own.
_MAX_CONCURRENCY: Final = 256


class DeadlineProtocol(H11Protocol):
    """A connection that is closed when it asks for nothing, or does not take what it was sent."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn, with a watch."""
        super().connection_made(transport)
        self._since = monotonic()
        self._seen: object = None                # the answered request that the last look found
        self._watch = self.loop.call_later(HEAD_SECONDS, self._look)
        waiting = [each for each in self.connections if isinstance(each, DeadlineProtocol) and each.is_waiting]
        if len(waiting) > MAX_WAITING:
            min(waiting, key=lambda each: each._since).transport.abort()

    @property
    def is_waiting(self) -> bool:
        """No request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn."""
        self._watch.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """End what has had its time: to send the first head, to send another one, to take what closes it."""
        if self.transport.is_closing() or (self.is_waiting and self.cycle is self._seen):
            self.transport.abort()
            return
        self._seen = self.cycle
        self._watch = self.loop.call_later(HEAD_SECONDS, self._look)


class PageServer(uvicorn.Server):
    """Serves one application on one socket."""

    def __init__(self, sock: socket.socket, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                http=DeadlineProtocol,
                ws="none",
                limit_concurrency=_MAX_CONCURRENCY,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
                server_header=False,
                proxy_headers=False,             # who asks is who connects: X-Forwarded-For is anybody's word
            )
        )
        self._socket = sock

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield

    async def run_pages(self) -> None:
        """Serve until `should_exit`."""
        await self.serve(sockets=[self._socket])
