"""
THE MAIN PATH: one request from its head to its audit record.

    check → transforms → forward → transforms → respond → audit

Each step is entered once and comes back with a value. A failure anywhere becomes an `Outcome`; the record is emitted
in one `finally`, so that a bug, a cancellation or a client that leaves while we answer still leave exactly one.
"""

import asyncio
from time import perf_counter
from typing import Any

from iron_proxy.audit.outcome import UNEXPECTED_REASON, ClientGone, Failed, Outcome, Rejected, Stubbed, allowed
from iron_proxy.audit.record import request_record
from iron_proxy.errors import BadRequest, ClientDisconnected, ClientError, IronProxyError
from iron_proxy.messages.response import Response, plain_text, rejection
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Permit, Pipeline, Refusal, Traces
from iron_proxy.pipeline.verdict import Stub
from iron_proxy.protocols.http1.events import RequestHead
from iron_proxy.proxy import websocket
from iron_proxy.proxy.client import Client
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.forward import GATHER_BYTES, forward_streaming, forward_whole, response_of
from iron_proxy.proxy.request_checks import check_request, described

# What is logged if nothing below gets to say otherwise.
UNEXPECTED: Outcome = Failed(500, UNEXPECTED_REASON)


UNKNOWN_CLIENT = "the client is none of those configured"


class RequestLife:
    """What one request has come to so far; the audit record is made from it, whatever happened."""

    __slots__ = ("exchange", "host", "method", "outcome", "path", "request_traces", "response_traces", "started")

    def __init__(self) -> None:
        self.started = perf_counter()
        self.outcome = UNEXPECTED
        self.exchange: Exchange | None = None
        self.host = self.method = self.path = ""
        self.request_traces: Traces = []
        self.response_traces: Traces = []


async def handle(client: Client, head: RequestHead | ClientError, refusal: ClientError | None = None) -> None:
    """
    Serve one request of a client; `head` is the error when there was no reading it.

    `refusal` is what is wrong with a request whose head could be read none the less (HTTP/2).
    """
    life = RequestLife()
    try:
        if isinstance(head, ClientError):
            raise head
        if refusal is not None:
            life.host, life.method, life.path = described(head)
            raise refusal
        pipeline = client.services.snapshot.pipeline
        life.outcome = await _decide(client, head, _check(client, head, life), pipeline, life)
    except ClientDisconnected:
        life.outcome = ClientGone()
        client.break_off()
    except asyncio.CancelledError:
        life.outcome = Failed(503, "the proxy is shutting down")
        if not client.client_left:
            raise
        life.outcome = ClientGone()
        client.break_off()
    except ClientError as error:
        life.outcome = Rejected(error.status, str(error))
        await _answer(client, error)
    except IronProxyError as error:
        life.outcome = Failed(error.status, str(error))
        await _answer_failure(client, error, life)
    finally:
        emit(client, life)


def _check(client: Client, head: RequestHead, life: RequestLife) -> Exchange:
    life.method = head.method
    try:
        if client.services.snapshot.require_client and not client.client_name:
            raise BadRequest(UNKNOWN_CLIENT, 403)
        if head.method == "CONNECT":
            raise BadRequest("CONNECT is served on the tunnel listener only", 405)
        request = check_request(
            head, client.reader, scheme=client.scheme, server_name=client.server_name, tunnel=client.tunnel
        )
        if head.expect is not None and head.expect != b"100-continue":
            raise BadRequest("Expect other than 100-continue", 417)
    except BadRequest:
        life.host, life.method, life.path = described(head)
        raise
    # The record shows the path as the client sent it: a transform may put a secret into the one that is forwarded.
    life.host, life.path = request.target.host_text(request.scheme), request.path
    request.client_name = client.client_name
    request.sensitive = client.never_indexed
    life.exchange = exchange = Exchange(request, client.peer, client.server_name, client.tunnel)
    return exchange


