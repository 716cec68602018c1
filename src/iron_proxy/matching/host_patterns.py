"""
Patterns over hosts: an exact name or address, `*`, `*.example.com`, a shell pattern; and CIDRs over literal addresses.

Both sides are canonical (lower case, A-labels, no trailing dot, addresses in one spelling), so that a comparison means
what it says: a pattern passes the same parser as what clients send, and one that could never match fails the load with
the remedy. Names are never resolved here; the address that is dialled is judged by the dialer.
"""

import encodings.idna
import ipaddress
import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from iron_proxy.errors import BadRequest
from iron_proxy.matching.glob import WILDCARDS, compile_glob
from iron_proxy.messages.authority import parse_host

# ipaddress also takes netmasks ("/255.0.0.0") and host masks, which Go refuses.
_CIDR = re.compile(r"([^/]+)/([0-9]{1,3})", re.ASCII)
_PORT_TAIL = re.compile(r"(.+):[0-9*]+", re.ASCII)

# (4 or 6, the address as a number): IPv4-mapped IPv6 counts as IPv4.
Address = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class HostPattern:
    """One pattern. Exactly one of `matches_all`, `exact`, `suffix` and `glob` says how it matches."""

    text: str  # as the operator wrote it
    matches_all: bool = False
    exact: str | None = None
    suffix: str | None = None  # "example.com" for "*.example.com": itself and any depth below
    glob: str | None = None
    is_address: bool = False
    trap: str | None = None  # what else it matches, and the safer form, when it is wider than it looks
    _dotted_suffix: str = ""
    _compiled: Any = field(default=None, repr=False)  # Any: google-re2 ships no types

    @classmethod
    def parse(cls, text: str) -> "HostPattern":
        """Read a pattern. Raises ValueError with a sentence that names the remedy."""
        try:
            return _parse(cls, text)
        except BadRequest as error:
            raise ValueError(f'"{text}": {error}; write a host name such as api.example.com') from None

    def matches(self, host: str) -> bool:
        """Whether the pattern covers a host in canonical form (`Target.host`)."""
        if self.exact is not None:
            return host == self.exact
        if self.suffix is not None:
            return host.endswith(self._dotted_suffix) or host == self.suffix
        return self.matches_all or self._compiled.fullmatch(host) is not None

    @property
    def names_address(self) -> bool:
        """Whether the operator named this very destination literally: an address, or `localhost`."""
        return self.is_address or self.exact == "localhost"


@dataclass(frozen=True, slots=True, eq=False)
class CIDRPattern:
    """A range of addresses. Matches hosts that are literal addresses, never names."""

    text: str
    version: int
    first: int  # the network's number, host bits cleared
    prefix_length: int

    @classmethod
    def parse(cls, text: str) -> "CIDRPattern":
        """Read `10.0.0.0/8` or `fd00::/8`; host bits are cleared. Raises ValueError with a sentence."""
        stripped = text.strip(" \t")
        parts = _CIDR.fullmatch(stripped)
        if parts is None or "%" in stripped:
            raise ValueError(f'parsing CIDR "{text}": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128')
        try:
            network = ipaddress.ip_network(stripped, strict=False)
        except ValueError:
            raise ValueError(f'parsing CIDR "{text}": not an address with a prefix length that fits it') from None
        version, number, length = network.version, int(network.network_address), network.prefixlen
        if version == 6 and number >> 32 == 0xFFFF and length >= 96:
            # Candidates are unmapped before they are compared, so the pattern must be, or it could never match.
            version, number, length = 4, number & 0xFFFFFFFF, length - 96
        return cls(text, version, number, length)

    def matches(self, host: str) -> bool:
        """Whether a canonical host is an address in the range."""
        address = address_of(host)
        return address is not None and self.contains(address)

    def contains(self, address: Address) -> bool:
        """Whether the range holds an address."""
        shift = (32 if self.version == 4 else 128) - self.prefix_length
        return address[0] == self.version and address[1] >> shift == self.first >> shift

    @property
    def names_address(self) -> bool:
        """Whether the range names destinations: a /0 says "anything", as `*` does, and names none."""
        return self.prefix_length > 0


@lru_cache(maxsize=1024)
def address_of(host: str) -> Address | None:
    """A literal address as (version, number), IPv4-mapped IPv6 as IPv4; None for a name."""
    if ":" not in host and not host[-1:].isdigit():
        return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return 4, int(address)
    if address.scope_id is not None:
        return None
    return (4, int(address.ipv4_mapped)) if address.ipv4_mapped is not None else (6, int(address))


# --- reading a pattern ----------------------------------------------------------------------------------------------


def _parse(cls: type[HostPattern], text: str) -> HostPattern:
    _check_shape(text)
    if text.strip("*") == "":
        return cls(text, matches_all=True)
    if ":" in text:
        return cls(text, exact=_canonical_ipv6(text), is_address=True)
    name = _ascii(text)
    if name.startswith("*."):
        return _suffix_pattern(cls, text, name[2:])
    if WILDCARDS.isdisjoint(name):
        exact, is_address = parse_host(name.encode("ascii"))
        return cls(text, exact=exact, is_address=is_address)
    return _glob_pattern(cls, text, name.removesuffix("."))


