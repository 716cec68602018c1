"""
Accept connections on one socket and own the task of each: no task outlives its listener.

What a client does never ends more than its own connection; a bug in serving one is logged and ends that one.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial

from iron_proxy.listeners.binding import BACKLOG
from iron_proxy.listeners.connection_counts import ConnectionCounts
from iron_proxy.messages.client_key import client_key_of_peer
from iron_proxy.streams.socket_stream import SocketStream

Serve = Callable[[SocketStream], Awaitable[None]]

_log = logging.getLogger("iron_proxy.listeners")


class Listener:
    """
    One listening socket. `run` returns once `stop_accepting` was called and every connection has ended.

    `counts`, which it shares with other listeners, say which connections there is no room for: they are reset at once.
    """

    def __init__(self, name: str, sock: socket.socket, serve: Serve, counts: ConnectionCounts) -> None:
        self.name = name
        self.sock = sock
        self._serve = serve
        self._counts = counts
        self._stopped = asyncio.Event()
        self.ended = asyncio.Event()             # not accepting any more, and no connection left
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Accept until told to stop, then wait for the connections that are left."""
        try:
            await self._accept()
        finally:
            self._counts.tell_refused()          # the timer may not come any more
            self.ended.set()

    async def _accept(self) -> None:
        async with asyncio.TaskGroup() as connections:

            def connected(stream: SocketStream) -> None:
                if self._stopped.is_set():       # accepted in the very turn in which we stopped
                    stream.abort()
                    return
                client = client_key_of_peer(stream.peer)
                if not self._counts.enter(client):
                    stream.abort()
                    return
                # Not at the end of its task: what is sent behind that still holds a descriptor.
                stream.lost = partial(self._counts.leave, client)
                task = connections.create_task(self._serve_safely(stream), name=f"{self.name} {stream.peer}")
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)

            loop = asyncio.get_running_loop()
            server = await loop.create_server(lambda: SocketStream(connected), sock=self.sock, backlog=BACKLOG)
            try:
                await self._stopped.wait()
            finally:
                server.close()

    def stop_accepting(self) -> None:
        """Close the listening socket; connections go on."""
        self._stopped.set()

    def cancel_connections(self) -> None:
        """Cut the connections that are left."""
        for task in tuple(self._connections):
            task.cancel()

    async def _serve_safely(self, stream: SocketStream) -> None:
        try:
            await self._serve(stream)
        except Exception as error:  # noqa: BLE001 - one connection ends; every other goes on
            # The type only: the text of a foreign exception may quote what a client sent, or a secret.
            _log.error("connection failed", extra={"fields": {"listener": self.name, "error": type(error).__name__}})
            stream.abort()
        finally:
            stream.close()
