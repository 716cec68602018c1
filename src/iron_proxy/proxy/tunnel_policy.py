"""
The decision about a tunnel, for CONNECT and SOCKS5 alike: could any rule admit this host and port?

Method and path rules, and secrets' `require`, bind at the request inside. The tunnel then fixes the target: what comes
inside must be for the same host (`request_checks.py`).
"""

import asyncio

from iron_proxy.audit.outcome import Allowed, ClientGone, Failed, Outcome, Rejected
from iron_proxy.errors import AuditUnavailable, IronProxyError
from iron_proxy.messages.authority import Target
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.messages.response import Response, plain_text, rejection
from iron_proxy.pipeline.exchange import Exchange, Tunnel
from iron_proxy.pipeline.pipeline import Refusal
from iron_proxy.pipeline.transform import Scope
from iron_proxy.pipeline.verdict import Reject
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.denials import Denied, asks_for_explanation, explained
from iron_proxy.proxy.request_life import RequestLife, emit, open_session


async def decide_tunnel(client: ClientConnection, target: Target, headers: Headers) -> Tunnel | Response:
    """
    The open tunnel, or the response that refuses it. Emits the record of the opening either way.

    Where tunnels leave two records, `client.tunnel_life` is what the closing one is made of: see `end_tunnel`.
    """
    life = RequestLife()
    life.host, life.method = str(target), "CONNECT"
    audit = client.services.audit
    try:
        if audit.must_wait:
            await audit.room()
        decision = await _decide(client, target, headers, life)
        if audit.is_strict:
            await audit.written()
    except AuditUnavailable as error:
        life.outcome = Failed(error.status, str(error))
        emit(client, life)
        return plain_text(503, "service unavailable")
    if life.is_opened:
        client.tunnel_life = life
    return decision


def end_tunnel(client: ClientConnection) -> None:
    """Emit the closing record of a tunnel that this client has opened, if there is to be one."""
    life, client.tunnel_life = client.tunnel_life, None
    if life is not None:
        emit(client, life)


async def _decide(client: ClientConnection, target: Target, headers: Headers, life: RequestLife) -> Tunnel | Response:
    request = Request("CONNECT", "tunnel", target, b"", None, headers)
    request.client_name = client.client_name
    life.exchange = exchange = Exchange(request, client.stream.peer, target.host)
    snapshot = client.services.snapshot
    life.generation = snapshot.generation
    try:
        decision = await snapshot.pipeline.run_request(exchange, life.request_traces, Scope.TUNNEL)
        if isinstance(decision, Refusal):
            response, life.outcome = _refused(decision, client, target, headers, life.request_id)
            return response
        life.outcome = Allowed(200)
        if client.services.records_sessions or client.services.audit.is_strict:
            open_session(client, life, 200)
        return Tunnel(target, tuple(life.request_traces), client.client_name)
    except asyncio.CancelledError:
        life.outcome = ClientGone() if client.client_left else Failed(503, "the proxy is shutting down")
        raise
    except IronProxyError as error:
        life.outcome = Failed(error.status, str(error))
        return plain_text(502, "bad gateway")
    finally:
        if not life.is_opened:
            emit(client, life)


def _refused(
    refusal: Refusal, client: ClientConnection, target: Target, headers: Headers, request_id: str
) -> tuple[Response, Outcome]:
    verdict = refusal.verdict
    response = verdict.response or rejection()
    code = verdict.code if isinstance(verdict, Reject) else ""
    if verdict.response is None and (
        client.services.snapshot.explains_denials or asks_for_explanation(headers.fields)
    ):
        response = explained(403, code, Denied(target, "https", "CONNECT", "", client.client_name), request_id)
    reason = getattr(verdict, "reason", "answered by a transform")
    return response, Rejected(response.status, reason, refusal.by, code)
