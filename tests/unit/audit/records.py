"""Records for tests, with everything that need not matter filled in."""

from typing import Any

from iron_proxy.audit.outcome import Allowed, Outcome
from iron_proxy.audit.record import RequestRecord, request_record


def record_of(outcome: Outcome | None = None, **changes: Any) -> RequestRecord:
    """The record of a GET of ok.test that ended so."""
    fields: dict[str, Any] = {
        "request_id": "cafe-1",
        "host": "ok.test",
        "method": "GET",
        "path": "/",
        "client": "192.0.2.1:1000",
        "server_name": "",
        "duration": 0.0125,
        "request_traces": [{"name": "allowlist", "action": "continue", "duration_ms": 0.1}],
        "response_traces": [],
    }
    return request_record(outcome or Allowed(200), **{**fields, **changes})
