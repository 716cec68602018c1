"""
Who may call the management API: whoever shows the key, from no other web site's page, and not after many wrong ones.

The key is compared by its digest, in constant time. A caller that has shown wrong keys is not listened to for a while,
right or wrong: a guess that is not looked at tells nothing. Called by `api.py`, before anything else is looked at.
"""

import hashlib
import hmac
import ipaddress
import logging
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers

# A deployment that still has the old key tries it a few times; a guesser needs billions.
FAILURES_AT_ONCE: Final = 10
SECONDS_PER_FAILURE: Final = 6.0
# Of the addresses that failed lately this many are remembered, some 300 bytes each.
_MAX_ADDRESSES: Final = 4096
_LOOPBACK_NAMES: Final = ("localhost", "localhost.localdomain", "ip6-localhost")

_log = logging.getLogger("iron_proxy.management")


class Refusal(NamedTuple):
    """What a caller gets instead of an answer."""

    status: int
    error: str
    headers: dict[str, str]


class Access:
    """`key_digest` is asked for at every call; `is_loopback` says that the listener can be reached from here only."""

    def __init__(
        self, key_digest: Callable[[], bytes], *, is_loopback: bool, clock: Callable[[], float] = monotonic
    ) -> None:
        self._key_digest = key_digest
        self._is_loopback = is_loopback
        self._failures = _Failures(clock)

    def refusal(self, headers: Headers, address: str) -> Refusal | None:
        """Why not, or None for a caller that may."""
        if _is_foreign_page(headers) or (self._is_loopback and not _names_loopback(headers.get("host", ""))):
            return Refusal(403, "cross-origin requests are refused", {})
        wait = self._failures.seconds_to_wait(address)
        if wait > 0:
            return Refusal(429, "too many failed attempts", {"Retry-After": str(int(wait) + 1)})
        shown = headers.getlist("authorization")
        if len(shown) == 1 and self._is_right(shown[0]):
            return None
        if shown:                                # who shows nothing guesses nothing
            self._failures.note(address)
            _log.warning("management call with a wrong key", extra={"fields": {"remote_addr": address}})
        return Refusal(401, "unauthorized", {"WWW-Authenticate": 'Bearer realm="iron-proxy"'})

    def _is_right(self, value: str) -> bool:
        scheme, key = value[:7], value[7:]       # parity: the scheme in this spelling only
        digest = hashlib.sha256(key.encode("latin-1", "replace")).digest()
        return hmac.compare_digest(digest, self._key_digest()) and scheme == "Bearer "


class _Failures:
    """Wrong keys by address: so many at once, and one more every few seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # When the last one of each is forgiven.
        self._forgiven_at: OrderedDict[str, float] = OrderedDict()

    def seconds_to_wait(self, address: str) -> float:
        """Until the next try is looked at; not above 0 if it is now."""
        budget = (FAILURES_AT_ONCE - 1) * SECONDS_PER_FAILURE
        return self._forgiven_at.get(_network_of(address), 0.0) - budget - self._clock()

    def note(self, address: str) -> None:
        """Count one."""
        key, now = _network_of(address), self._clock()
        self._forgiven_at[key] = max(self._forgiven_at.get(key, 0.0), now) + SECONDS_PER_FAILURE
        self._forgiven_at.move_to_end(key)
        if len(self._forgiven_at) > _MAX_ADDRESSES:
            self._forgiven_at.popitem(last=False)


def _network_of(address: str) -> str:
    """Who counts as one: an IPv4 address, or the 64 bits of IPv6 that anybody has to choose from."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped is not None else str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))


def _is_foreign_page(headers: Headers) -> bool:
    """Whether a browser says that the page which asks is from elsewhere."""
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()


def _names_loopback(host: str) -> bool:
    """A page whose name was made to lead here (DNS rebinding) brings that name along."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in _LOOPBACK_NAMES:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
