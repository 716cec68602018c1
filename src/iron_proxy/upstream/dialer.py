"""
The only way out: resolve, judge every address, connect to the address that was judged, then TLS.

`dial` takes a Permit, which only the pipeline makes; nothing is looked up or connected to before policy said yes.
Called by `pool.py`'s users in `proxy/forward.py` and `proxy/websocket.py`. The caller closes what it is given.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import Protocol

from iron_proxy.errors import UpstreamDenied, UpstreamError, UpstreamTimeout, UpstreamTLSError, UpstreamUnreachable
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSError, TLSStream
from iron_proxy.upstream.deny_list import DenyList

# Parity: upstream gives up connecting after 30 s. Several addresses share it.
CONNECT_TIMEOUT = 30.0
# While other addresses remain, a silent one must not eat the whole budget (RFC 8305 is about the same trouble).
ATTEMPT_TIMEOUT = 3.0
# Parity: upstream allows 10 s for a TLS handshake.
TLS_TIMEOUT = 10.0


class Resolve(Protocol):
    """Names to numeric addresses; raises UpstreamError."""

    async def resolve(self, host: str) -> list[str]:
        """Every address of a host, in the order to try."""
        ...


class Dialer:
    """Opens connections for permits. `is_own_listener(address, port)` tells our own sockets: never dialled."""

    def __init__(
        self,
        resolver: Resolve,
        deny_list: DenyList,
        context: ssl.SSLContext,
        is_own_listener: Callable[[str, int], bool],
    ) -> None:
        self._resolver = resolver
        self._deny_list = deny_list
        self._context = context
        self._is_own_listener = is_own_listener

    async def dial(self, permit: Permit, session: ssl.SSLSession | None = None) -> SocketStream | TLSStream:
        """A connection to the permit's destination, with TLS for https. Raises UpstreamError."""
        stream = await self._connect(permit)
        if permit.scheme != "https":
            return stream
        try:
            return await self._start_tls(stream, permit.target.host, session)
        except BaseException:
            stream.abort()
            raise

    async def _connect(self, permit: Permit) -> SocketStream:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                addresses = await self._resolver.resolve(permit.target.host)
                return await self._connect_to_any(addresses, permit)
        except TimeoutError as error:
            raise UpstreamTimeout(f"connecting to {permit.target} timed out") from error

    async def _connect_to_any(self, addresses: list[str], permit: Permit) -> SocketStream:
        """Judge all first: a name that also points at a forbidden address is not worth half a try."""
        failure: UpstreamError = UpstreamUnreachable(f"lookup {permit.target.host}: no addresses")
        allowed = []
        for address in addresses:
            try:
                self._check(address, permit)
                allowed.append(address)
            except UpstreamDenied as error:
                failure = error
        for position, address in enumerate(allowed, 1):
            try:
                limit = CONNECT_TIMEOUT if position == len(allowed) else ATTEMPT_TIMEOUT
                return await _connect_to(address, permit.target.port, limit)
            except UpstreamError as error:
                failure = error
        raise failure

    def _check(self, address: str, permit: Permit) -> None:
        port = permit.target.port
        if self._is_own_listener(address, port):
            raise UpstreamDenied(f"dial tcp {_joined(address, port)}: denied: it is a listener of this proxy")
        network = self._deny_list.denied_network(address, named_literally=permit.admission.names_address)
        if network is not None:
            raise UpstreamDenied(
                f"dial tcp {_joined(address, port)}: denied by upstream_deny_cidrs: {address} in {network}"
            )

    async def _start_tls(self, stream: SocketStream, host: str, session: ssl.SSLSession | None) -> TLSStream:
        tls = TLSStream(stream, self._context, server_side=False, server_name=host, session=session)
        try:
            await tls.handshake(TLS_TIMEOUT)
        except StreamTimeout as error:
            raise UpstreamTimeout(f"the TLS handshake with {host} timed out") from error
        except TLSError as error:
            raise UpstreamTLSError(f"the TLS handshake with {host} failed: {error.reason}") from error
        except StreamReset as error:
            raise UpstreamTLSError(f"{host} closed the connection during the TLS handshake") from error
        return tls


async def _connect_to(address: str, port: int, timeout: float) -> SocketStream:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout):
            await loop.sock_connect(sock, (address, port))
        if ip_address(sock.getpeername()[0]) != ip_address(address):      # the address judged is the address connected
            raise UpstreamDenied(f"dial tcp {_joined(address, port)}: connected elsewhere")
        _, stream = await loop.create_connection(SocketStream, sock=sock)
        return stream
    except TimeoutError as error:
        sock.close()
        raise UpstreamTimeout(f"dial tcp {_joined(address, port)}: timed out") from error
    except OSError as error:
        sock.close()
        raise UpstreamUnreachable(f"dial tcp {_joined(address, port)}: {_os_reason(error)}") from error
    except BaseException:
        sock.close()
        raise


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _os_reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else type(error).__name__
