"""
Addresses as a configuration writes them: where we listen, and which resolver we ask.

Checked when the file is read, so that a slip is told with its line and not by a failing bind. Nothing is resolved or
bound here. Destinations of clients are another matter: `messages/authority.py`.
"""

import ipaddress
import re
from typing import NamedTuple

from iron_proxy.errors import BadRequest
from iron_proxy.messages.authority import parse_host

_ADDRESS = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]*)):([0-9]{1,5})", re.ASCII)
_MAX_PORT = 65535
_FORMS = "write host:port, :port (all interfaces) or [v6]:port"


class ListenAddress(NamedTuple):
    """Where to listen. An empty host is every interface, IPv4 and IPv6; port 0 lets the system choose."""

    host: str
    port: int
    text: str  # as the operator wrote it; logs and `... starting` lines show this

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> "ListenAddress":
        """Read `host:port`, `:port` or `[v6]:port`. Raises ValueError with a sentence that names the remedy."""
        parts = _ADDRESS.fullmatch(text)
        if parts is None:
            raise ValueError(f'"{text}" is not a listen address; {_remedy(text)}')
        v6, host, port = parts[1], parts[2], int(parts[3])
        if port > _MAX_PORT:
            raise ValueError(f'"{text}" is not a listen address; a port is at most {_MAX_PORT}')
        return cls(_listen_v6(v6, text) if v6 else _listen_host(host, text), port, text)


class ResolverAddress(NamedTuple):
    """The DNS server to ask: a literal address, because its name would have to be resolved first."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "ResolverAddress":
        """Read `1.1.1.1:53` or `[2606:4700::1111]:53`. Raises ValueError with a sentence that names the remedy."""
        parts = _ADDRESS.fullmatch(text)
        refusal = ValueError(f'"{text}" is not the address of a resolver; write ip:port, e.g. 1.1.1.1:53 or [::1]:53')
        if parts is None or not 0 < int(parts[3]) <= _MAX_PORT:
            raise refusal
        try:
            address = ipaddress.IPv6Address(parts[1]) if parts[1] else ipaddress.IPv4Address(parts[2])
        except ValueError:
            raise refusal from None
        return cls(str(address), int(parts[3]))


def _listen_v6(host: str, text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))  # a zone (`fe80::1%eth0`) is kept: it names our own interface
    except ValueError:
        raise ValueError(f'"{text}" is not a listen address; in brackets stands an IPv6 address') from None


def _listen_host(host: str, text: str) -> str:
    if not host:
        return ""
    try:
        return parse_host(host.encode("ascii"))[0]
    except (BadRequest, UnicodeEncodeError):
        raise ValueError(f'"{text}" is not a listen address; {_FORMS}') from None


def _remedy(text: str) -> str:
    if re.fullmatch(r"[0-9]{1,5}", text, re.ASCII):
        return f'write ":{text}" to listen on all interfaces'
    if text.count(":") > 1 and not set("[/") & set(text):
        return 'an IPv6 address stands in brackets, e.g. "[::1]:8080"'
    return _FORMS
