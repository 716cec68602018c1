"""
The fields of a record, once: `RequestRecord` for a request, `EventRecord` for what is not one (a handshake, a name).

The field order is the order on the wire of the default envelope. Fields that do not apply are left out.
"""

import time
from itertools import count
from secrets import token_hex
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from iron_proxy.audit.outcome import Allowed, ClientGone, Failed, Outcome, Rejected, Stubbed, action_of

Optional = UnsetType | str


class RequestRecord(Struct, kw_only=True):
    """One request, CONNECT or SOCKS5 opening, in the seed's documented schema plus our own fields."""

    time: str
    level: str
    msg: str = "request"
    host: str
    method: str
    path: str
    action: str
    status_code: int
    duration_ms: float
    request_id: str                             # the same in both records of what leaves two
    phase: Optional = UNSET                     # "open" and "close" of what leaves two records
    rejected_by: Optional = UNSET
    stubbed_by: Optional = UNSET
    reason: Optional = UNSET                    # why it was refused, in one sentence
    code: Optional = UNSET                      # and in one word, for programs; the one of an explained denial
    error: Optional = UNSET
    rule: Optional = UNSET                      # what policy let it pass by, such as `domains[3]`
    generation: UnsetType | int = UNSET         # of the policy
    ambiguous_path: UnsetType | bool = UNSET    # the path can be read in two ways: no rule with `paths` admits it
    remote_addr: str
    client: Optional = UNSET                    # which of the configured clients
    original_destination: Optional = UNSET      # where an intercepted connection was going, as `ip:port`
    sni: str
    mode: str = "mitm"
    tunnel: UnsetType | dict[str, Any] = UNSET
    upstream: UnsetType | dict[str, Any] = UNSET    # the connection that it was forwarded on
    bytes_from_client: UnsetType | int = UNSET  # of bodies as they went on, or of what was relayed
    bytes_from_upstream: UnsetType | int = UNSET
    request_transforms: list[dict[str, Any]]
    response_transforms: list[dict[str, Any]]
    body_capture: UnsetType | dict[str, Any] = UNSET


class EventRecord(Struct, kw_only=True):
    """Something audited that is not a request: a refused handshake, a DNS name, a connection that made no sense."""

    time: str
    level: str
    msg: str = "event"
    # "handshake", "tunnel", "connection", "limit", "dns", "reload", "audit", "worker", "jail"
    event: str
    action: str
    reason: Optional = UNSET
    remote_addr: str = ""
    original_destination: Optional = UNSET
    client: Optional = UNSET                    # which of the configured clients
    host: Optional = UNSET
    duration_ms: UnsetType | float = UNSET      # of what took its time
    dns: UnsetType | dict[str, Any] = UNSET     # what only this kind of event has, under the event's name
    reload: UnsetType | dict[str, Any] = UNSET
    limit: UnsetType | dict[str, Any] = UNSET
    audit: UnsetType | dict[str, Any] = UNSET
    worker: UnsetType | dict[str, Any] = UNSET


Record = RequestRecord | EventRecord


# A process's ids differ from those of any other, and of itself before a restart.
_id_prefix = token_hex(5)
_id_numbers = count(1)


def new_request_id() -> str:
    """An id that no other request of any proxy has; those of one process go up."""
    return f"{_id_prefix}-{next(_id_numbers)}"


def request_record(
    outcome: Outcome,
    *,
    request_id: str,
    host: str,
    method: str,
    path: str,
    client: str,
    server_name: str,
    duration: float,
    request_traces: list[dict[str, Any]],
    response_traces: list[dict[str, Any]],
) -> RequestRecord:
    """The record of one request. `duration` is in seconds."""
    action, status, level = ("allow", outcome.status, "INFO") if type(outcome) is Allowed else action_of(outcome)
    record = RequestRecord(
        time=timestamp(),
        level=level,
        request_id=request_id,
        host=host,
        method=method,
        path=path,
        action=action,
        status_code=status,
        duration_ms=int(duration * 1e6) / 1e3,
        remote_addr=client,
        sni=server_name,
        request_transforms=request_traces,
        response_transforms=response_traces,
    )
    if action != "allow":
        _explain(record, outcome)
    return record


def _explain(record: RequestRecord, outcome: Outcome) -> None:
    match outcome:
        case Rejected(_, reason, by, code):
            record.reason = reason
            if code:
                record.code = code
            if by is not None:
                record.rejected_by = by
        case Stubbed(_, by):
            record.stubbed_by = by
        case Failed(_, error):
            record.error = error
        case ClientGone():
            record.reason = "the client went away"
        case _:
            pass


def audit_event(level: str, action: str, details: dict[str, Any], reason: Optional = UNSET) -> EventRecord:
    """An event of the log itself."""
    return EventRecord(
        time=timestamp(), level=level, event="audit", action=action, reason=reason, audit=details or UNSET
    )


_second = -1_000_000                           # when it began, in microseconds since the epoch: none yet
_second_text = ""


def timestamp() -> str:
    """Now, as RFC 3339 in UTC with microseconds. The part down to the second is formatted once a second."""
    global _second, _second_text
    since = time.time_ns() // 1000 - _second
    if not 0 <= since < 1_000_000:
        seconds, since = divmod(_second + since, 1_000_000)
        _second, _second_text = seconds * 1_000_000, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(seconds))
    # Six digits by way of a seventh: a format for them would take longer than all the rest of this.
    return f"{_second_text}{str(since + 1_000_000)[1:]}Z"
