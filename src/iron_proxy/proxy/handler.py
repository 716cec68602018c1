"""
THE MAIN PATH: one request from its head to its audit record.

    check → transforms → forward → transforms → respond → audit

Each step is entered once and comes back with a value. A failure anywhere becomes an `Outcome`; the record is emitted
in one `finally`, so that a bug, a cancellation or a client that leaves while we answer still leave exactly one.
"""

import asyncio

from iron_proxy.audit.outcome import ClientGone, Failed, Outcome, Rejected, Stubbed, allowed
from iron_proxy.errors import (
    AuditUnavailable,
    BadRequest,
    ClientDisconnected,
    ClientError,
    IronProxyError,
    UpstreamDenied,
)
from iron_proxy.messages.authority import DEFAULT_PORTS, parse_target
from iron_proxy.messages.response import Response, plain_text, rejection
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Permit, Pipeline, Refusal
from iron_proxy.pipeline.verdict import Reject, Stub
from iron_proxy.protocols.http1.events import RequestHead
from iron_proxy.proxy import websocket
from iron_proxy.proxy.client import Client
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.denials import ADDRESS_DENIED, Denied, asks_for_explanation, explained
from iron_proxy.proxy.forward import GATHER_BYTES, forward_streaming, forward_whole, response_of
from iron_proxy.proxy.request_checks import CheckedHead, check_request, described
from iron_proxy.proxy.request_life import RequestLife, emit, note_stream, record_intent, record_refusal

# What a client is told when something broke that is none of its business.
_FAILURES = {502: "bad gateway", 503: "service unavailable"}

UNKNOWN_CLIENT = "the client is none of those configured"


async def handle(client: Client, head: RequestHead | ClientError, refusal: ClientError | None = None) -> None:
    """
    Serve one request of a client; `head` is the error when there was no reading it.

    `refusal` is what is wrong with a request whose head could be read none the less (HTTP/2).
    """
    client.life = life = RequestLife()
    services = client.services
    services.users += 1                            # a reload leaves them open for as long as this goes on
    try:
        if isinstance(head, ClientError):
            raise head
        if refusal is not None:
            life.host, life.method, life.path = described(head)
            raise refusal
        if services.audit.must_wait:
            await _wait_for_audit(client, head, life)
        snapshot = services.snapshot
        life.generation = snapshot.generation
        life.outcome = await _decide(client, head, _check(client, head, life), snapshot.pipeline, life)
    except ClientDisconnected:
        life.fail(ClientGone())
        client.break_off()
    except asyncio.CancelledError:
        life.fail(Failed(503, "the proxy is shutting down"))
        if not client.client_left:
            raise
        life.outcome = ClientGone() if (why := client.violation) is None else Rejected(why.status, str(why))
        client.break_off()
    except ClientError as error:
        life.fail(Rejected(error.status, str(error)))
        await _answer(client, error, life)
    except IronProxyError as error:
        life.fail(Failed(error.status, str(error)))
        await _answer_failure(client, head, error, life)
    finally:
        services.release()
        client.life = None
        emit(client, life)


async def _wait_for_audit(client: Client, head: RequestHead, life: RequestLife) -> None:
    """A log that does not keep up slows us down, before anything is done. Raises AuditUnavailable (strict mode)."""
    try:
        await client.services.audit.room()
    except AuditUnavailable:
        life.host, life.method, life.path = described(head)
        raise


def _check(client: Client, head: RequestHead, life: RequestLife) -> Exchange:
    life.method = head.method
    try:
        if client.services.snapshot.require_client and not client.client_name:
            raise BadRequest(UNKNOWN_CLIENT, 403)
        if head.method == "CONNECT":
            raise BadRequest("CONNECT is served on the tunnel listener only", 405)
        request = check_request(
            head,
            client.reader,
            scheme=client.scheme,
            server_name=client.server_name,
            tunnel=client.tunnel,
            original_destination=client.original_destination,
        )
        if head.expect is not None and head.expect != b"100-continue":
            raise BadRequest("Expect other than 100-continue", 417)
    except BadRequest:
        life.host, life.method, life.path = described(head)
        raise
    # The record shows the path as the client sent it: a transform may put a secret into the one that is forwarded.
    checked: CheckedHead = head.checked
    life.host, life.path, life.has_ambiguous_path = checked.host_text, checked.path, checked.has_ambiguous_path
    request.client_name = client.client_name
    request.sensitive = client.never_indexed
    life.exchange = exchange = Exchange(request, client.peer, client.server_name, client.tunnel)
    return exchange


