"""Lines of audit files as the proxy writes them, with everything filled in that need not matter."""

from typing import Any

from iron_proxy.audit.envelopes import ENVELOPES
from iron_proxy.audit.record import RequestRecord
from iron_proxy.audit_reading.entries import Entry, read_entries
from iron_proxy.audit_reading.sources import ReadingTally

NO_RULE = "no rule matches the host"


def audit_line(envelope: str = "seed", **changes: Any) -> bytes:
    """A GET of https://ok.test/ that was allowed; `changes` are fields. A `reject` is the allowlist's."""
    action = changes.get("action", "allow")
    is_denied = action == "reject"
    trace = {"name": "allowlist", "action": "reject" if is_denied else "continue", "duration_ms": 0.1}
    fields: dict[str, Any] = {
        "time": "2026-11-25T01:41:05.078385Z", "level": "INFO", "request_id": "a-1", "host": "ok.test", "method": "GET",
        "path": "/", "action": action, "status_code": 403 if is_denied else 200, "duration_ms": 12.5,
        "remote_addr": "192.0.2.1:1000", "sni": "ok.test", "request_transforms": [trace], "response_transforms": [],
    }  # fmt: skip
    if is_denied:
        fields |= {"rejected_by": "allowlist", "reason": NO_RULE}
    return ENVELOPES[envelope](RequestRecord(**fields | changes))


def entry_of(envelope: str = "seed", **changes: Any) -> Entry:
    """The same, read back."""
    ((entry, _),) = read_entries([audit_line(envelope, **changes)], ReadingTally())
    return entry
