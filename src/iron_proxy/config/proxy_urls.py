"""
The outbound proxy as a configuration or an environment names it: its URL, and the destinations that go without it.

Checked when the file is read: a proxy that cannot be understood stops the start, because going direct instead would
leave the way that the operator prescribed. No sentence here quotes a URL, for it may hold a password. Which request
goes which way is `upstream/outbound_proxy.py`'s matter.
"""

import ipaddress
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Final, NoReturn

from iron_proxy.errors import BadRequest
from iron_proxy.messages.authority import Target, parse_host, parse_target

_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_SCHEMES_TEXT: Final = "http, https, socks5 or socks5h"
_FORM: Final = "write scheme://host:port, with user:password@ before the host if the proxy asks for them"
# RFC 1929 section 2: the length of either field is one byte.
_MAX_SOCKS_FIELD: Final = 255

_URL = re.compile(r"(?:([A-Za-z0-9+.-]+)://)?([^/?#]*)/?", re.ASCII)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})?")
_NETWORK = re.compile(r"[^\[\]/%]+/[0-9]{1,3}", re.ASCII)
_PORT_TAIL = re.compile(r"(.*[^:]|\[.*\]):([0-9]{1,5})", re.ASCII)

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ProxyCredentials:
    """A user and a password for the outbound proxy. They can be sent to it; they cannot be printed or pickled."""

    __slots__ = ("_password", "_user")

    def __init__(self, user: bytes, password: bytes) -> None:
        self._user = user
        self._password = password

    def basic(self) -> bytes:
        """The value of a Proxy-Authorization field (RFC 7617). For nobody but the proxy."""
        return b"Basic " + b64encode(self._user + b":" + self._password)

    def socks_fields(self) -> tuple[bytes, bytes]:
        """User and password for RFC 1929. For nobody but the proxy."""
        return self._user, self._password

    def __repr__(self) -> str:
        return "<ProxyCredentials>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("ProxyCredentials are not to be pickled or copied")


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """An outbound proxy. As text it is `scheme://host:port`, which never holds the credentials."""

    scheme: str  # http, https (TLS to the proxy itself), socks5 (names resolved here), socks5h (names resolved there)
    target: Target
    credentials: ProxyCredentials | None = None

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS5 instead of HTTP."""
        return self.scheme in ("socks5", "socks5h")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.target}"


def parse_proxy_url(text: str) -> ProxyAddress:
    """Read `scheme://user:password@host:port` or `host:port` (http). Raises ValueError with a sentence."""
    if not text or any(character <= " " or character == "\x7f" for character in text):
        raise ValueError(f"the proxy's URL is empty or holds spaces or control characters; {_FORM}")
    parts = _URL.fullmatch(text)
    if parts is None:
        raise ValueError(
            "the proxy's URL has a path, a query or a fragment, or its password a character such as / that must be "
            f"percent-encoded; {_FORM}"
        )
    scheme = "http" if parts[1] is None else parts[1].lower()
    if scheme not in _DEFAULT_PORTS:
        raise ValueError(f"the scheme of the proxy's URL must be {_SCHEMES_TEXT}; {_FORM}")
    userinfo, at, authority = parts[2].rpartition("@")
    credentials = _parse_userinfo(userinfo, scheme) if at else None
    return ProxyAddress(scheme, _parse_proxy_host(authority, scheme), credentials)


def _parse_proxy_host(authority: str, scheme: str) -> Target:
    try:
        return parse_target(authority.encode("ascii"), _DEFAULT_PORTS[scheme])
    except (BadRequest, UnicodeEncodeError):
        raise ValueError(f"the proxy's URL has no valid host and port; {_FORM}") from None


def _parse_userinfo(userinfo: str, scheme: str) -> ProxyCredentials:
    name, _, secret = userinfo.partition(":")
    user, password = _percent_decoded(name), _percent_decoded(secret)
    if any(byte < 0x20 or byte == 0x7F for byte in user + password):
        raise ValueError("the user or the password in the proxy's URL holds control characters")
    if scheme.startswith("socks") and not (0 < len(user) <= _MAX_SOCKS_FIELD and len(password) <= _MAX_SOCKS_FIELD):
        raise ValueError("for SOCKS5 the user in the proxy's URL has 1 to 255 bytes, and the password at most 255")
    if b":" in user:  # RFC 7617 section 2: the first colon would end it
        raise ValueError("the user in the proxy's URL holds a colon, which the proxy would take for its end")
    return ProxyCredentials(user, password)


def _percent_decoded(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if any(match[1] is None for match in _PERCENT.finditer(raw)):
        raise ValueError("in the proxy's URL a % is not followed by two hexadecimal digits; a % itself is written %25")
    return _PERCENT.sub(lambda match: bytes.fromhex(match[1].decode("ascii")), raw)


# --- what goes without the proxy ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry. None of `network`, `suffix` and `exact` set is `*`; port None is every port."""

    port: int | None = None
    network: _Network | None = None
    suffix: str | None = None  # ".example.com": names below it
    exact: str | None = None  # and, for `example.com`, the name itself

    def covers(self, host: str, address: _Address | None, port: int) -> bool:
        if self.port not in (None, port):
            return False
        if self.network is not None:
            return address is not None and address.version == self.network.version and address in self.network
        if self.suffix is not None:
            return address is None and (host == self.exact or host.endswith(self.suffix))
        return True


