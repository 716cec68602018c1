"""
dnspython's sockets on our event loop, closed also when a lookup is cancelled while its socket is being made.

uvloop leaves a UDP socket open when `create_datagram_endpoint` is cancelled, so that every client that breaks off in
that moment would cost a descriptor for ever. Used by `resolver.py` for every question.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Any

# dnspython's public way to a backend (`dns.asyncbackend.get_backend`) gives an instance; this is its class.
from dns._asyncio_backend import Backend


class CancellableBackend(Backend):
    """The asyncio backend, safe to cancel."""

    async def make_socket(self, af: int, socktype: int, *arguments: Any, **options: Any) -> Any:
        """A socket for dnspython, as the base class makes it."""
        if socktype != socket.SOCK_DGRAM:
            return await self._make(af, socktype, *arguments, **options)
        making = asyncio.get_running_loop().create_task(self._make(af, socktype, *arguments, **options))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            with suppress(OSError):          # it could not be made: then there is nothing to close
                made = await making          # a turn or two of the loop: UDP waits for nobody
                await made.close()
            raise

    async def _make(self, *arguments: Any, **options: Any) -> Any:
        return await super().make_socket(*arguments, **options)  # type: ignore[no-untyped-call]  # theirs has no types


BACKEND = CancellableBackend()
