"""
Where the attacks run, and what they are aimed at: everything that differs from one selftest to another.

Made by `cli/selftest.py` from flags and environment; the cases read it and keep nothing in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from iron_proxy.config.proxy_urls import ProxyAddress
from iron_proxy.errors import BadRequest
from iron_proxy.messages.authority import DEFAULT_PORTS, parse_target
from iron_proxy.selftest.arrivals import Canary

# A name that computes the address it resolves to from its own first label: an answer proves that the question left.
PUBLIC_ZONE: Final = "sslip.io"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One URL's scheme (http or https), host and port. The host is a name or an address without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def is_address(self) -> bool:
        """Whether it is named by address."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def authority(self) -> str:
        """host:port, with brackets where they belong."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Outside:
    """Public servers that answer in a known way, for whatever has no canary. Tests put their own here."""

    page: Endpoint = Endpoint("http", "example.com", 80)
    addresses: tuple[str, ...] = ("1.1.1.1", "2606:4700:4700::1111")
    resolvers: tuple[str, ...] = ("1.1.1.1", "8.8.8.8", "9.9.9.9")
    zone: str = PUBLIC_ZONE
    metadata: tuple[str, ...] = ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
    # An address of nobody's (RFC 5737). Who gets an answer from there gets it from this machine itself.
    nobody: str = "192.0.2.1"
    # Ports of DNS, DNS over TLS, QUIC and metadata services.
    dns_port: int = 53
    dns_tls_port: int = 853
    quic_port: int = 443
    metadata_port: int = 80
    # Pages of proxies: ours (metrics, management), mitmproxy, Envoy, Caddy, Squid, pprof, Docker without TLS.
    page_ports: tuple[int, ...] = (9090, 9091, 9092, 8081, 9901, 2019, 3128, 6060, 2375)


@dataclass(frozen=True, slots=True)
class Place:
    """All of it."""

    run: str  # 16 hexadecimal digits
    denied: tuple[Endpoint, ...] = ()  # endpoints that must not be reached; with a canary behind, arrivals are proven
    allowed: Endpoint | None = None  # the same canary by a name that is allowed
    proxy: ProxyAddress | None = None  # None: traffic is taken without being told
    zone: str = ""  # a DNS zone delegated to the canary
    timeout: float = 3.0  # seconds, for each step of each attempt
    settling: float = 1.0  # seconds until the canary has written down what arrived last: it waits for a request's rest
    canary: Canary | None = None  # what it said of itself, once it was asked
    passes_tls: bool = False  # whether the canary's own certificate is seen through the allowed way
    environment: Mapping[str, str] = field(default_factory=dict)
    known_tokens: frozenset[str] = frozenset()  # variables that hold a proxy token, which is no secret
    root: Path = Path("/")  # the file system that is searched
    outside: Outside = Outside()

    @property
    def denied_addresses(self) -> tuple[Endpoint, ...]:
        """The denied endpoints that were given by address; a name's may come from a DNS that answers with the proxy."""
        return tuple(each for each in self.denied if each.is_address)

    @property
    def denied_names(self) -> tuple[Endpoint, ...]:
        """The other ones."""
        return tuple(each for each in self.denied if not each.is_address)

    def with_canary(self, canary: Canary, *, passes_tls: bool) -> "Place":
        """The same place, now that the canary has answered."""
        return replace(self, canary=canary, passes_tls=passes_tls)

    def hears(self, transport: str) -> tuple[int, ...]:
        """The ports that the canary listens on; none without a canary."""
        listening = self.canary.listening if self.canary is not None else ()
        return tuple(port for name, port in listening if name == transport)


def parse_endpoint(url: str) -> Endpoint:
    """Read http://HOST[:PORT] or https://…, with an optional slash. Raises ValueError with what to write instead."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in DEFAULT_PORTS:
        raise ValueError("write http://HOST, http://HOST:PORT or the same with https")
    try:
        target = parse_target(rest.removesuffix("/").encode("ascii"), DEFAULT_PORTS[scheme])
    except (BadRequest, UnicodeEncodeError):
        raise ValueError("write scheme, host and perhaps a port, with no path: http://HOST:PORT") from None
    return Endpoint(scheme, target.host, target.port)