class NoProxy:
    """`no_proxy`: destinations that are connected to directly. Empty covers nothing."""

    def __init__(self, entries: tuple[_Entry, ...] = ()) -> None:
        self._entries = entries

    @classmethod
    def parse(cls, text: str) -> "NoProxy":
        """
        Read entries separated by commas or spaces: `*`, an address, a CIDR, `domain`, `.domain`; each with `:port`.

        Raises ValueError with a sentence that names the entry: one that was skipped would send its traffic elsewhere.
        """
        entries = filter(None, re.split(r"[,\s]+", text))
        return cls(tuple(_parse_entry(entry, number) for number, entry in enumerate(entries, start=1)))

    def covers(self, host: str, port: int) -> bool:
        """Whether a destination in canonical form (`Target.host`) goes without the proxy."""
        if not self._entries:
            return False
        address = plain_address(host)
        return any(entry.covers(host, address, port) for entry in self._entries)


def plain_address(host: str) -> _Address | None:
    """A literal address, IPv4-mapped IPv6 as the IPv4 address that it stands for; None for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _parse_entry(text: str, number: int) -> _Entry:
    try:
        host, port = _split_port(text)
        if host == "*":
            return _Entry(port)
        if "/" in host:
            return _Entry(port, _parse_network(host))
        return _parse_host_entry(host, port)
    except (ValueError, BadRequest):
        # A proxy's URL that got here by mistake may hold a password.
        named = f'the entry "{text}"' if "@" not in text and "://" not in text else f"entry {number}"
        raise ValueError(
            f"{named} of no_proxy is none of *, an address, a CIDR, domain and .domain, each with an "
            "optional :port; names beyond ASCII are written in their A-label form (xn--...)"
        ) from None


def _split_port(text: str) -> tuple[str, int | None]:
    parts = _PORT_TAIL.fullmatch(text)
    if parts is None or (":" in parts[1] and not parts[1].endswith("]")):
        return text, None  # without brackets the last group of an IPv6 address is no port
    port = int(parts[2])
    if not 0 < port < 65536:
        raise ValueError("not a port")
    return parts[1], port


def _parse_network(text: str) -> _Network:
    bare = text[1:-1] if text[0] == "[" and text[-1] == "]" else text
    if not _NETWORK.fullmatch(bare):
        raise ValueError("not a CIDR")
    network = ipaddress.ip_network(bare, strict=False)
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:  # candidates are unmapped, so this must be, or never match
        return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def _parse_host_entry(host: str, port: int | None) -> _Entry:
    below_only = host.startswith((".", "*."))  # Go reads `*.domain` as `.domain`
    name = host.removeprefix("*").removeprefix(".") if below_only else host
    bare = name if ":" not in name or name.startswith("[") else f"[{name}]"
    canonical, is_address = parse_host(bare.encode("ascii"))
    if not is_address:
        return _Entry(port, suffix=f".{canonical}", exact=None if below_only else canonical)
    if below_only:
        raise ValueError("an address has no names below it")
    address = plain_address(canonical)
    return _Entry(port, ipaddress.ip_network(str(address)))
