"""
The only way out: resolve, judge every address, connect to the address that was judged, then TLS.

`dial` takes a Permit, which only the pipeline makes; nothing is looked up or connected to before policy said yes.
Through an outbound proxy (`outbound_proxy.py` says when) what can be seen here is judged all the same. Called by
`pool.py` and by `proxy/`. The caller closes what it is given.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import Protocol

from iron_proxy.config.proxy_urls import ProxyAddress, plain_address
from iron_proxy.config.schema import DEFAULT_LIMITS, LimitsConfig
from iron_proxy.errors import (
    UpstreamALPNRefused,
    UpstreamDenied,
    UpstreamError,
    UpstreamTimeout,
    UpstreamTLSError,
    UpstreamUnreachable,
)
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSError, TLSStream
from iron_proxy.upstream.deny_list import DenyList
from iron_proxy.upstream.nested_tls import NestedTLSStream
from iron_proxy.upstream.outbound_proxy import OutboundProxies, Route, RouteKind
from iron_proxy.upstream.proxy_handshake import open_tunnel
from iron_proxy.upstream.recent_dials import RecentDials
from iron_proxy.upstream.trust import HTTP1, OneContext, Trust

# While other addresses remain, a silent one must not eat the whole of `limits.connect` (RFC 8305 is about the same
# trouble): of the default it may take 3 s, and ten of them fit however long the whole may be.
ATTEMPT_SHARE = 0.1


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
        trust: Trust | ssl.SSLContext,
        is_own_listener: Callable[[str, int], bool],
        proxies: OutboundProxies | None = None,
        recent_dials: RecentDials | None = None,
        limits: LimitsConfig = DEFAULT_LIMITS,
    ) -> None:
        """A context in place of a `Trust` is used for every host. What is opened is noted in `recent_dials`."""
        self._connect_timeout = limits.connect
        self._tls_timeout = limits.tls_handshake
        self._resolver = resolver
        self._deny_list = deny_list
        self._trust = OneContext(trust) if isinstance(trust, ssl.SSLContext) else trust
        self._is_own_listener = is_own_listener
        self._proxies = proxies or OutboundProxies()
        self._recent_dials = recent_dials

    def route(self, permit: Permit, *, tunnel: bool = False) -> Route:
        """
        The way that `dial` takes for a permit, always the same. ABSOLUTE_FORM asks something of each request.

        `tunnel`: as in `dial`.
        """
        return self._proxies.route(permit.scheme, permit.target, tunnel=tunnel)

    async def dial(
        self,
        permit: Permit,
        session: ssl.SSLSession | None = None,
        *,
        alpn: tuple[str, ...] = HTTP1,
        tunnel: bool = False,
    ) -> SocketStream | TLSStream:
        """
        A connection to the permit's destination, with TLS for https. Raises UpstreamError.

        A session of another context (another host's, or another `alpn`'s) is not resumed. `tunnel`: no outbound proxy
        may read what is sent, as for WebSockets.
        """
        stream = await self._open(permit, self.route(permit, tunnel=tunnel))
        if permit.scheme != "https":
            return stream
        return await self._secure(stream, permit.target.host, alpn, session)

    async def dial_raw(self, permit: Permit) -> SocketStream | TLSStream:
        """A connection on which the client's own TLS will be relayed, for a permit that is not for `http`."""
        return await self._open(permit, self.route(permit, tunnel=True))

    async def _open(self, permit: Permit, route: Route) -> SocketStream | TLSStream:
        proxy = route.proxy
        try:
            async with asyncio.timeout(self._connect_timeout):
                if proxy is None:
                    return await self._connect(permit.target, named=permit.admission.names_address)
                if route.kind is RouteKind.ABSOLUTE_FORM:
                    self._judge_literal(permit)
                    return await self._connect_to_proxy(proxy)
                return await self._tunnel(proxy, permit)
        except TimeoutError as error:
            way = f" through outbound proxy {proxy.target}" if proxy is not None else ""
            raise UpstreamTimeout(f"connecting to {permit.target}{way} timed out") from error

    # --- through an outbound proxy ----------------------------------------------------------------------------------

    def _judge_literal(self, permit: Permit) -> None:
        """A destination that is an address is judged here; what a name leads to, only the proxy can see."""
        address = plain_address(permit.target.host)
        if address is not None:
            self._check(permit.target.host, permit.target.port, named=permit.admission.names_address)

    async def _tunnel(self, proxy: ProxyAddress, permit: Permit) -> SocketStream | TLSStream:
        """A tunnel to the destination: by its name, or for `socks5` by the first of its addresses that serves."""
        self._judge_literal(permit)
        if proxy.scheme != "socks5" or plain_address(permit.target.host) is not None:
            return await self._tunnel_to(proxy, permit.target)
        addresses = await self._resolver.resolve(permit.target.host)
        allowed, failure = self._judged(addresses, permit.target, named=permit.admission.names_address)
        for address in allowed:
            try:
                return await self._tunnel_to(proxy, Target(address, permit.target.port, True))
            except UpstreamUnreachable as error:  # nothing else would be better with another address
                failure = error
        raise failure

    async def _tunnel_to(self, proxy: ProxyAddress, target: Target) -> SocketStream | TLSStream:
        stream = await self._connect_to_proxy(proxy)
        try:
            await open_tunnel(stream, proxy, target)
        except UpstreamError as error:
            stream.abort()
            raise _at_proxy(proxy, error) from error
        except BaseException:
            stream.abort()
            raise
        return stream

    async def _connect_to_proxy(self, proxy: ProxyAddress) -> SocketStream | TLSStream:
        """The operator named it, which lifts the built-in deny list: many a proxy is on loopback."""
        try:
            stream = await self._connect(proxy.target, named=True)
            if proxy.scheme != "https":
                return stream
            return await self._secure(stream, proxy.target.host, HTTP1, None)
        except UpstreamError as error:
            raise _at_proxy(proxy, error) from error

    # --- straight ---------------------------------------------------------------------------------------------------

    async def _connect(self, target: Target, *, named: bool) -> SocketStream:
        """Judge all first: a name that also points at a forbidden address is not worth half a try."""
        addresses = await self._resolver.resolve(target.host)
        allowed, failure = self._judged(addresses, target, named=named)
        for position, address in enumerate(allowed, 1):
            try:
                share = 1.0 if position == len(allowed) else ATTEMPT_SHARE
                stream = await _connect_to(address, target.port, self._connect_timeout * share)
                if self._recent_dials is not None:
                    self._recent_dials.note(stream)
                return stream
            except UpstreamError as error:
                failure = error
        raise failure

    def _judged(self, addresses: list[str], target: Target, *, named: bool) -> tuple[list[str], UpstreamError]:
        """The addresses that may be connected to, and what to raise when none of them serves."""
        failure: UpstreamError = UpstreamUnreachable(f"lookup {target.host}: no addresses")
        allowed = []
        for address in addresses:
            try:
                self._check(address, target.port, named=named)
                allowed.append(address)
            except UpstreamDenied as error:
                failure = error
        return allowed, failure

    def _check(self, address: str, port: int, *, named: bool) -> None:
        if self._is_own_listener(address, port):
            raise UpstreamDenied(f"dial tcp {_joined(address, port)}: denied: it is a listener of this proxy")
        network = self._deny_list.denied_network(address, named_literally=named)
        if network is not None:
            raise UpstreamDenied(
                f"dial tcp {_joined(address, port)}: denied by upstream_deny_cidrs: {address} in {network}"
            )

    # --- TLS --------------------------------------------------------------------------------------------------------

    async def _secure(
        self, stream: SocketStream | TLSStream, host: str, alpn: tuple[str, ...], session: ssl.SSLSession | None
    ) -> TLSStream:
        """TLS over a connection, which is closed if the handshake fails. Raises UpstreamTLSError, UpstreamTimeout."""
        try:
            return await _start_tls(stream, self._trust.context_for(host, alpn), host, session, self._tls_timeout)
        except BaseException:
            stream.abort()
            raise


