"""
Kinds of values that several blocks of a configuration hold: listen addresses, CIDRs, host patterns, names, paths.

Each function reads one key of a section and notes what is wrong with it there, so that the readers (`reading*.py`) say
only which key is of which kind. What all scalars have in common is `section.py`.
"""

import ipaddress
import re
import string
from typing import Final

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import Network
from iron_proxy.config.section import Section
from iron_proxy.errors import BadRequest
from iron_proxy.go_compat.path_match import regex_of_glob
from iron_proxy.messages.authority import parse_host

# The word that switches a listener off; upstream takes an empty string for "the default".
OFF: Final = "off"
# ipaddress also takes netmasks, and Go no leading zeros in a prefix length.
_CIDR = re.compile(r"[0-9a-fA-F:.]+/(?:0|[1-9][0-9]{0,2})", re.ASCII)
# Only ASCII: `str.lower` turns the Kelvin sign into a k.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_WILDCARDS = frozenset("*?[\\")


def lower(text: str) -> str:
    """The text with its ASCII letters in lower case, and all others as they are."""
    return text.translate(_LOWER)


def listen_or_off(section: Section, key: str, default: str) -> ListenAddress | None:
    """A listen address; None for `off`, and after a problem."""
    if (section.text(key) or default) == OFF:
        return None
    return listen(section, key, default)


def listen(section: Section, key: str, default: str) -> ListenAddress | None:
    """A listen address; None after a problem."""
    try:
        return ListenAddress.parse(section.text(key) or default)
    except ValueError as error:
        section.problem(key, str(error))
        return None


def parse_cidr(text: str) -> Network:
    """A CIDR with its host bits cleared. Raises ValueError with a sentence."""
    entry = text.strip(" \t\r\n")
    if not entry:
        raise ValueError("empty CIDR entry")
    if "/" not in entry:
        raise ValueError(f'invalid CIDR "{entry}": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128')
    refusal = ValueError(f'invalid CIDR "{entry}": not an address with a prefix length that fits it')
    if not _CIDR.fullmatch(entry):
        raise refusal
    try:
        return ipaddress.ip_network(entry, strict=False)  # host bits are cleared, as in upstream
    except ValueError:
        raise refusal from None


def host_patterns(section: Section, key: str) -> list[str]:
    """A list of host patterns, in lower case and without a trailing dot."""
    return [
        pattern
        for index, (text, line) in enumerate(section.texts_with_lines(key))
        if (pattern := _checked_pattern(section, text, line, f"{key}[{index}]"))
    ]


def host_pattern(section: Section, key: str) -> str:
    """One host pattern that must be there, in lower case and without a trailing dot; an IPv6 address serves too."""
    text = section.required_text(key)
    if not text or is_address(text, ipaddress.IPv6Address):
        return text
    return _checked_pattern(section, text, None, key)


def _checked_pattern(section: Section, text: str, line: int | None, place: str) -> str:
    pattern = lower(text)
    reason = _fault_of_pattern(pattern)  # before the dot goes: "*." is a slip and must not become "*"
    if reason is not None and line is not None:
        section.problem_at(line, place, f'"{text}": {reason}')
    elif reason is not None:
        section.problem(place, f'"{text}": {reason}')
    return pattern.removesuffix(".")


def _fault_of_pattern(pattern: str) -> str | None:
    """Why a pattern can match no name. Names beyond ASCII are left to the pattern's own parser, which encodes them."""
    if not pattern or any(character <= " " or character in "/:@\x7f" for character in pattern):
        return "not a host pattern; write a name such as db.internal.corp, or *.internal.corp"
    plain = pattern.removeprefix("*.")
    if not pattern.isascii() or pattern == "*":
        return None
    if _WILDCARDS.isdisjoint(plain):
        return None if parse_name(plain) else "not a host name"
    try:
        regex_of_glob(pattern)
    except ValueError as error:
        return str(error)
    return None


def parse_name(text: str) -> tuple[str, bool] | None:
    """The name in canonical spelling and whether it is an address; None for what is neither."""
    try:
        return parse_host(text.encode("ascii"))
    except (BadRequest, UnicodeEncodeError):
        return None


def is_address(text: str, kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> bool:
    """Whether a text is an address of a kind."""
    try:
        kind(text)
    except ValueError:
        return False
    return True
