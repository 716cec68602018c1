"""
What `-allow` and `-secret` say, in the language of rules. Pure; called by `cli/run_flags.py`.

A destination is a host pattern as under `domains`, a range as under `cidrs`, or a host with a port.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from iron_proxy.matching.host_patterns import CIDRPattern, HostPattern
from iron_proxy.matching.rule import Rule

# `host:8443` and `[::1]:8443`; a bare IPv6 address has more colons and no port.
_WITH_PORT = re.compile(r"([^:\[\]]+|\[[^\]]*\]):([0-9]+)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class SecretFlag:
    """One `-secret`: the variable that holds the value, and where the value may go."""

    variable: str
    rules: tuple[Rule, ...]


def parse_destinations(texts: Iterable[str]) -> tuple[Rule, ...]:
    """The rules of all destinations; each text may hold several, with commas. Raises ValueError with a sentence."""
    return tuple(_rule(part) for text in texts for part in _parts(text))


def parse_secret(text: str) -> SecretFlag:
    """Read `VARIABLE@HOST[,HOST…]`. Raises ValueError with a sentence, which holds no value of a variable."""
    variable, at, destinations = text.partition("@")
    if not _VARIABLE.fullmatch(variable):
        # Whoever writes the value itself here must not find it again in a log.
        raise ValueError("write it as VARIABLE@HOST: the name of a variable, not its value, and who may have the value")
    if not at or not destinations.strip():
        raise ValueError(f'"{variable}": who may have the value? Write it as {variable}@api.example.com')
    return SecretFlag(variable, parse_destinations([destinations]))


def parse_port(text: str) -> int:
    """A port number. Raises ValueError with a sentence."""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= _MAX_PORT):
        raise ValueError(f'"{text}" is not a port number, 1 to {_MAX_PORT}')
    return int(text)


def traps_of(rules: Iterable[Rule]) -> list[str]:
    """Sentences about patterns that cover more than they seem to."""
    return [rule.host.trap for rule in rules if rule.host is not None and rule.host.trap is not None]


def _parts(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError(f'"{text}": an empty destination; write hosts with commas between them')
    return parts


def _rule(text: str) -> Rule:
    found = _WITH_PORT.fullmatch(text)
    host = text if found is None else found[1]
    ports = frozenset[int]() if found is None else frozenset((parse_port(found[2]),))
    if "/" in host and "://" not in text and _is_range(host):
        return Rule(cidr=CIDRPattern.parse(host), ports=ports, description=text)
    return Rule(host=HostPattern.parse(host), ports=ports, description=text)


def _is_range(text: str) -> bool:
    try:
        CIDRPattern.parse(text)
    except ValueError:
        return False
    return True
