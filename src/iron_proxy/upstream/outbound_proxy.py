"""
Which way a connection takes: straight, through an outbound proxy's tunnel, or as absolute-form requests to one.

A function of scheme, host and port alone; whether the destination may be reached at all was decided before. The URLs
are read in `config/proxy_urls.py`, the connections made in `dialer.py`; `http1_client.py` writes the request line
that a route asks for.
"""

from enum import Enum, auto
from typing import Final, NamedTuple

from iron_proxy.config.proxy_urls import NoProxy, ProxyAddress, parse_proxy_url, plain_address
from iron_proxy.errors import UpstreamError
from iron_proxy.messages.authority import Target


class RouteKind(Enum):
    """What the connection that `Dialer.dial` gives leads to."""

    DIRECT = auto()  # the origin
    TUNNELLED = auto()  # the origin, through a proxy that does not look inside
    ABSOLUTE_FORM = auto()  # a proxy that reads our requests: see `request_target` and `proxy_fields`


class Route(NamedTuple):
    """The way to one destination. Connections of different routes are never exchanged for one another."""

    kind: RouteKind
    proxy: ProxyAddress | None = None

    def request_target(self, target: Target, raw_target: bytes) -> bytes:
        """The request line's target on this route, from the one in origin-form."""
        if self.kind is not RouteKind.ABSOLUTE_FORM:
            return raw_target
        # RFC 9112 section 3.2.4: `OPTIONS *` becomes the form without a path.
        return b"http://" + target.host_header("http") + (b"" if raw_target == b"*" else raw_target)

    def proxy_fields(self, method: str) -> bytes:
        """
        Complete field lines that each request on this route needs: the proxy's credentials, or nothing.

        Raises UpstreamError for TRACE with credentials: it sends a request back as it arrived, to the client (RFC 9110
        section 9.3.8), and `Max-Forwards` lets the client choose that it is the proxy who does so.
        """
        if self.kind is not RouteKind.ABSOLUTE_FORM or self.proxy is None or self.proxy.credentials is None:
            return b""
        if method.upper() == "TRACE":
            raise UpstreamError(f"outbound proxy {self.proxy.target}: TRACE would show the client our credentials")
        return b"Proxy-Authorization: %b\r\n" % self.proxy.credentials.basic()

    def check_status(self, status: int) -> None:
        """Raise UpstreamError for a 407: the challenge is the proxy's to us, and no client could answer it."""
        if status == 407 and self.kind is RouteKind.ABSOLUTE_FORM and self.proxy is not None:
            raise UpstreamError(f"outbound proxy {self.proxy.target}: {refusal_text(407)}")


DIRECT: Final = Route(RouteKind.DIRECT)


def refusal_text(status: int) -> str:
    """What a proxy's refusal means, with its status and none of its own words."""
    if status == 407:
        return "it answered 407: it refused our credentials, or wants some; put user:password@ into its URL"
    if status == 403:
        return "it answered 403: its rules do not allow this destination"
    return f"it answered {status}"


class OutboundProxies:
    """`proxy.upstream_proxy`: the scheme of the request picks one of two. Neither: every route is direct."""

    def __init__(
        self,
        http_proxy: ProxyAddress | None = None,
        https_proxy: ProxyAddress | None = None,
        no_proxy: NoProxy | None = None,
    ) -> None:
        self._no_proxy = no_proxy or NoProxy()
        self._tunnels = {
            scheme: Route(RouteKind.TUNNELLED, proxy)
            for scheme, proxy in (("http", http_proxy), ("https", https_proxy))
            if proxy is not None
        }
        reads_requests = http_proxy is not None and not http_proxy.is_socks
        self._plain = Route(RouteKind.ABSOLUTE_FORM, http_proxy) if reads_requests else self._tunnels.get("http")

    @classmethod
    def from_texts(cls, http_proxy: str = "", https_proxy: str = "", no_proxy: str = "") -> "OutboundProxies":
        """From the texts of the configuration, empty for none. Raises ValueError with a sentence."""
        return cls(
            parse_proxy_url(http_proxy) if http_proxy else None,
            parse_proxy_url(https_proxy) if https_proxy else None,
            NoProxy.parse(no_proxy),
        )

    @property
    def texts(self) -> dict[str, str]:
        """Which proxy serves `http` and which `https`, as text without credentials, for the start-up log."""
        return {scheme: str(route.proxy) for scheme, route in self._tunnels.items()}

    def route(self, scheme: str, target: Target, *, tunnel: bool = False) -> Route:
        """
        The way to a destination. Anything but `http` is TLS and takes `https_proxy`.

        `tunnel`: plain bytes will be relayed (a WebSocket), which needs a tunnel also for http.
        """
        if not self._tunnels:
            return DIRECT
        if scheme == "http" and not tunnel:
            route = self._plain
        else:
            route = self._tunnels.get("http" if scheme == "http" else "https")
        if route is None or is_here(target.host) or self._no_proxy.covers(target.host, target.port):
            return DIRECT
        return route


def is_here(host: str) -> bool:
    """Whether a host names this machine: `localhost`, what is below it (RFC 6761 section 6.3), a loopback address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = plain_address(host)
    return address is not None and address.is_loopback