async def _decide(
    client: Client, head: RequestHead, exchange: Exchange, pipeline: Pipeline, life: RequestLife
) -> Outcome:
    decision = await pipeline.run_request(exchange, life.request_traces)
    if isinstance(decision, Refusal):
        return await _refuse(client, head, decision, life)
    services, request = client.services, exchange.request
    if services.audit.is_strict:
        await record_intent(client, life)
    if request.upgrade is not None and isinstance(client, ClientConnection):     # HTTP/2 knows none
        ended = await websocket.serve(client, head, exchange, decision, pipeline, life)
        return await _refuse(client, head, ended, life) if isinstance(ended, Refusal) else ended
    content = b"" if request.body.length == 0 else request.body.gather_nowait(GATHER_BYTES)
    if content is None:
        return await _forward_beside_upload(client, head, exchange, decision, pipeline, life)
    connection, upstream_head = await forward_whole(client, request, decision, content, exchange)
    life.connection, life.bytes_from_client = connection.facts, len(content)
    try:
        response = exchange.response = response_of(upstream_head, connection)
        if pipeline.looks_at_responses or (exchange.scrubbers and exchange.needs_scrubbing(response)):
            outcome = await _respond_through(client, head, exchange, response, pipeline, life)
        else:
            if services.records_sessions:
                note_stream(client, life, response)
            await client.respond(head, response)
            outcome = allowed(response.status)
    except BaseException:
        connection.abort()
        raise
    if connection.is_reusable(upstream_head):
        services.pool.give_back(connection)
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
            life.connection = connection.facts
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
            return await _refuse(client, head, refusal, life)
        response = exchange.response or response
    if client.services.records_sessions:
        note_stream(client, life, response)
    await client.respond(head, response)
    return allowed(response.status)


async def _refuse(client: Client, head: RequestHead, refusal: Refusal, life: RequestLife) -> Outcome:
    verdict = refusal.verdict
    code = verdict.code if isinstance(verdict, Reject) else ""
    response = verdict.response or _explanation(client, head, life, 403, code) or rejection()
    if not client.reader.message_ended:
        client.keep_alive = False                  # a body that policy refused is not read
    if response.body.is_replayable:
        response.body.rewind()                     # a transform may give the same answer to many requests
    outcome: Outcome
    if isinstance(verdict, Stub):
        outcome = Stubbed(response.status, refusal.by)
    else:
        outcome = Rejected(response.status, verdict.reason, refusal.by, code)
    if client.services.audit.is_strict:
        await record_refusal(client, life, outcome)
    try:
        await client.respond(head, response)
    except ClientError:                            # it does not wait for its refusal, which is one all the same
        client.break_off()
    return outcome


async def _answer(client: Client, error: ClientError, life: RequestLife) -> None:
    if client.response_started:
        client.break_off()
        return
    if client.services.audit.is_strict:
        try:
            await record_refusal(client, life, life.outcome)
        except AuditUnavailable as unavailable:
            error = BadRequest(str(unavailable), unavailable.status)
    try:
        await client.answer_error(error)
    except ClientError:                            # a client that sends nonsense and leaves has still sent nonsense
        client.break_off()


def _explanation(
    client: Client, head: RequestHead | ClientError, life: RequestLife, status: int, code: str
) -> Response | None:
    """The long answer to a request that is denied, where somebody wants it."""
    exchange = life.exchange
    if exchange is None or isinstance(head, ClientError):
        return None
    if not client.services.snapshot.explains_denials and not asks_for_explanation(head.pairs):
        return None
    # As it came: what transforms have made of it is not for the client.
    scheme = exchange.request.scheme
    target = parse_target(life.host.encode("ascii"), DEFAULT_PORTS[scheme])
    denied = Denied(target, scheme, life.method, life.path, exchange.request.client_name)
    return explained(status, code, denied, life.request_id)


async def _answer_failure(
    client: Client, head: RequestHead | ClientError, error: IronProxyError, life: RequestLife
) -> None:
    """An upstream or a transform failed: 502, or a broken connection when the answer has already begun."""
    if client.response_started:
        client.break_off()
        return
    if client.services.audit.is_strict and not isinstance(error, AuditUnavailable):
        try:
            await record_refusal(client, life, life.outcome)
        except AuditUnavailable as unavailable:
            error = unavailable
    response = plain_text(error.status, _FAILURES.get(error.status, "internal error"))
    if isinstance(error, UpstreamDenied):
        response = _explanation(client, head, life, error.status, ADDRESS_DENIED) or response
    try:
        await client.answer(response)
    except ClientError:
        life.outcome = ClientGone()
        client.break_off()
