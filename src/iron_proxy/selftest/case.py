"""What a case is: what is tried, what "got out" means, how bad that is, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from iron_proxy.selftest.arrivals import Arrival
from iron_proxy.selftest.place import Place
from iron_proxy.selftest.trial import Trial


class Severity(Enum):
    """How bad it is when something gets out."""

    CRITICAL = "critical"  # everything can leave, or secrets lie open
    HIGH = "high"  # data can leave to a place of the attacker's choice
    MEDIUM = "medium"  # a part of a larger attack
    LOW = "low"


class Need(Enum):
    """What a case cannot be tried without, in the words of the table."""

    ALLOWED = "an allowed canary: -allowed URL"
    DENIED = "a denied canary: -against URL"
    DENIED_NAME = "a denied canary named by host: -against http://NAME"
    DENIED_IPV4 = "a denied canary named by IPv4 address: -against http://ADDRESS"
    PROXY = "a proxy to speak to: HTTPS_PROXY or -proxy URL"
    HTTP_PROXY = "an HTTP proxy to speak to: HTTPS_PROXY or -proxy http://HOST:PORT"


class Group(Enum):
    """Where in the table a case stands."""

    DIRECT = "without the proxy"
    DNS = "by DNS"
    POLICY = "to what is denied"
    INSIDE = "to what lies inside"
    MISMATCH = "two names for one connection"
    FRAMING = "requests that two parsers read differently"
    SURROUNDINGS = "what lies around here"


@dataclass(frozen=True, slots=True)
class Case:
    """One row."""

    name: str
    group: Group
    severity: Severity
    tried: str
    means: str  # what "got out" means
    remedy: str
    attempt: Callable[[Place, Trial], None]
    needs: frozenset[Need] = frozenset()
    # Which arrivals count: all, unless the case also sends to the allowed canary what may arrive there.
    counts: Callable[[Arrival, Place], bool] = lambda arrival, place: True


def names_denied(arrival: Arrival, place: Place) -> bool:
    """Whether what arrived was meant for a denied host."""
    hosts = [endpoint.host for endpoint in place.denied]
    return any(name == host or name.endswith(f".{host}") for name in arrival.names for host in hosts)


def missing(need: Need, place: Place) -> bool:
    """Whether a place lacks what a case needs."""
    match need:
        case Need.ALLOWED:
            return place.allowed is None or place.canary is None
        case Need.DENIED:
            return not place.denied
        case Need.DENIED_NAME:
            return not place.denied_names
        case Need.DENIED_IPV4:
            return not any(":" not in each.host for each in place.denied_addresses)
        case Need.PROXY:
            return place.proxy is None
        case Need.HTTP_PROXY:
            return place.proxy is None or place.proxy.is_socks