async def _decide(
    client: Client, head: RequestHead, exchange: Exchange, pipeline: Pipeline, life: RequestLife
) -> Outcome:
    decision = await pipeline.run_request(exchange, life.request_traces)
    if isinstance(decision, Refusal):
        return await _refuse(client, head, decision)
    if exchange.request.upgrade is not None and isinstance(client, ClientConnection):     # HTTP/2 knows none
        ended = await websocket.serve(
            client, head, exchange, decision, lambda exchange: pipeline.run_response(exchange, life.response_traces)
        )
        return await _refuse(client, head, ended) if isinstance(ended, Refusal) else ended
    body = exchange.request.body
    content = b"" if body.length == 0 else body.gather_nowait(GATHER_BYTES)
    if content is None:
        return await _forward_beside_upload(client, head, exchange, decision, pipeline, life)
    connection, upstream_head = await forward_whole(client, exchange.request, decision, content, exchange)
    try:
        response = exchange.response = response_of(upstream_head, connection)
        if pipeline.looks_at_responses or (exchange.scrubbers and exchange.needs_scrubbing(response)):
            outcome = await _respond_through(client, head, exchange, response, pipeline, life)
        else:
            await client.respond(head, response)
            outcome = allowed(response.status)
    except BaseException:
        connection.abort()
        raise
    if connection.is_reusable(upstream_head):
        client.services.pool.give_back(connection)
    else:
        connection.close()
    return outcome


async def _forward_beside_upload(
    client: Client,
    head: RequestHead,
    exchange: Exchange,
    permit: Permit,
    pipeline: Pipeline,
    life: RequestLife,
) -> Outcome:
    """The same for a body that is still arriving: its upload is a child task of this exchange."""
    try:
        async with asyncio.TaskGroup() as uploads:
            connection, upstream_head, upload = await forward_streaming(
                client, exchange.request, permit, uploads, exchange
            )
            try:
                response = exchange.response = response_of(upstream_head, connection)
                if not upload.done():
                    client.keep_alive = False      # an early answer: the rest of the request has no reader
                outcome = await _respond_through(client, head, exchange, response, pipeline, life)
            except BaseException:
                connection.abort()
                raise
            if upload.done() and connection.is_reusable(upstream_head):
                client.services.pool.give_back(connection)
            else:
                upload.cancel()
                connection.abort()
            return outcome
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _respond_through(
    client: Client,
    head: RequestHead,
    exchange: Exchange,
    response: Response,
    pipeline: Pipeline,
    life: RequestLife,
) -> Outcome:
    if pipeline.looks_at_responses or exchange.scrubbers:
        refusal = await pipeline.run_response(exchange, life.response_traces)
        if refusal is not None:
            return await _refuse(client, head, refusal)
        response = exchange.response or response
    await client.respond(head, response)
    return allowed(response.status)


async def _refuse(client: Client, head: RequestHead, refusal: Refusal) -> Outcome:
    verdict = refusal.verdict
    response = verdict.response or rejection()
    if not client.reader.message_ended:
        client.keep_alive = False                  # a body that policy refused is not read
    if response.body.is_replayable:
        response.body.rewind()                     # a transform may give the same answer to many requests
    try:
        await client.respond(head, response)
    except ClientError:                            # it does not wait for its refusal, which is one all the same
        client.break_off()
    if isinstance(verdict, Stub):
        return Stubbed(response.status, refusal.by)
    return Rejected(response.status, verdict.reason, refusal.by)


async def _answer(client: Client, error: ClientError) -> None:
    if client.response_started:
        client.break_off()
        return
    try:
        await client.answer_error(error)
    except ClientError:                            # a client that sends nonsense and leaves has still sent nonsense
        client.break_off()


async def _answer_failure(client: Client, error: IronProxyError, life: RequestLife) -> None:
    """An upstream or a transform failed: 502, or a broken connection when the answer has already begun."""
    if client.response_started:
        client.break_off()
        return
    try:
        await client.answer(plain_text(error.status, "bad gateway" if error.status == 502 else "internal error"))
    except ClientError:
        life.outcome = ClientGone()
        client.break_off()


def emit(client: Client, life: RequestLife) -> None:
    """The only line that emits a request's record."""
    record = request_record(
        life.outcome,
        host=life.host,
        method=life.method,
        path=life.path,
        client=client.peer,
        server_name=client.server_name,
        duration=perf_counter() - life.started,
        request_traces=life.request_traces,
        response_traces=life.response_traces,
    )
    if client.client_name:
        record.client = client.client_name
    if client.tunnel is not None:
        tunnel: dict[str, Any] = {"target": str(client.tunnel.target)}
        if client.tunnel.traces:
            tunnel["request_transforms"] = list(client.tunnel.traces)
        record.tunnel = tunnel
    capture = life.exchange.body_capture if life.exchange is not None else None
    if capture is not None:
        record.body_capture = {"request_body": capture.text, "request_body_truncated": capture.truncated}
    client.services.audit.emit(record)
