"""
Which records somebody wants to see: by host, client, time, and whether they were denied. Pure.

Called by `cli/logs.py`, which has the flags.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from iron_proxy.audit_reading.entries import Entry
from iron_proxy.errors import BadRequest
from iron_proxy.go_compat.durations import parse_duration
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.messages.authority import parse_target


@dataclass(frozen=True, slots=True)
class Selection:
    """All conditions must hold; one that is None or empty holds always. `client` is a name or an address."""

    denied_only: bool = False
    host: HostPattern | None = None
    client: str = ""
    since: datetime | None = None

    def takes(self, entry: Entry) -> bool:
        """Whether a record is wanted."""
        if self.denied_only and entry.action != "reject":
            return False
        if self.client and self.client not in (entry.client, entry.client_address):
            return False
        if self.host is not None and not self.host.matches(host_of(entry)):
            return False
        return self.since is None or _is_since(entry.time, self.since)


def host_of(entry: Entry) -> str:
    """The host without a port, in canonical form where it has one."""
    try:
        return parse_target(entry.host.encode("ascii"), 0).host
    except (BadRequest, UnicodeEncodeError):
        return entry.host


def parse_since(text: str, now: datetime) -> datetime:
    """A moment: `2026-11-25`, `2026-11-25T01:41:05Z`, or a duration before now such as `90m`. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    try:
        return now - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        raise ValueError(
            f'-since "{text}" is neither a time (2026-11-25T01:41:05Z) nor a duration before now (90m)'
        ) from None


def _is_since(text: str, since: datetime) -> bool:
    """A record whose time nobody can read is not shown where a time was asked for."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) >= since