def _glob_pattern(cls: type[HostPattern], text: str, glob: str) -> HostPattern:
    if glob.strip("*") == "" or ".." in glob or glob.endswith("."):
        raise ValueError(f'"{text}": a host pattern has no empty labels')
    try:
        return cls(text, glob=glob, trap=_trap(text, glob), _compiled=compile_glob(glob))
    except ValueError as error:
        raise ValueError(f'"{text}": {error}') from None


def _suffix_pattern(cls: type[HostPattern], text: str, rest: str) -> HostPattern:
    if not rest or not WILDCARDS.isdisjoint(rest):
        raise ValueError(f'"{text}": after *. stands a plain name, as in *.example.com; it covers any depth already')
    suffix, is_address = parse_host(rest.encode("ascii"))
    if is_address:
        raise ValueError(f'"{text}": an address has no names below it; write {suffix}, or a range under cidr')
    return cls(text, suffix=suffix, _dotted_suffix=f".{suffix}")


def _check_shape(text: str) -> None:
    if not text:
        raise ValueError("a host pattern must not be empty")
    if any(character <= " " or character == "\x7f" for character in text):
        raise ValueError(f"{text!r}: a host pattern has no spaces or control characters")
    if "://" in text:
        raise ValueError(f'"{text}": a host pattern has no scheme; write {_bare_host(text)}')
    if "/" in text:
        raise ValueError(_slash_sentence(text))
    if "@" in text:
        raise ValueError(f'"{text}": a host pattern has no user; write {_bare_host(text)}')
    if text.startswith("."):
        raise ValueError(f'"{text}": a host pattern does not begin with a dot; write *{text}')
    _check_no_port(text)


def _slash_sentence(text: str) -> str:
    try:
        CIDRPattern.parse(text)
    except ValueError:
        return f'"{text}": a host pattern has no path; write {_bare_host(text)} and put the path under paths'
    return f'"{text}": this is a range of addresses; write it under cidr (or cidrs), not as a host'


def _check_no_port(text: str) -> None:
    port = _PORT_TAIL.fullmatch(text)
    if port is not None and (":" not in port[1] or port[1].endswith("]")):
        raise ValueError(
            f'"{text}": a host pattern has no port; write {port[1]} and name the port under a rule\'s ports'
        )


def _bare_host(text: str) -> str:
    """The part of a URL that the operator meant; for advice only."""
    rest = text.split("://", 1)[-1].split("/", 1)[0].rsplit("@", 1)[-1]
    port = _PORT_TAIL.fullmatch(rest)
    return (port[1] if port is not None else rest) or "api.example.com"


def _canonical_ipv6(text: str) -> str:
    if not text.isascii():
        raise ValueError(f'"{text}": not a host name')
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return parse_host(f"[{bare}]".encode("ascii"))[0]


# --- names beyond ASCII ---------------------------------------------------------------------------------------------


def _ascii(name: str) -> str:
    if name.isascii():
        return name.lower()
    return ".".join(label.lower() if label.isascii() else _a_label(label, name) for label in name.split("."))


def _a_label(label: str, name: str) -> str:
    """
    The A-label of a label in which IDNA 2003 and IDNA 2008 agree; anything else is refused with the remedy.

    Python's codec speaks IDNA 2003, which turns `ß` into `ss` and drops joiners: it would silently allow another
    domain than the one in the file.
    """
    lowered = label.lower()
    remedy = ValueError(f'"{name}": cannot be converted without doubt; write its A-label form (xn--...)')
    if not all(_is_plain(character) for character in label) or unicodedata.normalize("NFKC", lowered) != lowered:
        raise remedy
    try:
        encoded = encodings.idna.ToASCII(lowered).decode("ascii")
        unchanged = encodings.idna.nameprep(lowered) == lowered and encodings.idna.ToUnicode(encoded) == lowered
    except UnicodeError:
        raise remedy from None
    if not unchanged:
        raise remedy
    return encoded


def _is_plain(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in "-_"
    # U+212A (Kelvin sign) and its like lower to ASCII letters: not what a reader sees.
    return unicodedata.category(character)[0] in "LMN" and not character.lower().isascii()


# --- patterns wider than they look ----------------------------------------------------------------------------------


def _trap(text: str, glob: str) -> str | None:
    """A sentence when the wildcards let in names under domains that the pattern does not fix."""
    fixed_end = re.split(r"[*?\]]", glob)[-1]
    if "." in fixed_end.partition(".")[2]:
        return None  # such as api-*.example.com: all of it lies within example.com
    start = re.split(r"[*?\[]", glob)[0]
    if re.fullmatch(r"[0-9.*?]+", glob):
        return f'"{text}" also matches names such as {start}evil.example; write the range under cidr'
    if glob == f"*{fixed_end}":
        return f'"{text}" also matches evil{fixed_end}; write *.{fixed_end}'
    if not fixed_end:
        return f'"{text}" also matches {start}evil.example; name the whole domain, as in api.example.com'
    return f'"{text}" also matches names in domains of others, for * and ? cross dots; name the whole domain'
