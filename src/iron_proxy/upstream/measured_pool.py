"""
The same pool, where somebody counts: how often a connection is used again, how long a new one and an answer take.

Which of the two is built is decided once (`runtime/assemble.py`), so that a proxy without metrics pays nothing but
a call for them. What is done with the figures is the observer's business (`management/upstream_metrics.py`).
"""

from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from iron_proxy.config.schema import DEFAULT_LIMITS, LimitsConfig
from iron_proxy.errors import UpstreamError, UpstreamTLSError
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.http1_client import OriginKey, UpstreamConnection
from iron_proxy.upstream.http2_client import Http2Exchange
from iron_proxy.upstream.pool import Http2Use, Pool


class Observer(Protocol):
    """Is told in the loop's thread, and must not wait. Times are in milliseconds."""

    taken_new: int               # requests that have got a new connection
    taken_reused: int            # and those that have got one that had served others
    # The first head of an answer is here, so long after its request had asked for a connection.
    answered: Callable[[float], None]

    def connected(self, milliseconds: float, tls_version: str) -> None:
        """A connection was opened, TLS handshake and all; `tls_version` is "" without TLS."""
        ...

    def not_connected(self, *, by_handshake: bool) -> None:
        """One could not be opened; by the fault of its TLS handshake, or of something before that."""
        ...


class MeasuredPool(Pool):
    """See `Pool`."""

    def __init__(
        self, dialer: Dialer, http2: Http2Use, observer: Observer, limits: LimitsConfig = DEFAULT_LIMITS
    ) -> None:
        super().__init__(dialer, http2, limits)
        self._observer = observer

    def take_idle(
        self, permit: Permit, http2: bool = False, owner: object = None
    ) -> UpstreamConnection | Http2Exchange | None:
        """See `Pool.take_idle`."""
        connection = super().take_idle(permit, http2, owner)
        if connection is not None:
            self._observer.taken_reused += 1
            connection.asked_at = perf_counter()
        return connection

    async def connect(self, permit: Permit, *, http2: bool = False) -> UpstreamConnection | Http2Exchange:
        """See `Pool.connect`."""
        started = perf_counter()
        connection = await super().connect(permit, http2=http2)
        self._observer.taken_new += 1
        connection.asked_at = started
        return connection

    async def connect_http1(self, permit: Permit) -> UpstreamConnection:
        """See `Pool.connect_http1`."""
        connection = await super().connect_http1(permit)
        self._observer.taken_new += 1
        return connection

    async def _dial(
        self, permit: Permit, key: OriginKey, alpn: tuple[str, ...], *, tunnel: bool = False
    ) -> SocketStream | TLSStream:
        started = perf_counter()
        try:
            stream = await super()._dial(permit, key, alpn, tunnel=tunnel)
        except UpstreamError as error:
            self._observer.not_connected(by_handshake=isinstance(error, UpstreamTLSError))
            raise
        version = stream.version if isinstance(stream, TLSStream) else ""
        self._observer.connected((perf_counter() - started) * 1e3, version)
        return stream

    def note_answer(self, connection: UpstreamConnection | Http2Exchange) -> None:
        """See `Pool.note_answer`."""
        if connection.asked_at:
            self._observer.answered((perf_counter() - connection.asked_at) * 1e3)
            connection.asked_at = 0.0
