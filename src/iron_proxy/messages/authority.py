"""
One parsed form of a destination, `Target`: for policy, dialling, server name, Host header, leaf and audit alike.

Bytes become a `Target` in one place, `parse_target`, so that no two parts of the program can read the same bytes
differently (the root of most policy bypasses). What cannot be read in exactly one way is refused: the operating
system's resolver would happily take `0x7f.1`, `2130706433` or a name with a NUL in it.
"""

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

from iron_proxy.errors import BadRequest

# RFC 1035 section 2.3.4: a name is at most 255 octets on the wire, which is 253 characters in text.
MAX_HOST_LENGTH = 253

# Letters, digits, hyphen and underscore (service labels such as `_dmarc` exist); a label is at most 63 octets.
_LABEL = rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(_LABEL + rb"(?:\." + _LABEL + rb")*")
# A last label of digits only, or one that starts like a hexadecimal number, is read as an IPv4 address by inet_aton and
# by WHATWG URL parsers ("127.1", "0x7f000001"): only the canonical dotted quad may be an address, all else is refused.
_NUMERIC_LAST_LABEL = re.compile(rb"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_PORT = re.compile(rb"[0-9]{1,5}")

DEFAULT_PORTS = {"http": 80, "https": 443}


class Target(NamedTuple):
    """A host in canonical form (lower case, no trailing dot, A-labels) with its port."""

    host: str
    port: int
    is_ip: bool = False

    def __str__(self) -> str:
        return f"{self.bracketed_host}:{self.port}"

    @property
    def bracketed_host(self) -> str:
        """The host as it stands in a URL or a Host header: IPv6 in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def host_text(self, scheme: str) -> str:
        """The host as a person writes it: the port is left out where it is the scheme's own."""
        return _host_text(self, scheme)

    def host_header(self, scheme: str) -> bytes:
        """The Host header value (RFC 9110 section 7.2): the same, in bytes."""
        return _host_header(self, scheme)


@lru_cache(maxsize=4096)
def _host_text(target: Target, scheme: str) -> str:
    return target.bracketed_host if target.port == DEFAULT_PORTS.get(scheme) else str(target)


@lru_cache(maxsize=4096)
def _host_header(target: Target, scheme: str) -> bytes:
    return _host_text(target, scheme).encode("ascii")


@lru_cache(maxsize=4096)
def parse_target(authority: bytes, default_port: int | None) -> Target:
    """
    Read `host`, `host:port`, `[v6]` or `[v6]:port`.

    Raises BadRequest for anything that is not exactly one of these, and when the port is missing and
    `default_port` is None.
    """
    host, port_text = _split_port(authority)
    port = _parse_port(port_text) if port_text is not None else default_port
    if port is None:
        raise BadRequest("the authority has no port")
    name, is_ip = _canonical_host(host)
    return Target(name, port, is_ip)


def parse_host(host: bytes) -> tuple[str, bool]:
    """Canonicalise a bare host (a server name, a SOCKS5 domain). Returns (host, is_ip); raises BadRequest."""
    return _canonical_host(host)


def _split_port(authority: bytes) -> tuple[bytes, bytes | None]:
    if authority[:1] == b"[":
        host, bracket, rest = authority.partition(b"]")
        if not bracket or (rest and rest[:1] != b":"):
            raise BadRequest("malformed IPv6 authority")
        return host + bracket, rest[1:] if rest else None
    host, colon, port = authority.partition(b":")
    return host, port if colon else None


def _parse_port(text: bytes) -> int:
    if not _PORT.fullmatch(text) or not 0 < int(text) < 65536:
        raise BadRequest("malformed port in authority")
    return int(text)


def _canonical_host(host: bytes) -> tuple[str, bool]:
    if host[:1] == b"[":
        if host[-1:] != b"]":
            raise BadRequest("malformed IPv6 authority")
        return _canonical_ipv6(host[1:-1]), True
    name = host.lower()
    if name[-1:] == b".":
        name = name[:-1]
    if not name or len(name) > MAX_HOST_LENGTH:
        raise BadRequest("malformed host")
    if _NUMERIC_LAST_LABEL.fullmatch(name):
        return _canonical_ipv4(host), True
    if not _NAME.fullmatch(name):
        raise BadRequest("malformed host")
    return name.decode("ascii"), False


def _canonical_ipv4(host: bytes) -> str:
    text = host.decode("ascii", "replace")
    try:
        canonical = str(ipaddress.IPv4Address(text))
    except ValueError:
        raise BadRequest("malformed IPv4 address") from None
    if canonical != text:
        raise BadRequest("IPv4 address is not in canonical form")
    return canonical


def _canonical_ipv6(text: bytes) -> str:
    if b"%" in text:                       # a zone names an interface of the proxy's host: never the client's to choose
        raise BadRequest("IPv6 zone identifiers are not accepted")
    try:
        return str(ipaddress.IPv6Address(text.decode("ascii", "replace")))
    except ValueError:
        raise BadRequest("malformed IPv6 address") from None