async def _start_tls(
    stream: SocketStream | TLSStream,
    context: ssl.SSLContext,
    host: str,
    session: ssl.SSLSession | None,
    timeout: float,
) -> TLSStream:
    try:
        tls = _client_tls(stream, context, host, session)
    except ValueError:  # a session of another context: whatever it was for, it was not this
        tls = _client_tls(stream, context, host, None)
    try:
        await tls.handshake(timeout)
    except StreamTimeout as error:
        raise UpstreamTimeout(f"the TLS handshake with {host} timed out") from error
    except TLSError as error:
        refused = error.reason.endswith("no application protocol")
        kind = UpstreamALPNRefused if refused else UpstreamTLSError
        raise kind(f"the TLS handshake with {host} failed: {error.reason}") from error
    except StreamReset as error:
        raise UpstreamTLSError(f"{host} closed the connection during the TLS handshake") from error
    return tls


def _client_tls(
    stream: SocketStream | TLSStream, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None
) -> TLSStream:
    if isinstance(stream, TLSStream):
        return NestedTLSStream(stream, context, host, session)
    return TLSStream(stream, context, server_side=False, server_name=host, session=session)


def _at_proxy(proxy: ProxyAddress, error: UpstreamError) -> UpstreamError:
    """The same error, with the place where it happened: the proxy's host and port, never its credentials."""
    return type(error)(f"outbound proxy {proxy.target}: {error}")


async def _connect_to(address: str, port: int, timeout: float) -> SocketStream:
    sock = _new_socket(address, port)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout):
            await loop.sock_connect(sock, (address, port))
        if ip_address(sock.getpeername()[0]) != ip_address(address):  # the address judged is the address connected
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


def _new_socket(address: str, port: int) -> socket.socket:
    """Raises UpstreamUnreachable when there is no descriptor left: this request fails, and the next may find one."""
    try:
        return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise UpstreamUnreachable(f"dial tcp {_joined(address, port)}: {_os_reason(error)}") from error


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _os_reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else type(error).__name__
