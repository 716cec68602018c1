"""
What a program asked for, gathered from the audit records for `-learn`; written down by `learned_config.py`.

Bounded: a program that invents hosts and paths fills neither the memory nor the file.
"""

from collections import Counter
from typing import Final, NamedTuple

from msgspec import UNSET

from iron_proxy.audit.record import Record, RequestRecord
from iron_proxy.errors import BadRequest
from iron_proxy.go_compat.path_match import MAX_GLOB_LENGTH
from iron_proxy.messages.authority import DEFAULT_PORTS, Target, parse_target

# A policy of more rules and paths is read by nobody; a browser needs some hundreds.
MAX_PATHS: Final = 5000
# A pattern has a limit too, and where every character of a path is escaped it is twice as long.
MAX_PATH_LENGTH: Final = MAX_GLOB_LENGTH // 3

# A client that left before its answer was whole has been let through as well.
_LET_THROUGH: Final = ("allow", "client_cancel")


class Seen(NamedTuple):
    """Requests that one rule can admit. `method` is "" for TLS that was passed through: there is no more to it."""

    target: Target
    scheme: str
    method: str


class LearnedRequests:
    """A sink for records."""

    def __init__(self) -> None:
        self.paths: dict[Seen, Counter[str]] = {}  # how often each path was asked for
        self.unnamed: Counter[Seen] = Counter()  # requests whose paths no rule could name
        self.omitted = 0  # requests beyond the limit
        self._count = 0

    def take(self, record: Record) -> None:
        """Remember a request that was let through."""
        if not isinstance(record, RequestRecord) or record.action not in _LET_THROUGH or record.method == "CONNECT":
            return
        scheme = "https" if record.sni or record.mode != "mitm" else "http"
        try:
            target = parse_target(record.host.encode("ascii"), DEFAULT_PORTS[scheme])
        except (BadRequest, UnicodeEncodeError):  # nothing that was let through has such a host
            return
        if record.method == "*":  # a method's name to HTTP, any method to a rule
            self.omitted += 1
            return
        seen = Seen(target, scheme, record.method)
        self._count_path(seen, record.path if _is_nameable(record) else None)

    def _count_path(self, seen: Seen, path: str | None) -> None:
        """`path` None: no rule could name it."""
        paths = self.paths.get(seen)
        if paths is None or (path is not None and path not in paths):
            if self._count >= MAX_PATHS:
                self.omitted += 1
                return
            self._count += 1
            paths = self.paths.setdefault(seen, Counter())
        if path is None:
            self.unnamed[seen] += 1
        else:
            paths[path] += 1


def _is_nameable(record: RequestRecord) -> bool:
    if not record.method:  # passed through: there is no path
        return True
    is_fit = record.path.startswith("/") and len(record.path) <= MAX_PATH_LENGTH  # not OPTIONS *
    return is_fit and record.ambiguous_path is UNSET
