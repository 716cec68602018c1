"""
What one request has come to, and its audit record; two of them for what goes on for long, or must be known before.

    opening record → something is done → closing record          sessions (`audit.session_records`), and in strict mode
    one record, before the answer                                strict mode, what is refused
    one record, at the end                                       everything else

Both records have the same id. Called by `handler.py` and by what opens tunnels. In strict mode nothing is dialled and
no byte of an answer goes out before the record that is due has been written.
"""

import sys
from time import perf_counter
from typing import Any

from iron_proxy.audit.outcome import UNEXPECTED_REASON, Failed, Outcome, allowed
from iron_proxy.audit.record import RequestRecord, new_request_id, request_record
from iron_proxy.errors import let_go
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Traces
from iron_proxy.proxy.client import Client
from iron_proxy.upstream.connection_facts import ConnectionFacts

# What is logged if nothing gets to say otherwise.
UNEXPECTED: Outcome = Failed(500, UNEXPECTED_REASON)
_EVENT_STREAM = b"text/event-stream"
# The status in an opening record, where the answer has not come yet.
_NOT_YET = 0


class RequestLife:
    """What one request has come to so far; the audit record is made from it, whatever happened."""

    __slots__ = (
        "bytes_from_client", "bytes_from_upstream", "connection", "exchange", "generation", "has_ambiguous_path",
        "host", "is_opened", "is_recorded", "method", "outcome", "path", "request_id", "request_traces",
        "response_traces", "started",
    )  # fmt: skip

    def __init__(self) -> None:
        self.started = perf_counter()
        self.outcome = UNEXPECTED
        self.exchange: Exchange | None = None
        self.host = self.method = self.path = ""
        self.has_ambiguous_path = False           # as it came; a transform may have changed it since
        self.request_traces: Traces = []
        self.response_traces: Traces = []
        self.generation = 0                       # of the policy that decided on it
        self.connection: ConnectionFacts | None = None     # that it was forwarded on
        self.bytes_from_client = 0                # beyond what the bodies have counted themselves
        self.bytes_from_upstream = 0
        self.is_opened = False                    # its opening record is written
        self.is_recorded = False                  # its record is, or the closing one
        self.request_id = new_request_id()        # of its records

    def fail(self, outcome: Outcome) -> None:
        """The exception at hand has ended the exchange: what it and the request's body hold is dropped."""
        self.outcome = outcome
        let_go(sys.exception())
        if self.exchange is not None:
            self.exchange.request.body.let_go()


def emit(client: Client, life: RequestLife) -> None:
    """Emit the record of a request that has ended, unless that has been done."""
    if life.is_recorded:
        return
    life.is_recorded = True
    record = _record(client, life, life.outcome)
    if life.is_opened:
        record.phase = "close"
    client.services.audit.emit(record)


async def record_intent(client: Client, life: RequestLife) -> None:
    """For strict mode, before a request that policy has let pass is forwarded. Raises AuditUnavailable."""
    open_session(client, life, _NOT_YET)
    await client.services.audit.written()


async def record_refusal(client: Client, life: RequestLife, outcome: Outcome) -> None:
    """Emit the record before a client gets an answer of ours. Raises AuditUnavailable, in strict mode only."""
    life.outcome = outcome
    if not life.is_opened:                        # otherwise what was done is known already
        emit(client, life)
        if client.services.audit.is_strict:
            await client.services.audit.written()


def open_session(client: Client, life: RequestLife, status: int) -> None:
    """Emit the opening record, if it has not been. `status` as the client was answered, or will be."""
    if life.is_opened:
        return
    life.is_opened = True
    record = _record(client, life, allowed(status))
    record.phase = "open"
    record.request_transforms = list(life.request_traces)
    client.services.audit.emit_opening(record)


def note_stream(client: Client, life: RequestLife, response: Response) -> None:
    """Emit the opening record of an event stream, which may go on for hours; of no other response."""
    if (response.headers.get(b"content-type") or b"").lower().startswith(_EVENT_STREAM):
        open_session(client, life, response.status)


def _record(client: Client, life: RequestLife, outcome: Outcome) -> RequestRecord:
    record = request_record(
        outcome,
        request_id=life.request_id,
        host=life.host,
        method=life.method,
        path=life.path,
        client=client.peer,
        server_name=client.server_name,
        duration=perf_counter() - life.started,
        request_traces=life.request_traces,
        response_traces=life.response_traces,
    )
    record.generation = life.generation or client.services.snapshot.generation
    if client.client_name:
        record.client = client.client_name
    if client.original_destination is not None:
        record.original_destination = str(client.original_destination)
    if client.tunnel is not None:
        tunnel: dict[str, Any] = {"target": str(client.tunnel.target)}
        if client.tunnel.traces:
            tunnel["request_transforms"] = list(client.tunnel.traces)
        record.tunnel = tunnel
    if life.has_ambiguous_path:
        record.ambiguous_path = True
    if life.exchange is not None:
        _add_exchange(record, life, life.exchange)
    return record


def _add_exchange(record: RequestRecord, life: RequestLife, exchange: Exchange) -> None:
    admission = exchange.admission
    if admission is not None:
        record.rule = admission.place or admission.rule
    connection = life.connection
    if connection is not None:
        # Whoever is looked for in the response, or swapped in messages, has gone there.
        has_secret = exchange.scrubbers or exchange.rewriting or _has_sent_secret(life)
        record.upstream = connection.identity() if has_secret else connection.address()
        record.bytes_from_client = life.bytes_from_client + exchange.request.body.passed
        response = exchange.response
        record.bytes_from_upstream = life.bytes_from_upstream + (0 if response is None else response.body.passed)
    capture = exchange.body_capture
    if capture is not None:
        record.body_capture = {"request_body": capture.text, "request_body_truncated": capture.truncated}


def _has_sent_secret(life: RequestLife) -> bool:
    for trace in life.request_traces:
        notes = trace.get("annotations")
        if notes and ("swapped" in notes or "injected" in notes):
            return True
    return False
